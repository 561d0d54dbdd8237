"""The specs in specs/: valid, each name once, and a share of them made, planned and run in small.

CONEBENCH_CATALOG=K/N chooses the K-th of N shares, by the specs' order; 0/1 tries them all.
Without it, a small share is planned, and of that only what is made for a laptop is run.
"""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_runs import run

from conebench.entk import plan_ntk
from conebench.networks.timm_models import make_model
from conebench.spec import LoadedSpec, Spec, load_all, smoke_spec

SPECS = load_all([Path(__file__).parents[1] / "specs"])
WANTED = os.environ.get("CONEBENCH_CATALOG")
SHARE, SHARES = map(int, (WANTED or "0/32").split("/"))
# Networks of a package of their own are on the machines of those who installed it.
CHOSEN = [found for found in SPECS if found.spec.model.package is None][SHARE::SHARES]
RUN = CHOSEN if WANTED else [found for found in CHOSEN if found.spec.dataset.name == "digits"]
# A kernel takes a quarter of what is free, here of a GPU of 24 GB.
KERNEL_BYTES = 6 * 2**30
CLASSES = 10


def name_of(found: LoadedSpec) -> str:
    return found.spec.name


def test_every_spec_is_resolved_and_has_a_title_of_its_own() -> None:
    assert all(found.spec == found.spec.resolved() for found in SPECS)
    assert len({found.spec.title for found in SPECS}) == len(SPECS)
    assert len({found.spec.hash for found in SPECS}) == len(SPECS)


@pytest.mark.parametrize("found", SPECS, ids=name_of)
def test_the_smoke_form_of_a_spec_is_small_and_no_spec_of_a_file(found: LoadedSpec) -> None:
    smoke = smoke_spec(found.spec)
    assert smoke.name == f"{found.spec.name}.smoke"
    assert smoke.total_steps == 16
    assert len(smoke.seeds) == 1
    assert (smoke.model, smoke.training.optimizer) == (
        found.spec.model,
        found.spec.training.optimizer,
    )


@pytest.mark.parametrize("found", CHOSEN, ids=name_of)
def test_the_kernel_of_a_spec_fits_a_gpu_of_24_gb(found: LoadedSpec) -> None:
    spec = found.spec
    channels, side = spec.dataset.facts.channels, spec.dataset.image_size or 32
    classes = spec.dataset.facts.classes or CLASSES
    network = make_model(
        spec.model.name,
        dict(spec.model.kwargs),
        pretrained=False,
        classes=classes,
        channels=channels,
        seed=0,
    )
    images = torch.zeros(spec.kernel.samples, channels, side, side)
    outputs = spec.kernel.outputs or "full"
    plan = plan_ntk(network.eval(), images, outputs=outputs, memory_limit=KERNEL_BYTES)
    assert plan.peak_bytes <= KERNEL_BYTES


@pytest.mark.parametrize("found", RUN, ids=name_of)
def test_the_smoke_form_of_a_spec_runs(tmp_path: Path, found: LoadedSpec) -> None:
    spec = smoke_spec(found.spec)
    if spec.dataset.name != "digits":
        spec = on_noise(spec, tmp_path / "data" / "noise")
    record = run(spec, tmp_path)
    assert record.status == "complete"
    assert {arm.arm for arm in record.seeds[0].arms} >= {"full", "lazy"}


def on_noise(spec: Spec, folder: Path) -> Spec:
    """The spec on a folder of random images, for data that are not on every machine."""
    generator = torch.Generator().manual_seed(0)
    dataset = spec.dataset.model_copy(update={"name": "imagefolder", "folder": folder.name})
    images = max(dataset.train_size or 0, dataset.test_size or 0) // CLASSES
    for part in ("train", "test"):
        for name in range(CLASSES):
            (folder / part / str(name)).mkdir(parents=True)
            for i in range(images):
                pixels = torch.randint(256, (32, 32, 3), dtype=torch.uint8, generator=generator)
                Image.fromarray(pixels.numpy()).save(folder / part / str(name) / f"{i}.png")
    model = spec.model.model_copy(update={"pretrained": False})
    return spec.model_copy(update={"dataset": dataset, "model": model})

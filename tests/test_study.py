"""The specs of docs/study.md: the cells it lists, on its protocol, as they were registered."""

import math
import re
from hashlib import sha256
from itertools import combinations, product
from pathlib import Path

import pytest

from conebench.spec import Spec, load_specs

ROOT = Path(__file__).parents[1]
FILES = [*sorted((ROOT / "specs").glob("study-*.yaml")), ROOT / "specs/resnet20-c2-jpeg.yaml"]
CELLS = {file.name: [found.spec for found in load_specs(file)] for file in FILES}
SPECS = [spec for specs in CELLS.values() for spec in specs]
CENTER = CELLS["study-center.yaml"][0]
# SHA-256 of each file's names and hashes. A change after the study has begun is a change of the
# plan: docs/study.md lists it.
REGISTERED = {
    "study-a.yaml": "2a71650db7bb9e5a",
    "study-b.yaml": "5fef1b8d1ce22810",
    "study-c.yaml": "2e3e74bfde3362f5",
    "study-center.yaml": "99ee7e1d6392f53b",
    "study-decay.yaml": "dba56eff36553d3d",
    "study-d.yaml": "71cb6e672ed58905",
    "study-e.yaml": "005ed7fda26c9802",
    "study-f.yaml": "23faffe61ab1dde4",
    "study-r.yaml": "def4a6191587f161",
    "study-rates.yaml": "de04ae852114309d",
    "resnet20-c2-jpeg.yaml": "28710211716d1f2f",
}


# Cells of block B that change two fields on purpose. Adam and AdamW bring their learning rate.
TWO_FACTORS = {
    *("lr-0.005-batch-16", "lr-0.08-batch-256", "momentum-0-lr-0.2"),
    *("output-scale-0.3", "output-scale-3", "output-scale-10"),
    *("no-norm-weight-decay-0", "no-norm-weight-decay-5e-3"),
}


def factors(spec: Spec) -> list[str]:
    """Return the levels in a spec's name, as in study-a-bn-lr0.01-b16-w4."""
    return spec.name.split("-")[2:]


def test_the_page_lists_every_file_with_its_cells_and_seeds() -> None:
    page = (ROOT / "docs/study.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| `(.+?)` \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    listed = {name: (int(cells), int(seeds)) for name, cells, seeds in rows}
    assert listed == {name: (len(specs), len(specs[0].seeds)) for name, specs in CELLS.items()}
    for specs in CELLS.values():
        assert len({spec.seeds for spec in specs}) == 1


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_as_registered(name: str) -> None:
    text = "".join(f"{spec.name} {spec.hash}\n" for spec in CELLS[name])
    assert sha256(text.encode()).hexdigest()[:16] == REGISTERED[name]


def test_every_cell_is_on_the_protocol() -> None:
    for spec in SPECS:
        kernel = spec.kernel
        assert kernel.outputs == "full"
        assert not spec.switching.add_t_star
        assert spec.training.schedule.name == "constant"
        if not spec.name.startswith(("study-f-", "study-r-")):
            assert (kernel.samples, kernel.probe_seed, kernel.batchnorm) == (50, 0, "eval")
            # w is the first checkpoint at or after 0.3 T.
            w = math.ceil(0.3 * spec.total_steps / kernel.checkpoints.every)
            assert w * kernel.checkpoints.every in spec.switching.steps
            assert spec.total_steps // kernel.checkpoints.every in (50, 60)


def test_block_a_is_a_full_factorial() -> None:
    levels = ("bn", "none"), ("lr0.01", "lr0.04"), ("b16", "b128"), ("w4", "w16")
    assert [tuple(factors(spec)) for spec in CELLS["study-a.yaml"]] == list(product(*levels))
    for spec in CELLS["study-a.yaml"]:
        norm, rate, batch, width = factors(spec)
        assert spec.model.kwargs == {
            "norm": {"bn": "batch", "none": "none"}[norm],
            "width": int(width[1:]),
        }
        assert spec.training.optimizer.learning_rate == float(rate[2:])
        assert spec.training.batch_size == int(batch[1:])


def test_block_b_changes_what_its_names_say() -> None:
    changed = {}
    for spec in CELLS["study-b.yaml"]:
        fields = _leaves(spec.dump()).items() - _leaves(CENTER.dump()).items()
        changed[spec.name.removeprefix("study-b-")] = {
            name: value for name, value in fields if name not in ("name", "title")
        }
    assert len(changed) == 40
    assert changed["lr-0.0025"] == {"training.optimizer.learning_rate": "0.0025"}
    assert changed["no-norm"] == {"model.kwargs.norm": "'none'"}
    assert changed["random-labels"] == {"dataset.random_labels": "1.0"}
    length = {
        "training.steps",
        "switching.steps",
        "kernel.checkpoints.every",
        "kernel.checkpoints.extra",
    }
    assert changed["batch-16-steps-4000"].keys() == {"training.batch_size"} | length
    # An optimizer has constants of its own, a small subset all its images for calibration.
    own = {f"training.optimizer.{name}" for name in ("name", "betas", "eps")}
    of_one_choice = length | own | {"kernel.calibration_samples"}
    several = {name for name, fields in changed.items() if len(fields.keys() - of_one_choice) > 1}
    assert several == TWO_FACTORS


@pytest.mark.parametrize("scale", [0.3, 3.0, 10.0])
def test_the_step_in_function_space_stays_under_another_output_scale(scale: float) -> None:
    name = f"study-b-output-scale-{scale:g}"
    (spec,) = (spec for spec in CELLS["study-b.yaml"] if spec.name == name)
    assert spec.model.output_scale == scale
    rate = CENTER.training.optimizer.learning_rate / scale**2
    assert spec.training.optimizer.learning_rate == pytest.approx(rate, rel=1e-5)


def test_block_c_is_half_of_a_factorial_of_resolution_five() -> None:
    rows = []
    for spec in CELLS["study-c.yaml"]:
        norm, rate, batch, augmentation, images = factors(spec)
        learning_rate = spec.training.optimizer.learning_rate
        assert spec.model.kwargs.get("norm", "batch") == {"bn": "batch", "gn": "group"}[norm]
        assert learning_rate == float(rate[2:])
        assert spec.training.batch_size == int(batch[1:])
        assert spec.dataset.augmentation.flip == (augmentation == "aug")
        assert spec.dataset.augmentation.crop_padding == (2 if augmentation == "aug" else 0)
        assert spec.dataset.train_images == int(images[1:])
        rates = spec.linearization.learning_rate
        assert rates == pytest.approx([learning_rate * share for share in (1, 0.3, 0.1)])
        levels = (norm == "gn", rate == "lr0.1", batch == "b128", augmentation == "aug")
        rows.append([2 * level - 1 for level in (*levels, images == "n20000")])
    assert len({tuple(row) for row in rows}) == 16
    assert all(math.prod(row[:4]) == row[4] for row in rows)
    # Main effects and two-way interactions are told apart.
    columns = [[row[i] for row in rows] for i in range(5)]
    columns += [[a * b for a, b in zip(*pair, strict=True)] for pair in combinations(columns, 2)]
    for first, second in combinations(columns, 2):
        assert sum(a * b for a, b in zip(first, second, strict=True)) == 0


def test_block_e_crosses_architectures_and_optimizers() -> None:
    names = {
        (spec.model.name, spec.training.optimizer.name) for spec in [CENTER, *CELLS["study-e.yaml"]]
    }
    crossed = ("cifar_resnet8", "pixel_mlp", "vit_tiny_patch16_224")
    assert names >= set(product(crossed, ("sgd", "adamw")))
    assert names >= {("convnext_atto", "adamw"), ("small_mixer", "adamw")}


def test_block_f_changes_measurement_and_length_alone() -> None:
    for spec in CELLS["study-f.yaml"]:
        assert (spec.model, spec.dataset) == (CENTER.model, CENTER.dataset)
        assert spec.training.model_copy(update={"steps": 1000}) == CENTER.training
        assert spec.switching.steps == ()


@pytest.mark.parametrize("spec", CELLS["study-r.yaml"], ids=lambda spec: spec.name)
def test_block_r_changes_the_statistics_of_kernels_alone(spec: Spec) -> None:
    (twin,) = (s for s in SPECS if s.name == spec.name.replace("-r-", "-"))
    changed = _leaves(spec.dump()).items() ^ _leaves(twin.dump()).items()
    fields = {name for name, _ in changed} - {"name", "title"}
    # The averaged weights of block A have kernels of their own.
    assert fields - {"kernel.averaged"} == {"kernel.batchnorm", "switching.steps"}
    assert (spec.kernel.batchnorm, spec.switching.steps) == ("recalibrated", ())


def _leaves(data: object, path: str = "") -> dict[str, str]:
    if not isinstance(data, dict):
        return {path: repr(data)}
    found: dict[str, str] = {}
    for key, value in data.items():
        found |= _leaves(value, f"{path}.{key}" if path else key)
    return found

"""Run folders made by commit c09dfc0: their results are used, their unfinished stages resumed."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import RecordingProgress, run

from conebench.record import Record, read_record
from conebench.runner.stages import context
from conebench.spec import Spec
from conebench.storage.atomic_files import read_json
from conebench.storage.status import stage_statuses
from conebench.storage.store import Store

ARCHIVE = Path(__file__).parents[1] / "data/run-folder-c09dfc0/folders.tar.xz"
VERSIONS = {"torch": "2.14.1+cu130", "timm": "1.0.31"}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders `finished` and `interrupted`, as if made with the libraries installed here."""
    monkeypatch.setattr(context, "library_versions", lambda: VERSIONS)
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def stored_record(folders: Path) -> Record:
    return read_record(folders / "finished/runs/tiny/record.json")


def test_a_finished_run_keeps_its_training_and_its_copies(folders: Path) -> None:
    before, progress = stored_record(folders), RecordingProgress()
    statuses = stage_statuses(Store(folders / "finished/runs/tiny"))
    assert {status.state for status in statuses if status.planned.seed == 0} == {"done"}
    again = run(before.spec, folders / "finished", progress, seeds=(0,))
    names = {name.removeprefix("seed 0: "): cached for name, cached in progress.stages}
    # Kernels have views now, and arms say which images they got right.
    made = [name for name, cached in names.items() if not cached]
    assert made[0] == "kernels"
    assert made[-1] == "full on all test images"
    assert all(name.startswith(("lazy", "switched", "control", "probe")) for name in made[1:-1])
    kept = [name for name, cached in names.items() if cached]
    assert kept[0] == "ordinary training"
    assert all(name.startswith("perturbed copy") for name in kept[1:])
    assert len(kept) > 1
    assert "kernel_version: 3 -> 4" in progress.notes["seed 0: kernels"]
    # From the same checkpoints, which were made on another machine.
    assert again.seeds[0].training.train_loss == before.seeds[0].training.train_loss
    assert again.seeds[0].chaos == before.seeds[0].chaos
    assert_close(curves(again, 0), curves(before, 0))
    assert "did not store its code" in progress.notes["record"]
    assert_code_is_not_known_of_all(again)


def assert_code_is_not_known_of_all(record: Record) -> None:
    """Nobody knows what some stages were computed by, whatever the last run says."""
    made = record.provenance
    assert None in (made.codes or [])
    assert made.git_dirty is None


def curves(record: Record, seed: int) -> dict[str, np.ndarray]:
    """Figures of one seed that each stage contributes, in a fixed order."""
    (found,) = [found for found in record.seeds if found.seed == seed]
    return {
        "training": np.array(found.training.test_loss),
        "kernels": found.kernel.G(),
        "arms": np.array([arm.test_loss for arm in found.arms]),
        "copies": np.array([pair.losses for pair in found.chaos or []]),
    }


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-3, err_msg=name)


def stages_of(folders: Path, name: str) -> list[Path]:
    return list((folders / "interrupted/runs/tiny/stages").glob(f"{name}-*.json"))


def stored_code(path: Path) -> object:
    stored = read_json(path)
    assert stored is not None
    return stored["code"]


@pytest.fixture
def straight(folders: Path) -> Record:
    """Both seeds in one go, here."""
    spec: Spec = stored_record(folders).spec
    return run(spec, folders / "straight")


def test_an_interrupted_run_is_resumed(folders: Path, straight: Record) -> None:
    progress = RecordingProgress()
    resumed = run(straight.spec, folders / "interrupted", progress)
    # Some stages are of here alone.
    assert resumed.provenance.codes == [None, *(straight.provenance.codes or [])]
    assert None in [stored_code(path) for path in stages_of(folders, "train-seed1")]
    assert progress.notes["seed 1: ordinary training"] == "resumed at step 2"
    # Arms begin again: they have curves now.
    assert progress.notes["seed 0: switched(4) at 0.05"] == ""
    cached = [name.removeprefix("seed 0: ") for name, cached in progress.stages if cached]
    assert cached == ["ordinary training"]
    # The steps before were taken on another machine.
    for seed in (0, 1):
        assert_close(curves(resumed, seed), curves(straight, seed))
    assert_close(curves(resumed, 0), curves(stored_record(folders), 0))

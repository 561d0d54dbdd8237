"""Runs of a user's own network: every process imports it, and the record says so."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from own_networks import NETWORK
from tiny_runs import RecordingProgress, content, tiny_spec

import conebench
from conebench.errors import InputError, SpecError
from conebench.record import Record, read_record
from conebench.runner import RunOptions, run_spec
from conebench.runner.stages.code import code_hash, current_code
from conebench.spec import Spec

NAME = "own_two_layers"
# Each test imports it again, as another process would.
pytestmark = pytest.mark.filterwarnings("ignore:Overwriting own_two_layers")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "own_networks_of_run.py"
    path.write_text(NETWORK.format(name=NAME))
    yield path
    sys.modules.pop(path.stem, None)
    current_code.cache_clear()


def own_spec(**changes: object) -> Spec:
    return tiny_spec(model={"name": NAME, **changes}, seeds=[0])


def run(spec: Spec, folder: Path, module: Path, jobs: int = 1) -> tuple[Record, RecordingProgress]:
    progress, cpu = RecordingProgress(), torch.device("cpu")
    options = RunOptions(folder / "data", folder, cpu, jobs=jobs, imports=(module.stem,))
    record, path = run_spec(spec, options, progress)
    assert read_record(path) == record
    return record, progress


def test_every_process_imports_it_and_the_record_says_so(module: Path, tmp_path: Path) -> None:
    record, _ = run(own_spec(), tmp_path / "runs", module)
    (imported,) = record.model.imported or []
    source = code_hash([module.read_text()])
    assert (imported.module, imported.package) == (module.stem, None)
    assert imported.source == source
    assert record.own_modules == [module.stem]
    apart, _ = run(own_spec(), tmp_path / "apart", module, jobs=2)
    assert content(apart) == content(record)


def test_from_python_it_is_imported_by_name(module: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    record = conebench.run(
        own_spec(), imports=[module.stem], run_dir=runs, device="cpu", quiet=True
    )
    assert record.own_modules == [module.stem]


def test_its_source_is_part_of_every_stage(module: Path, tmp_path: Path) -> None:
    first, _ = run(own_spec(), tmp_path / "runs", module)
    _, again = run(own_spec(), tmp_path / "runs", module)
    assert all(cached for _, cached in again.stages)
    module.write_text(module.read_text().replace(".relu()", ".tanh()"))
    # Another process.
    del sys.modules[module.stem]
    current_code.cache_clear()
    second, changed = run(own_spec(), tmp_path / "runs", module)
    for stage in ("ordinary training", "kernels", "lazy", "switched(4)"):
        assert (f"seed 0: {stage}", False) in changed.stages
    assert "computed by other code" in changed.notes["seed 0: ordinary training"]
    assert second.model.imported != first.model.imported


def test_a_module_counts_with_a_network_of_timm(module: Path, tmp_path: Path) -> None:
    # It could have changed anything.
    record, _ = run(tiny_spec(seeds=[0]), tmp_path / "runs", module)
    assert record.own_modules == [module.stem]


def test_a_record_of_timms_network_has_no_word_of_imports(tmp_path: Path) -> None:
    options = RunOptions(tmp_path / "data", tmp_path, torch.device("cpu"))
    record, _ = run_spec(tiny_spec(seeds=[0]), options, RecordingProgress())
    assert record.dump()["model"].keys() == {"parameters"}
    assert "package" not in record.dump()["spec"]["model"]
    assert record.own_modules == []


def test_a_pinned_package_must_be_the_one_that_is_used(module: Path, tmp_path: Path) -> None:
    message = f"got own==1.2, but '{NAME}' is from {module.stem} of no package of an index"
    with pytest.raises(SpecError, match=f"^model.package: {re.escape(message)}$"):
        run(own_spec(package="own==1.2"), tmp_path / "runs", module)


def test_a_module_that_is_missing_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--import: nowhere_to_be_found cannot be imported: "):
        run(own_spec(), tmp_path / "runs", Path("nowhere_to_be_found.py"))

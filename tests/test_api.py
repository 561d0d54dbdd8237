"""conebench.run and the other names of the package, as a notebook uses them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import TINY
from synthetic import make_record, make_spec
from tiny_runs import tiny_spec

import conebench
from conebench.errors import DataMissingError, InputError, SpecError

ONE_SEED = {"seeds": [0]}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a tiny spec, in which the code runs."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, encoding="utf-8")
    return tmp_path


def test_the_package_alone_imports_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import conebench; print(*(set(sys.modules) - before)); print(*dir(conebench))\n"
        "conebench.load_spec; conebench.read_record; conebench.frames; conebench.run\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    loaded, names = done.stdout.splitlines()
    assert not [name for name in loaded.split() if name.startswith("conebench.")]
    assert {"run", "load_spec", "read_record", "frames"} <= set(names.split())


def test_a_run_without_torch_says_in_one_line_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import conebench\n"
        "conebench.load_spec('tiny.yaml')\n"
        "conebench.run('tiny.yaml')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("conebench.errors.UnmetNeedError: torch ")
    assert last.endswith(
        "; only runs need torch, torchvision and timm: pip install torch torchvision timm"
    )
    assert "During handling" not in done.stderr


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'conebench' has no attribute 'runs'"):
        conebench.runs  # noqa: B018


def test_the_stub_names_what_the_package_has() -> None:
    stub = Path(conebench.__file__).with_suffix(".pyi").read_text("utf-8")
    for name in conebench._PUBLIC:
        assert f" import {name} as {name}\n" in stub


def test_a_run_gives_the_record_that_the_command_line_writes(here: Path) -> None:
    record = conebench.run("tiny.yaml", quiet=True)
    assert record == conebench.read_record("runs/tiny/record.json")
    assert (record.status, [seed.seed for seed in record.seeds]) == ("complete", [0, 1])
    done = subprocess.run(
        [sys.executable, "-m", "conebench", "run", "tiny.yaml", "--json"],
        env={"PYTHONPATH": str(Path(conebench.__file__).parents[1]), "HOME": str(here)},
        capture_output=True,
        text=True,
        check=True,
    )
    # All of its stages are found as they were stored.
    assert done.stderr.count("done before") == done.stderr.count(": seed ")
    assert conebench.read_record(json.loads(done.stdout)["record"]).id == record.id


def test_a_run_shows_its_progress_on_stderr_as_plain_lines(capsys, monkeypatch) -> None:
    # As in a notebook.
    monkeypatch.setenv("FORCE_COLOR", "1")
    conebench.run("tiny.yaml", seeds=[0], device="cpu", smoke=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "seed 0: ordinary training\n" in printed.err
    assert "\x1b" not in printed.err
    conebench.run("tiny.yaml", smoke=True, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_settings_change_fields_under_a_reserved_name() -> None:
    rate = {"training.optimizer.learning_rate": 1e-5, **ONE_SEED}
    spec = conebench.load_spec("tiny.yaml", settings=rate)
    assert spec.training.optimizer.learning_rate == 1e-5
    assert spec.seeds == (0,)
    record = conebench.run("tiny.yaml", settings=rate, quiet=True)
    assert record.spec == spec
    assert Path("runs-set", spec.name, "record.json").is_file()
    assert spec.name.startswith("tiny.set-")


def test_settings_may_be_numbers_of_numpy() -> None:
    steps = np.arange(20, 41, 20)
    spec = conebench.load_spec("tiny.yaml", settings={"training.steps": steps[1], "seeds": steps})
    assert (spec.training.steps, spec.seeds) == (40, (20, 40))


def test_a_changed_spec_that_was_loaded_is_kept_apart_too() -> None:
    spec = conebench.load_spec("tiny.yaml", settings=ONE_SEED)
    conebench.run(spec, quiet=True)
    assert not Path("runs").exists()
    assert Path("runs-set", spec.name, "record.json").is_file()


def test_a_loaded_spec_is_run_as_it_is() -> None:
    spec = tiny_spec(**ONE_SEED)
    record = conebench.run(spec, run_dir="elsewhere", quiet=True)
    assert record.spec == spec
    assert record == conebench.read_record("elsewhere/tiny/record.json")


def test_seeds_of_numpy_are_those_that_run() -> None:
    # bool(np.array([0])) is False.
    record = conebench.run("tiny.yaml", seeds=np.array([0]), quiet=True)  # type: ignore[arg-type]
    assert [seed.seed for seed in record.seeds] == [0]


def test_a_spec_is_found_by_its_name_or_chosen_from_a_family() -> None:
    assert conebench.load_spec("digits-window").name == "digits-window"
    name = "digits-factors-batch-16"
    assert conebench.load_spec("digits-factors", name=name).training.batch_size == 16


def refused(call: object, *arguments: object, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)  # type: ignore[operator]
    return str(caught.value)


def test_what_does_not_fit_is_said_in_one_line(here: Path) -> None:
    load, run = conebench.load_spec, conebench.run
    assert refused(load, "tiny") == "tiny: got neither a file nor a shipped spec's name"
    assert refused(load, "digits-factors").startswith(
        "digits-factors: got 18 specs, expected one: choose a name, such as digits-factors-"
    )
    assert "training.lr: unknown field" in refused(load, "tiny.yaml", settings={"training.lr": 1})
    assert refused(load, "tiny.yaml", settings={"seeds": {0}}) == (
        "settings: seeds: got {0}, expected numbers, texts, lists or mappings"
    )
    assert refused(run, "tiny.yaml", device="gpu") == (
        "device: got 'gpu', expected one of auto, cpu, cuda"
    )
    assert refused(run, "tiny.yaml", seeds=[7]) == "seeds: got 7, expected the spec's seeds: 0, 1"
    # 0 and "" are false.
    assert refused(run, "tiny.yaml", seeds=0) == "seeds: got 0, expected a list"
    assert refused(run, "tiny.yaml", seeds=[]) == "seeds: got an empty list, expected one or more"
    assert refused(run, "tiny.yaml", seeds=np.array([0, 7])).startswith("seeds: got 7, expected ")
    assert refused(run, "tiny.yaml", imports="mine") == "imports: got 'mine', expected a list"
    assert refused(run, "tiny.yaml", loggers="csv") == "loggers: got 'csv', expected a list"
    assert refused(run, "tiny.yaml", jobs=0) == "jobs: got 0, expected at least 1"
    assert refused(load, "tiny.yaml", settings=["seeds=[0]"]) == (
        "settings: got ['seeds=[0]'], expected a mapping of fields to values"
    )
    assert refused(run, tiny_spec(), settings=ONE_SEED) == (
        "settings: got a loaded spec, expected its file or name"
    )
    assert list(here.iterdir()) == [here / "tiny.yaml"]


@pytest.mark.parametrize("given", [None, 3, b"tiny.yaml", "", ["tiny.yaml"]])
def test_what_is_no_path_is_named(given: object) -> None:
    if given != "":
        message = f"path: got {given!r}, expected the file of a record or a run's folder"
        assert refused(conebench.read_record, given) == message
    message = f"spec: got {given!r}, expected a file or the name of a shipped spec"
    assert refused(conebench.load_spec, given) == message
    assert refused(conebench.run, given) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": "2"}, "jobs: got '2', expected a whole number from 1 on"),
        ({"jobs": None}, "jobs: got None, expected a whole number from 1 on"),
        ({"jobs": 1.5}, "jobs: got 1.5, expected a whole number from 1 on"),
        ({"jobs": True}, "jobs: got True, expected a whole number from 1 on"),
        ({"smoke": "no"}, "smoke: got 'no', expected True or False"),
        ({"quiet": None}, "quiet: got None, expected True or False"),
        ({"data_root": 3}, "data_root: got 3, expected a folder"),
        ({"run_dir": ["runs"]}, "run_dir: got ['runs'], expected a folder"),
        ({"device": None}, "device: got None, expected one of auto, cpu, cuda"),
        ({"device": ["cpu"]}, "device: got ['cpu'], expected one of auto, cpu, cuda"),
        ({"seeds": {"a": 1}}, "seeds: got {'a': 1}, expected a list"),
        ({"seeds": ["0"]}, "seeds: got '0', expected whole numbers"),
        ({"seeds": [0.5]}, "seeds: got 0.5, expected whole numbers"),
        ({"seeds": [True]}, "seeds: got True, expected whole numbers"),
        ({"loggers": [3]}, "loggers: got 3, expected names"),
        ({"imports": [None]}, "imports: got None, expected names"),
    ],
)
def test_an_argument_of_another_kind_is_named(options: dict, message: str) -> None:
    assert refused(conebench.run, "tiny.yaml", **options).startswith(message)
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "n" * 300])
@pytest.mark.parametrize(
    "call", [conebench.read_record, conebench.load_spec, conebench.frames.arms]
)
def test_a_name_that_no_file_can_have_is_one_line(call, name: str) -> None:
    assert "\n" not in refused(call, name)


def test_a_generator_of_seeds_is_named() -> None:
    message = refused(conebench.run, "tiny.yaml", seeds=(seed for seed in [0]))
    assert message.startswith("seeds: got <generator")


def test_a_spec_that_was_changed_in_python_is_checked() -> None:
    spec = tiny_spec()
    few = spec.model_copy(update={"kernel": spec.kernel.model_copy(update={"samples": 1000})})
    with pytest.raises(SpecError, match=r"kernel\.samples: got 1,?000"):
        conebench.run(few, quiet=True)
    with pytest.raises(DataMissingError):
        conebench.run("tiny.yaml", settings={"dataset": {"name": "cifar10"}}, data_root="none")


def test_a_record_shows_itself_in_a_line_and_its_plots_as_svg() -> None:
    record = make_record()
    assert str(record) == repr(record) == f"<Record {record.id} of synthetic: complete, 5 seeds>"
    assert str(make_record(make_spec(seeds=[3]))).endswith(": complete, 1 seed>")
    assert record.plot("path")._repr_svg_().startswith("<svg ")
    with pytest.raises(KeyError, match="no plot 'pathh', expected one of: path"):
        record.plot("pathh")

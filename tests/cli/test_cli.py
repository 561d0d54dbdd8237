"""conebench.cli: arguments, messages and exit codes, as a user meets them."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Call, write_spec
from rich.console import Console
from synthetic import make_record, make_spec

from conebench import __version__
from conebench.cli.display import open_progress, print_summary


def test_version(call: Call) -> None:
    assert call("--version") == (0, f"conebench {__version__}\n", "")


@pytest.mark.parametrize("command", ["run", "plan", "list", "show", "check", "status", "clean"])
def test_a_name_that_is_too_long_is_named(call: Call, command: str) -> None:
    name, done = "n" * 300, "read" if command == "check" else "used"
    assert call(command, name) == (1, "", f"{name}: cannot be {done}: File name too long\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new", "a", "--title", "\udcff"], "--title: got '\\udcff', expected UTF-8\n"),
        (["new", "a", "--set", "\udcff=1"], "--set: got '\\udcff=1', expected UTF-8\n"),
        (["fly"], "conebench: No such command 'fly'. See conebench --help.\n"),
        (["runn"], "conebench: No such command 'runn'. Did you mean 'run'? See conebench "),
        (["run"], "conebench: Missing argument 'specs'. See conebench run --help.\n"),
        (["run", "a", "--far"], "conebench: No such option: --far. See conebench run --help.\n"),
        (["run", "a", "--seed", "b"], "conebench: --seed: got 'b', expected a whole number. See "),
        (["run", "a", "--jobs", "0"], "conebench: --jobs: got '0', expected at least 1. See "),
        (
            ["run", "a", "--device", "gpu"],
            "conebench: --device: got 'gpu', expected one of 'auto', 'cpu', 'cuda'. See conebench "
            "run --help.\n",
        ),
        (
            ["leaderboard", "serve", "--port", "70000"],
            "conebench: --port: got '70000', expected at most 65535. See conebench leaderboard "
            "serve --help.\n",
        ),
        (["run", "a", "--executor", "x"], "conebench: --executor: got 'x', expected one of "),
        (["verify", "a", "--tolerance", "x"], "conebench: --tolerance: got 'x', expected one of "),
        (["run", "missing.yaml"], "missing.yaml: cannot be read: No such file or directory\n"),
        (["validate", "missing.yaml"], "missing.yaml: cannot be read: No such file or directory\n"),
        (["validate", "."], ".: the folder has no *.yaml file\n"),
        (
            ["leaderboard", "build", "--records", "missing"],
            "missing: ",
        ),
    ],
)
def test_a_wrong_word_is_bad_input(call: Call, arguments: list[str], message: str) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_validate_says_what_is_valid_and_what_is_not(call: Call, tmp_path: Path) -> None:
    write_spec(tmp_path, "good")
    write_spec(tmp_path, "bad", ("batch_size: 20", "batch_size: 0"))
    code, out, err = call("validate", ".")
    assert code == 1
    assert re.fullmatch(r"good\.yaml: valid, hash [0-9a-f]{8}\n", out)
    assert err.splitlines()[0] == ("bad.yaml:7: training.batch_size: got 0, expected at least 1")
    assert call("validate", "good.yaml")[0] == 0


def test_list_shows_the_specs(call: Call, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    write_spec(tmp_path / "specs")
    code, out, _ = call("list")
    assert code == 0
    assert "tiny  cifar_resnet8  digits, 200" in out
    code, out, _ = call("list", "--json")
    assert json.loads(out) == {
        "path": "specs/tiny.yaml",
        "name": "tiny",
        "model": "cifar_resnet8",
        "dataset": "digits, 200 training images",
        "steps": 16,
        "kernels": 9,
        "seeds": 2,
        "title": "A tiny run",
    }
    write_spec(tmp_path / "specs", "bad", ("seeds: [0, 1]", "seeds: []"))
    assert call("list")[0] == 1


def test_list_shows_a_file_of_several_specs_in_one_line(call: Call, tmp_path: Path) -> None:
    variants = "a: {training: {steps: 32}}, b: {model: {name: cifar_resnet20}}"
    write_spec(tmp_path, "alone")
    write_spec(
        tmp_path, "many", ("title: A tiny run", f"title: A tiny run\nmatrix: {{{variants}}}")
    )
    header, alone, many = call("list", ".")[1].splitlines()
    assert header.split()[:3] == ["name", "specs", "model"]
    assert alone.split()[:3] == ["alone", "1", "cifar_resnet8"]
    assert many.split()[:4] == ["many", "2", "2", "models"]
    assert "16-32" in many
    # A file that is named is shown spec by spec.
    names = [line.split()[0] for line in call("list", "many.yaml")[1].splitlines()]
    assert names == ["name", "many-a", "many-b"]
    assert len(call("list", ".", "--json")[1].splitlines()) == 3


def test_a_run_and_its_board(call: Call, tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    code, out, err = call("run", spec)
    assert code == 0
    assert "A tiny run (tiny)" in out
    for figure in ("CES", "turn", "cone angle", "N", "alpha", "B(w)", "lazy gap", "Gamma(w)"):
        assert f" {figure} " in out
    assert "record: runs/tiny/record.json" in out
    assert "tiny:   0% 0:0" in err
    assert "\ntiny: follow: conebench show runs/tiny --follow\n" in err
    assert "seed 1: lazy" in err
    code, out, err = call("leaderboard", "build")
    assert (code, err) == (0, "")
    assert out == "1 record on the board: open leaderboard/_site/index.html\n"
    assert (tmp_path / "leaderboard/_site/index.html").is_file()


def test_json_is_one_object_a_spec_and_nothing_else(call: Call, tmp_path: Path) -> None:
    write_spec(tmp_path, "a")
    write_spec(tmp_path, "b", ("dataset: {name: digits", "dataset: {name: cifar10"))
    code, out, err = call("run", "a.yaml", "b.yaml", "--json", "--seed", "1", "--data-root", "none")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 3
    assert [(line["spec"], line["status"]) for line in lines] == [("a", "partial"), ("b", "failed")]
    assert lines[0]["record"] == "runs/a/record.json"
    assert set(lines[0]["summary"]) >= {"CES", "N", "Gamma", "T_star", "A_full", "verdict"}
    assert lines[1]["error"].startswith("dataset 'cifar10' is missing or broken in none and cannot")
    assert lines[1]["error"] in err
    assert "follow: " not in err


def test_a_seed_that_the_spec_lacks_is_refused(call: Call, tmp_path: Path) -> None:
    message = "tiny.yaml: --seed: got 7, expected the spec's seeds: 0, 1\n"
    assert call("run", write_spec(tmp_path), "--seed", "7") == (1, "", message)
    assert not (tmp_path / "runs").exists()


def test_cuda_graphs_need_a_gpu(call: Call, tmp_path: Path) -> None:
    message = "--cuda-graphs: got the device cpu, expected cuda\n"
    spec = write_spec(tmp_path)
    assert call("run", spec, "--device", "cpu", "--cuda-graphs") == (3, "", message)


def test_the_data_root_may_come_from_the_environment(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONEBENCH_DATA", str(tmp_path / "images"))
    folder = ("dataset: {name: digits", "dataset: {name: imagefolder, folder: birds, image_size: 8")
    kernel = ("samples: 10", "samples: 10, outputs: full")
    code, _, err = call("run", write_spec(tmp_path, "tiny", folder, kernel))
    assert code == 3
    assert f"dataset folder {tmp_path}/images/birds/train is missing" in err


def test_one_name_twice_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = write_spec(tmp_path), f"other/{write_spec(tmp_path / 'other')}"
    code, out, err = call("run", first, second, "--json")
    assert code == 1
    assert err == (
        "other/tiny.yaml:1: name: got 'tiny' twice, also in tiny.yaml; expected each name once\n"
    )
    assert [json.loads(line) for line in out.splitlines()] == [
        {"spec": "tiny", "status": "not run", "error": "another spec is not valid"},
        {"spec": "tiny", "status": "not run", "error": err.strip()},
    ]


def test_what_is_about_no_file_of_the_command_is_told_to_each_spec(
    call: Call, tmp_path: Path
) -> None:
    """A hint of settings, and a problem of a file that another one extends."""
    command = ("run", write_spec(tmp_path), "--set", "training.optimizer.name=adam", "--json")
    code, out, err = call(*command)
    assert (code, json.loads(out)["error"]) == (1, err.strip())
    assert err.endswith("\nset also training.optimizer.momentum=null\n")
    write_spec(tmp_path, "base", ("samples: 10", "samples: -1"))
    (tmp_path / "child.yaml").write_text("extends: base.yaml\nname: child\ntitle: A child\n")
    bad = write_spec(tmp_path, "bad", ("samples: 10", "samples: -2"))
    _, out, err = call("run", bad, "child.yaml", "--json")
    of_bad, of_base = err.splitlines()
    assert [json.loads(line)["error"].splitlines() for line in out.splitlines()] == [
        [of_bad, of_base],
        [of_base],
    ]


def test_markup_in_a_title_is_text(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    spec = write_spec(tmp_path, "tiny", ("title: A tiny run", 'title: "a [/x] c"'))
    assert "a [/x] c" in call("list", spec)[1]
    # On a narrow terminal names are whole, and titles are left out.
    monkeypatch.setenv("COLUMNS", "80")
    narrow = call("list", spec)[1]
    assert "tiny" in narrow
    assert "title" not in narrow


def test_a_bad_spec_stops_all_before_any_work(call: Call, tmp_path: Path) -> None:
    good, bad = write_spec(tmp_path), write_spec(tmp_path, "bad", ("width: 2", "Width: 2"))
    code, out, err = call("run", good, bad)
    assert (code, out) == (1, "")
    assert err.startswith("bad.yaml:3: model.kwargs.Width: ")
    assert not (tmp_path / "runs").exists()


def test_a_model_unknown_to_timm_is_named_with_its_file(call: Call, tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "tiny", ("cifar_resnet8", "cifar_resnet9"))
    code, _, err = call("run", spec)
    assert code == 1
    assert err == (
        "tiny.yaml:3: model.name: got 'cifar_resnet9', expected a model of timm, conebench or "
        "--import; did you mean "
        "'cifar_resnet8' or 'cifar_resnet20' or 'resnet18'?\n"
    ) or err.startswith(
        "tiny.yaml:3: model.name: got 'cifar_resnet9', expected a model of timm, conebench or "
        "--import;"
    )


def test_a_full_disk_or_a_file_in_the_way_is_the_machines_fault(call: Call, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    code, out, err = call("run", write_spec(tmp_path))
    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith("runs/tiny/")


def _start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "conebench", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_training(process: subprocess.Popen[str]) -> None:
    """Read the messages of a run up to the start of its first stage."""
    assert process.stderr is not None
    # A line on the device comes first.
    assert any(": ordinary training" in line for line in process.stderr)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_a_run_that_can_be_taken_up(tmp_path: Path, jobs: str) -> None:
    spec = write_spec(tmp_path, "tiny", ("steps: 16", "steps: 2000"), ("every: 2", "every: 4"))
    process = _start(tmp_path, "run", spec, "--jobs", jobs)
    _wait_for_training(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert err.endswith("tiny: interrupted; run the same command to continue\n")


def test_workers_end_with_the_run_that_was_killed(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "tiny", ("steps: 16", "steps: 2000"), ("every: 2", "every: 4"))
    process = _start(tmp_path, "run", spec, "--jobs", "2")
    _wait_for_training(process)
    process.kill()
    # It returns once no process holds the pipes any more.
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL


def test_a_worker_that_is_killed_ends_the_run_in_one_line(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "tiny", ("steps: 16", "steps: 2000"), ("every: 2", "every: 4"))
    process = _start(tmp_path, "run", spec, "--jobs", "2", "--json")
    _wait_for_training(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [
        int(child)
        for child in children
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()
    ]
    os.kill(workers[0], signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    message = (
        "--jobs: a process ended abruptly, perhaps out of memory; run the same command to continue"
    )
    assert err.splitlines()[-1] == message
    assert json.loads(out) == {"spec": "tiny", "status": "failed", "error": message}


@pytest.mark.parametrize(
    "arguments", [["validate", "tiny.yaml"], ["list", "."], ["leaderboard", "build"], ["--help"]]
)
def test_commands_that_need_no_torch_do_not_import_it(tmp_path: Path, arguments: list[str]) -> None:
    write_spec(tmp_path)
    code = (
        "import sys; from conebench.cli import main\n"
        f"sys.argv = ['conebench', *{arguments}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'timm', 'torchvision'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, [x for x in done.stderr.splitlines() if ": warning: " not in x]) == (
        0,
        [],
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_names_stage_and_share(terminal: bool) -> None:
    console = Console(force_terminal=terminal, width=100, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    with open_progress(console, "tiny") as progress:
        progress.plan(100.0)
        progress.stage("seed 0: switched(4)", cached=True)
        progress.stage("seed 1: lazy")
        progress.advance(75.0)
        progress.stage("seed 1: kernels")
    text = console.export_text()
    if terminal:
        assert "tiny: seed 1: kernels" in text
        assert "75%" in text
    else:
        assert [re.sub(r"\d+:\d\d", "-", line) for line in text.splitlines()] == [
            "tiny:   0% -: seed 0: switched(4), done before",
            "tiny:   0% -: seed 1: lazy",
            "tiny:  75% -, - left: seed 1: kernels",
        ]
    console.file.close()


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (
            make_record(),
            ["trace view, late window from w = 300", "measured: CES = 100 N (1 - alpha)"],
        ),
        (make_record(make_spec(seeds=[3])), ["one seed"]),
        (make_record(settle=1000, noise=0.01), ["CES"]),
    ],
)
def test_the_closing_table(record, words, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(record, Path("runs/x/record.json"))
    out = capsys.readouterr().out
    assert all(word in out for word in [*words, "A synthetic run", "runs/x/record.json"])


@pytest.mark.parametrize("value", ["0", "-1", "nan"])
def test_kernel_memory_must_be_above_zero(call: Call, tmp_path: Path, value: str) -> None:
    spec = write_spec(tmp_path)
    for command in ("run", "plan"):
        code, out, err = call(command, spec, "--kernel-memory", value)
        assert (code, out) == (1, "")
        assert err == f"--kernel-memory: got {value}, expected more than 0 GiB\n"


def test_a_kernel_that_does_not_fit_is_found_before_training(call: Call, tmp_path: Path) -> None:
    code, _, err = call("run", write_spec(tmp_path), "--kernel-memory", "0.0001")
    assert code == 3
    assert "kernel memory limit: got 107,374 bytes, this kernel needs at least " in err
    assert err.rstrip().endswith("; see --kernel-memory")
    assert not list((tmp_path / "runs").rglob("*.safetensors"))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_spec_that_cannot_be_read_is_named_once(call: Call, tmp_path: Path, command: str) -> None:
    code, out, err = call(command, "nothere.yaml")
    assert (code, out) == (1, "")
    assert err == "nothere.yaml: cannot be read: No such file or directory\n"
    spec = write_spec(tmp_path, "tiny", ("batch_size: 20", "batch_size: many"))
    code, out, err = call(command, spec)
    assert (code, out) == (1, "")
    assert re.fullmatch(r"tiny\.yaml:7: training\.batch_size: got \"many\".*\n", err)

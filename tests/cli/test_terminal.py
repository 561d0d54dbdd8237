"""conebench.cli.terminal: any encoding, width and reader, and paths that would not show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import make_record

from conebench.cli.terminal import visible
from conebench.record import record_text

SPECS = Path(__file__).parents[2] / "specs"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_text(record_text(make_record()))
    return path


def call(
    *arguments: str | Path, stdout: int = subprocess.PIPE, **environment: str
) -> tuple[int, bytes, bytes]:
    """Call conebench in a process of its own; exit code, stdout and stderr."""
    without = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-m", "conebench", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=without | environment,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp932", "utf-16"])
def test_a_record_is_shown_in_any_encoding(record: Path, encoding: str) -> None:
    code, out, err = call("show", record, PYTHONIOENCODING=encoding)
    assert (code, err) == (0, b"")
    assert "cone angle" in out.decode(encoding)


@pytest.mark.parametrize("columns", ["0", "1", "-3", "9" * 30, "x", "²"])
def test_an_odd_width_is_not_believed(columns: str) -> None:
    code, out, err = call("list", SPECS / "digits.yaml", COLUMNS=columns)
    assert (code, err) == (0, b"")
    assert len(out.splitlines()) == 2
    assert b"cifar_resnet8" in out


@pytest.mark.parametrize("columns", ["20", "60", "80"])
def test_names_are_never_cut(columns: str) -> None:
    code, out, _ = call("list", SPECS / "resnet20.yaml", COLUMNS=columns)
    assert code == 0
    assert b"cifar_resnet20" in out


@pytest.mark.parametrize(
    "command", [("list", SPECS), ("--help",), ("--version",), ("schema",), ("list", "absent")]
)
def test_a_full_disk_is_told_in_one_line(command: tuple[str | Path, ...]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    code, _, err = call(*command, stdout=full)
    os.close(full)
    *others, line = err.decode().splitlines()
    if "absent" in command:
        # Nothing was printed on stdout, so nothing was lost.
        assert (code, others) == (1, [])
    else:
        assert (code, others) == (3, [])
        assert line == "conebench: the output cannot be written: No space left on device"


def test_a_reader_that_leaves_changes_nothing(record: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    assert call("show", record, stdout=write)[::2] == (0, b"")
    record.write_text("{}")
    assert call("--version", stdout=write)[::2] == (0, b"")
    # Its own exit code, not one of the pipe.
    assert call("check", record, stdout=write)[0] == 1
    os.close(write)


def test_a_closed_stdout_is_quiet() -> None:
    command = '"$0" -m conebench list "$1" >&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, SPECS], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize("name", ["a\x1b[31mb\u202ec", "a\nb", os.fsdecode(b"a\xff")])
def test_a_path_is_shown_and_does_nothing(tmp_path: Path, name: str) -> None:
    code, out, err = call("leaderboard", "build", "--records", tmp_path, "--out", tmp_path / name)
    assert (code, err) == (0, b"")
    assert (tmp_path / name / "index.html").is_file()
    assert out.decode().replace("\n", "").isprintable()
    code, out, err = call("show", tmp_path / name / "absent.json")
    assert (code, out) == (1, b"")
    assert err.decode().replace("\n", "").isprintable()


def test_text_without_odd_characters_is_as_it_was() -> None:
    text = "Ünïcode 漢字, two\nlines"
    assert visible(text) == text
    assert visible("a\tb\u3000c\x1b") == "a b c\\x1b"

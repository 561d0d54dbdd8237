"""`conebench leaderboard check` and `serve`, as a user meets them."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from synthetic import make_record, make_spec

from conebench.record import Record, record_text


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "conebench", "leaderboard", *arguments]


def save(record: Record, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(record_text(record))


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)])
def test_check_fails_where_a_record_is_left_out_and_leaves_nothing(tmp_path, broken, code):
    save(make_record(), tmp_path / "records" / "a")
    if broken:
        (tmp_path / "records" / "record.json").write_text("{}")
    done = subprocess.run(
        command("check", "--records", "records"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "1 record on the board\n")
    assert ("left out: records/record.json: " in done.stderr) is broken
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_serve_shows_the_site_and_builds_it_again_when_records_change(tmp_path):
    save(make_record(), tmp_path / "records" / "a")
    with subprocess.Popen(
        command("serve", "--records", "records", "--out", "site", "--port", "0"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "1 record on the board: open site/index.html\n"
        address = re.match(r"at (http://127\.0\.0\.1:\d+)", process.stdout.readline())[1]
        save(make_record(make_spec(title="Another")), tmp_path / "records" / "b")
        assert process.stdout.readline() == "2 records on the board: open site/index.html\n"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  # our own server
            assert "Another" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopped\n"
    assert process.returncode == 0

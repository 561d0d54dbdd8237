"""`conebench show RUN_DIR` of a run without a record."""

import threading
from pathlib import Path

import pytest
from command_line import Call
from synthetic import make_record

from conebench.record import record_text

ROWS = """\
{"seed": 0, "stage": "ordinary training", "step": 0, "test_accuracy": 0.1}
{"seed": 0, "stage": "ordinary training", "step": 5, "test_accuracy": 0.4}
{"seed": 0, "stage": "kernels", "step": 5, "S": 0.5}
{"seed": 0, "stage": "kernels", "step": 7, "S": 0.05}
{"seed": 0, "stage": "ordinary training", "step": 5, "test_accuracy": 0.5}
{"seed": 0, "sta"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs/a"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(ROWS)
    return folder


@pytest.mark.usefixtures("run")
def test_curves_so_far(call: Call) -> None:
    code, out, err = call("show", "runs/a")
    assert (code, err) == (0, "")
    first, second, last = out.splitlines()
    # The last row of a step counts, and one that is being written does not.
    assert first.startswith("seed 0: ordinary training            test_accuracy ")
    assert first.endswith(" 0.5 at step 5")
    assert second.endswith(" 0.05 at step 7")
    assert last == "no record yet; conebench status runs/a shows what is left"


def test_follow_until_the_record_is_there(call: Call, run: Path) -> None:
    record = make_record()
    writer = threading.Timer(0.2, (run / "record.json").write_text, [record_text(record)])
    writer.start()
    code, out, _ = call("show", "runs/a", "--follow")
    writer.join()
    assert code == 0
    assert f", record {record.id}\n" in out


def test_only_a_run_can_be_followed(call: Call, run: Path) -> None:
    (run / "record.json").write_text(record_text(make_record()))
    code, _, err = call("show", "runs/a/record.json", "--follow")
    assert (code, err) == (1, "runs/a/record.json: --follow is for the folder of a run only\n")

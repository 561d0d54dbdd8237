"""conebench.record.plausible: values that no run can have are refused wherever records are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic import make_record

from conebench.errors import RecordError
from conebench.record import ArmResult, Failure, Record, read_record, record_text
from conebench.record.plausible import MOST_FAILURES
from conebench.site import build_site

RECORD = make_record()


def made(**changes: Any) -> Record:
    return RECORD.model_copy(
        update={"provenance": RECORD.provenance.model_copy(update=changes)},
    )


def first_seed(**changes: Any) -> Record:
    seed = RECORD.seeds[0].model_copy(update=changes)
    return RECORD.model_copy(update={"seeds": [seed, *RECORD.seeds[1:]]})


def curve(**changes: Any) -> Record:
    return first_seed(training=RECORD.seeds[0].training.model_copy(update=changes))


def kernel(**changes: Any) -> Record:
    return first_seed(kernel=RECORD.seeds[0].kernel.model_copy(update=changes))


def arms(change: Callable[[ArmResult], dict[str, Any]]) -> Record:
    changed = [arm.model_copy(update=change(arm)) for arm in RECORD.seeds[0].arms]
    return first_seed(arms=changed)


def named(name: str) -> Record:
    return RECORD.model_copy(update={"data": RECORD.data.model_copy(update={"name": name})})


def repeated() -> Record:
    again = [RECORD.seeds[0].model_copy(update={"seed": seed.seed}) for seed in RECORD.seeds]
    return RECORD.model_copy(update={"seeds": again})


def failed(count: int, **changes: Any) -> Record:
    failures = [Failure(seed=0, stage=f"stage {i}", reason="no memory") for i in range(count)]
    failures += [Failure(**changes)] if changes else []
    return RECORD.model_copy(update={"failures": failures, "status": "partial"})


STEPS = len(RECORD.seeds[0].training.steps)
BAD = {
    "date of no calendar": (made(created_at="9999-99-99T00:00:00Z"), "provenance.created_at: got "),
    "date far ahead": (made(created_at="9999-12-31T00:00:00Z"), "in the years 2020 to 2099"),
    "date alone": (made(created_at="2026-01-02"), "provenance.created_at: got '2026-01-02'"),
    "long run": (made(wall_seconds=1e308), "provenance.wall_seconds: got 1e+308, expected at "),
    "other data": (named("ImageNet"), "data.name: got 'ImageNet', expected the spec's 'digits'"),
    "negative loss": (
        curve(test_loss=[-1e308] * STEPS),
        "0: training.test_loss: got -1e+308",
    ),
    "large loss": (arms(lambda _: {"test_loss": 1e300}), "seeds.0: arms.test_loss: got 1e+300"),
    "small kernel": (kernel(norm=[5e-324] * STEPS), "seeds.0: kernel.norm: got 4.94066e-324"),
    "repeated seed": (repeated(), "seeds: 1 has the data of seed 0, expected data of its own"),
    "many failures": (failed(MOST_FAILURES + 1), "failures: got 1,001, expected at most 1,000"),
    "failure twice": (failed(1, seed=0, stage="stage 0", reason="x"), "failures: a stage appears"),
    "other seed": (failed(1, seed=77, stage="x", reason="x"), "failures: got seed 77, expected"),
}


@pytest.mark.parametrize(("record", "message"), BAD.values(), ids=BAD)
def test_no_run_can_have_it(tmp_path: Path, record: Record, message: str) -> None:
    (tmp_path / "record.json").write_text(record_text(record))
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path / "record.json")
    assert message in str(caught.value)


def test_the_board_lists_them_with_the_reason(tmp_path: Path) -> None:
    for i, (record, _) in enumerate(BAD.values()):
        (tmp_path / f"records/{i}").mkdir(parents=True)
        (tmp_path / f"records/{i}/record.json").write_text(record_text(record))
    report = build_site([tmp_path / "records"], tmp_path / "site")
    assert (report.shown, len(report.skipped)) == (0, len(BAD))


def test_what_may_be_is_read(tmp_path: Path) -> None:
    record = failed(MOST_FAILURES)
    (tmp_path / "record.json").write_text(record_text(record))
    assert read_record(tmp_path / "record.json") == record
    assert build_site([tmp_path], tmp_path / "site").shown == 1
    index = (tmp_path / "site/index.html").read_text()
    (page,) = [path.read_text() for path in (tmp_path / "site/records").glob("*.html")]
    assert index.count("no memory") < 20
    assert page.count("no memory") < 20
    assert "995 more stages failed" in page

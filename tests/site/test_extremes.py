"""Shared pages of the board with numbers at the ends of their ranges."""

from pathlib import Path
from typing import Any

import pytest
from synthetic import make_record, make_spec

from conebench.record import record_text
from conebench.site import build_site
from conebench.spec.section import LARGEST, SMALLEST

TRAINING = make_spec().dump()["training"]


def spec_with(**kwargs: Any) -> Any:
    return make_spec(model={"name": "cifar_resnet8", "kwargs": kwargs})


def spec_at(rate: float) -> Any:
    optimizer = {**TRAINING["optimizer"], "learning_rate": rate}
    return make_spec(training={**TRAINING, "optimizer": optimizer})


@pytest.mark.parametrize(
    "specs",
    [
        [spec_at(SMALLEST), spec_at(LARGEST)],
        [spec_with(width=1e308), spec_with(width=5e-324)],
        [spec_with(depth=10**400), spec_with(depth=-1), spec_with(depth=3)],
    ],
    ids=["rates", "widths", "depths"],
)
def test_every_record_is_on_a_page(tmp_path: Path, specs: list[Any]) -> None:
    for i, spec in enumerate([*specs, make_spec()]):
        (tmp_path / f"records/{i}").mkdir(parents=True)
        (tmp_path / f"records/{i}/record.json").write_text(record_text(make_record(spec)))
    report = build_site([tmp_path / "records"], tmp_path / "site")
    assert (report.shown, report.skipped) == (len(specs) + 1, [])
    assert "nan" not in (tmp_path / "site/findings.html").read_text()

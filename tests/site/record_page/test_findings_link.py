"""conebench.site.record_page.findings_link: from a record to what it is part of."""

import pytest

from conebench.site.record_page.findings_link import findings_link


@pytest.mark.parametrize(
    ("spec", "link"),
    [
        ("study-center", ("findings", "the center of the study")),
        ("study-a-bn-lr0.01-b16-w4", ("shares", "block A of the study")),
        ("study-b-mse", ("findings", "block B of the study")),
        ("study-f-float64", ("measurement", "block F of the study")),
        ("study-r-b-mse", ("measurement", "block R of the study")),
        ("digits", None),
    ],
)
def test_records_of_the_study_lead_to_their_block(spec: str, link: tuple[str, str] | None) -> None:
    assert findings_link(spec) == link

"""Pages of fixed records, to compare with those in tests/golden."""

import json
import tempfile
from pathlib import Path

from synthetic import BASE_SPEC, make_record, make_spec

from conebench.record import Record, record_text
from conebench.site import build_site

FOLDER = Path(__file__).parents[1] / "golden"
DIGITS = 6
SHORT = {
    "training": {**BASE_SPEC["training"], "steps": 400},
    "kernel": {"samples": 50, "checkpoints": {"every": 20}},
    "switching": {"steps": [40, 120]},
}


def fixed_record(title: str, seeds: list[int]) -> Record:
    """Return a short record whose numbers do not depend on the last digits."""
    record = make_record(make_spec(title=title, seeds=seeds, **SHORT), settle=80)
    data = json.loads(record_text(record), parse_float=lambda text: round(float(text), DIGITS))
    for written, seed in zip(data["seeds"], record.seeds, strict=True):
        # A count of images over their number, which is that of the arm `full`.
        written["training"]["test_accuracy"][-1] = seed.training.test_accuracy[-1]
        for arm, exact in zip(written["arms"], seed.arms, strict=True):
            # A count of images over their number, which the stored bits must give.
            arm["test_accuracy"] = exact.test_accuracy
    return Record.model_validate(data, strict=False)


def pages() -> dict[str, str]:
    """Return the index of two records and a broken file, and the page of the first record."""
    first = fixed_record("Fixed <b>first</b>", [0, 1, 2, 3, 4])
    with tempfile.TemporaryDirectory() as name:
        records = Path(name) / "records"
        texts = (record_text(first), record_text(fixed_record("Fixed second", [2])), "{}")
        for folder, text in zip("abc", texts, strict=True):
            (records / folder).mkdir(parents=True)
            (records / folder / "record.json").write_text(text)
        site = build_site([records], Path(name) / "site").index.parent
        found = {"index.html": "index.html", "record.html": f"records/{first.id}.html"}
        return {name: (site / path).read_text("utf-8") for name, path in found.items()}

"""conebench.reference.records: the page in docs is the schema's own."""

from pathlib import Path

from conebench.record.json_schema import record_json_schema
from conebench.reference.records import reference_markdown
from conebench.reference.specs import references


def test_the_reference_in_docs_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "records.md"
    assert page.read_text(encoding="utf-8") == reference_markdown()


def test_every_form_of_a_field_has_its_row() -> None:
    page = reference_markdown()
    for row in (
        "| `seeds` | list of [SeedResult](#seedresult) | One entry per seed. |",
        "| `spec` | [Spec](specs.md#fields) | The spec with its defaults. ",
        "| `train_loss` | list of number or null | Mean minibatch loss ",
        "| `turn_deg` | number | Angle of the first kernel to the axis. |",
        "| `cpu_threads` | whole number ≥ 1 | Threads per process. |",
        "A figure with its 95 % interval over seeds (null with one seed).",
    ):
        assert row in page


def test_every_part_that_is_no_spec_has_one_section() -> None:
    page = reference_markdown()
    names = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert len(names) == len(set(names))
    assert names[0] == "Record"
    assert set(names[1:]) <= set(record_json_schema()["$defs"])
    assert {"Provenance", "Estimate", "GroupTrajectory", "TriedRate"} <= set(names)
    assert "Spec" not in names


def test_no_field_of_a_spec_or_record_is_without_its_meaning() -> None:
    """But for sections of a spec, whose fields say it."""
    for name, part in record_json_schema()["$defs"].items():
        for field, schema in part.get("properties", {}).items():
            assert schema.get("description") or references(schema), f"{name}.{field}"

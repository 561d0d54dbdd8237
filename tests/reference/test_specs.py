"""conebench.reference.specs: the page in docs is the schema's own."""

from pathlib import Path

from conebench.reference.specs import reference_markdown


def test_the_reference_in_docs_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "specs.md"
    assert page.read_text(encoding="utf-8") == reference_markdown()


def test_every_form_of_a_field_has_its_row() -> None:
    page = reference_markdown()
    for row in (
        "| `name` | text | required | The file's name without .yaml, in lower case. |",
        "| `training.optimizer.momentum` (`sgd`) | number ≥ 0, < 1 | `0.0` | Share ",
        "| `training.optimizer.eps` (`adam`, `adamw`) | number ≥ 1e-30, ≤ 1e+30 | `1e-08` | Added ",
        "| `kernel.samples` | whole number ≥ 1, ≤ 20,000 | required | Probe images, ",
    ):
        assert row in page

"""conebench.spec.section: titles that can be read, and numbers that can be computed with."""

import pytest
from pydantic import ValidationError
from synthetic import make_spec


@pytest.mark.parametrize(
    "title",
    [
        "   ",
        "\u200b\u200b",
        "\u3164",
        "\u2800 \u115f",
        "\u0301\u0301",
        "Z" + "\u0301" * 3,
    ],
)
def test_a_title_that_cannot_be_read_is_refused(title: str) -> None:
    with pytest.raises(ValidationError, match=r"visible characters|two accents"):
        make_spec(title=title)


@pytest.mark.parametrize(
    "title", ["漢字", "Größe α = 2", "Cafe\u0301", "ố a\u0302\u0301", "100 %", "→"]
)
def test_other_titles_are_free(title: str) -> None:
    assert make_spec(title=title).title == title


@pytest.mark.parametrize("rate", [5e-324, 1e-310, 1e-31, 1e31, 1e308, 0.0, -1.0])
def test_numbers_near_the_ends_of_floats_are_refused(rate: float) -> None:
    training = make_spec().dump()["training"]
    with pytest.raises(ValidationError):
        make_spec(training={**training, "optimizer": {"name": "adam", "learning_rate": rate}})

"""Text of messages: first lines, near names, dotted names."""

import pytest

from conebench.text import did_you_mean, first_line, flatten, of_one, one_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  bad value\nhint"), "bad value"),
        (ValueError(), "ValueError"),
        (KeyError("x"), "KeyError: 'x'"),
        (KeyError(), "KeyError"),
    ],
)
def test_the_first_line_of_an_error_or_its_class(error: Exception, line: str) -> None:
    assert first_line(error) == line


def test_control_characters_become_spaces() -> None:
    assert one_line("a\nb\x1b[31m\u202ec\u2028d") == "a b [31m c d"
    assert one_line("Γ é") == "Γ é"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("momentun", "; did you mean 'momentum'?"),
        ("wd", "; did you mean 'weight_decay'?"),
        ("step_1", "; did you mean 'steps' or 'stop'?"),
        ("m", ""),
        ("", ""),
    ],
)
def test_near_names_and_initials_are_offered(word: str, hint: str) -> None:
    assert did_you_mean(word, ["momentum", "weight_decay", "steps", "stop"]) == hint


def test_leaves_have_dotted_names() -> None:
    data = {"a": {"b": {"c": 1}, "empty": {}}, "list": [{"x": 1}]}
    assert dict(flatten(data)) == {"a.b.c": 1, "a.empty": {}, "list": [{"x": 1}]}


def test_one_of_one_is_not_plural() -> None:
    assert (
        of_one("frozen in 1 of 1 seeds; 1 of 1 records") == "frozen in 1 of 1 seed; 1 of 1 record"
    )
    assert of_one("frozen in 1 of 11 seeds, 1 of 1") == "frozen in 1 of 11 seeds, 1 of 1"

"""Small helpers for the text of messages. Imports nothing of conebench."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

ONE_OF_ONE = re.compile(r"\b(1 of 1 (?:seed|record))s\b")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its class name if it has no text."""
    text = str(error).strip()
    if not text:
        return type(error).__name__
    # The text of a KeyError is only the key.
    kind = f"{type(error).__name__}: " if isinstance(error, KeyError) else ""
    return kind + text.splitlines()[0]


def one_line(text: str) -> str:
    """Replace line breaks and control characters by spaces, for a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def of_one(text: str) -> str:
    """Put words after "1 of 1" into the singular, as in reasons that records store.

    >>> of_one("frozen in 1 of 1 seeds")
    'frozen in 1 of 1 seed'
    """
    return ONE_OF_ONE.sub(r"\1", text)


def joined(words: Sequence[str]) -> str:
    """Write a list with "and" before its last word.

    >>> joined(["A", "B", "C"])
    'A, B and C'
    """
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def count_of(noun: str, number: int) -> str:
    """Write a number of things.

    >>> count_of("cell", 1), count_of("cell", 2)
    ('1 cell', '2 cells')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'a' or 'b'?`, empty if nothing is near.

    >>> did_you_mean("lr", ["learning_rate", "loss"])
    "; did you mean 'learning_rate'?"
    """
    near = near_words(word, known)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def near_words(word: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Return the known words that a misspelled word may stand for.

    Args:
        word: The word.
        known: Words that are known.
        cutoff: Least similarity, from 0 to 1.

    """
    names = list(known)
    near = difflib.get_close_matches(word, names, n=3, cutoff=cutoff)
    # Initials: many libraries say lr for learning_rate.
    return near + [name for name in names if len(word) > 1 and word == _initials(name)]


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.split("_"))


def flatten(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted name and value of each leaf; an empty mapping is a leaf.

    >>> dict(flatten({"a": {"b": 1, "c": {}}, "d": [2]}))
    {'a.b': 1, 'a.c': {}, 'd': [2]}
    """
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

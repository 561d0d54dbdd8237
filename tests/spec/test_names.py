"""Names that specs and records bring: none leaves its folder, and no two share a file."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from conebench.contribution.rules import RECORD_PATH, SPEC_PATH
from conebench.record.schema import Text
from conebench.spec.composition import FILE_NAME, VARIANT_NAME
from conebench.spec.section import FolderName, Name

NAMES = TypeAdapter(Name)
FOLDERS = TypeAdapter(FolderName)


def allows(kind: TypeAdapter[str], name: str) -> bool:
    try:
        kind.validate_python(name, strict=True)
    except ValidationError:
        return False
    return True


BAD = [
    *("", ".", "..", "../x", "x/..", "/x", "x/y", "x\\y", "c:x", "~", "-x", ".x", "x\n", "x\x00"),
    *(
        "x y",
        "x*",
        "x?",
        "$x",
        "`x`",
        "x;y",
        "x|y",
        "X/Y",
        "\ufb01",
        "\u017f",
        "\u212a",
        "x" * 65,
        "%2e%2e",
    ),
]


@pytest.mark.parametrize("name", BAD)
def test_names_that_are_no_plain_names_are_refused(name: str) -> None:
    assert not allows(NAMES, name)
    assert not allows(FOLDERS, name)
    assert not FILE_NAME.fullmatch(f"{name}/x.yaml")
    assert not SPEC_PATH.fullmatch(f"specs/{name}.yaml")
    assert not RECORD_PATH.fullmatch(f"leaderboard/records/{name}/2026-01-02-0123abcd.json")


PIECES = st.lists(
    st.sampled_from(["a", "Z", "0", ".", "-", "_", "/", "\\", ":", "\u00df", "\u0130", "\n"])
)


@given(st.one_of(st.text(max_size=5), PIECES.map("".join)))
def test_a_name_is_one_part_of_a_path_and_its_own_folded_form(name: str) -> None:
    if allows(NAMES, name) or VARIANT_NAME.fullmatch(name) or FILE_NAME.fullmatch(name):
        assert name == name.casefold()
        assert name.isascii()
        for path in (PurePosixPath("runs", name), PureWindowsPath("runs", name)):
            assert path.parts == ("runs", name)
    if allows(FOLDERS, name):
        assert PurePosixPath("data", name).parts == PureWindowsPath("data", name).parts


def test_text_of_a_record_holds_no_control_characters() -> None:
    text = TypeAdapter(Text)
    assert all(not allows(text, f"a{chr(code)}") for code in (*range(32), *range(127, 160)))

"""docs/own.md: its files are written, and its commands print what it shows."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from fences import blocks
from PIL import Image
from sessions import commands, conebench, fits, write_file

from conebench.record import read_record
from conebench.spec.checks import cross_field_problems
from conebench.spec.schema import Spec
from conebench.spec.yaml_text import parse_yaml


def parts_of_specs(page: str) -> list[str]:
    return [text for _, text in blocks(page, "yaml") if not text.startswith("# ")]


@pytest.mark.parametrize("text", [*parts_of_specs("own.md"), *parts_of_specs("running.md")])
def test_parts_of_specs_fit_into_a_spec(text: str) -> None:
    whole = next(text for _, text in blocks("own.md", "yaml") if text.startswith("# "))
    base, part = (parse_yaml(t, Path("own.md"))[0] for t in (whole, text))
    merged = {name: {**base[name], **fields} for name, fields in part.items()}
    spec = Spec.model_validate({**base, **merged}, strict=False).resolved()
    assert cross_field_problems(spec) == []


def write_pets(folder: Path) -> None:
    """Write the images of the page, some more of them."""
    random = np.random.default_rng(0)
    for part, images in (("train", 21), ("test", 10)):
        for name in ("cat", "dog"):
            of_class = folder / part / name
            of_class.mkdir(parents=True)
            for i in range(images):
                pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(of_class / f"{i:03}.jpg")


def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    write_pets(tmp_path / "data/pets")
    ran = []
    for language, text in blocks("own.md", "python", "yaml", "console"):
        if language != "console":
            # Others are parts of files.
            if text.startswith("# "):
                write_file(text, tmp_path)
            continue
        for command, shown in commands(text):
            arguments = shlex.split(command.removeprefix("conebench "))
            printed = conebench(arguments, tmp_path)
            assert fits(shown, printed), f"{command}\n{printed}"
            ran.append(arguments[0])
    assert ran == ["validate", "plan", "run", "show", "validate", "plan", "run", "new", "validate"]
    record = read_record(tmp_path / "runs/two/record.json")
    assert record.own_modules == ["mynets.models"]

"""A spec's text, files with it, and what is told about them."""

from pathlib import Path

from conebench.errors import SpecError
from conebench.spec import load_spec

# A problem is expected at the line where its field stands in this text.
VALID = """\
name: test
title: A title
model:
  name: resnet
  kwargs: {width: 4}
dataset:
  name: digits
training:
  steps: 1000
  batch_size: 64
  optimizer:
    name: sgd
    learning_rate: 1e-3
kernel:
  samples: 50
  checkpoints: {every: 50}
seeds: [0, 1]
"""


def write(folder: Path, text: str, name: str = "test.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


def changed(old: str, new: str) -> str:
    assert VALID.count(old) == 1
    return VALID.replace(old, new)


def problems_of(path: Path) -> list[str]:
    """Lines of the message, each without the file's path; none for a valid spec."""
    try:
        spec = load_spec(path)
    except SpecError as error:
        return [line.removeprefix(str(path)) for line in str(error).split("\n")]
    return [] if len(spec.hash) == 64 else ["no hash"]

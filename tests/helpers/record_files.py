"""A small record, and files with it or with a changed one."""

import copy
import json
from pathlib import Path

from changes import Change
from synthetic import make_record, make_spec

SMALL = make_record(
    make_spec(
        kernel={"samples": 50, "checkpoints": {"every": 125}}, switching={"steps": []}, seeds=[4, 2]
    )
)
DATA = SMALL.dump()


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "record.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def changed(folder: Path, change: Change) -> Path:
    data = copy.deepcopy(DATA)
    change(data)
    return write(folder, json.dumps(data))

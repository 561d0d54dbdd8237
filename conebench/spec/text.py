"""A spec as the text of a file."""

import functools
import json

from conebench.spec.schema import Spec
from conebench.spec.yaml_text import yaml_text


def spec_text(spec: Spec) -> str:
    """The spec as YAML that `conebench run` accepts and that has the same hash."""
    data = spec.dump()
    # A resolved spec has its length in steps even where it was written in epochs.
    if data["training"]["epochs"] is not None:
        del data["training"]["steps"]
    return "".join(_section_text(json.dumps({name: part})) for name, part in data.items())


@functools.lru_cache(maxsize=256)
def _section_text(section: str) -> str:
    """One section as YAML, from JSON: many specs share most of theirs, and writing it is slow."""
    return yaml_text(json.loads(section))

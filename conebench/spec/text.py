"""A spec as the text of a file."""

from conebench.spec.schema import Spec
from conebench.spec.yaml_text import yaml_text


def spec_text(spec: Spec) -> str:
    """The spec as YAML that `conebench run` accepts and that has the same hash."""
    data = spec.dump()
    # A resolved spec has its length in steps even where it was written in epochs.
    if data["training"]["epochs"] is not None:
        del data["training"]["steps"]
    return yaml_text(data)

"""Base class and field types of a record's parts."""

from typing import Annotated

from pydantic import Field

from conebench.spec import Section
from conebench.spec.section import NO_CONTROL_CHARACTER

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(max_length=500, pattern=NO_CONTROL_CHARACTER)]
Step = Annotated[int, Field(ge=0, le=10**9)]
Count = Annotated[int, Field(ge=1, le=10**15)]


class Part(Section):
    """Base of every part of a record, checked like a section of a spec."""

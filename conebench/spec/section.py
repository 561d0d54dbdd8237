"""Base class and field types of specs and records."""

import hashlib
import itertools
import json
import unicodedata
from dataclasses import is_dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import PydanticCustomError

NAME = "[a-z0-9][a-z0-9._-]{0,63}"
TITLE = r"^[^\x00-\x1f\x7f-\x9f]+$"
NO_CONTROL_CHARACTER = r"^\P{Cc}*$"

Name = Annotated[str, Field(pattern=f"^{NAME}$")]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
PositiveInt = Annotated[int, Field(ge=1, le=10**9)]
StepIndex = Annotated[int, Field(ge=1, le=10**9)]
# Far from where floats end, so that products and logarithms of them are finite.
SMALLEST, LARGEST = 1e-30, 1e30
PositiveFloat = Annotated[float, Field(ge=SMALLEST, le=LARGEST)]
NonNegativeFloat = Annotated[float, Field(ge=0, le=LARGEST)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _finite(value: JsonValue) -> JsonValue:
    # pydantic does not apply allow_inf_nan=False to a JsonValue read from text.
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise PydanticCustomError("finite_numbers", "Input should hold finite numbers") from None
    return value


# Letters that show nothing, and the most accents that may stand on one letter.
BLANKS = set("\u115f\u1160\u2800\u3164\uffa0")
MOST_ACCENTS = 2


def _legible(text: str) -> str:
    # Letters, numbers, punctuation and symbols; the rest are accents, blanks and controls.
    letters = [c for c in text if unicodedata.category(c)[0] in "LNPS" and c not in BLANKS]
    stacked = itertools.groupby(text, lambda c: unicodedata.category(c)[0] == "M")
    if any(is_accent and len(list(marks)) > MOST_ACCENTS for is_accent, marks in stacked):
        raise PydanticCustomError("legible", "at most two accents on a letter")
    if not letters:
        raise PydanticCustomError("legible", "visible characters")
    return text


Legible = AfterValidator(_legible)
FiniteJson = Annotated[JsonValue, AfterValidator(_finite)]


class Section(BaseModel):
    """Frozen section of a spec or record: no unknown fields, no coercion, no NaN.

    `later` names the fields that were added after the first records. A dump leaves them out where
    they have their default, so that older specs and records keep their hashes. `former` names
    those that only older records have; a dump has them only if they were read.
    """

    later: ClassVar[frozenset[str]] = frozenset()
    former: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _leave_out_later_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = dump(self)
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].default:
                del data[name]
        for name in self.former - self.model_fields_set:
            del data[name]
        # Figures in a record are plain dataclasses with their own `later`.
        for name, part in vars(self).items():
            for field in getattr(part, "later", ()) if is_dataclass(part) else ():
                if getattr(part, field) == getattr(type(part), field):
                    del data[name][field]
        return data


def content_hash(value: object) -> str:
    """Return the SHA-256 of plain data's canonical JSON, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

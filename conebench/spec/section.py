"""What every section of a spec and every part of a record is: frozen, checked, hashed."""

import hashlib
import json
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

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
PositiveInt = Annotated[int, Field(ge=1, le=10**9)]
StepIndex = Annotated[int, Field(ge=1, le=10**9)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _finite(value: JsonValue) -> JsonValue:
    # pydantic reads JSON text into JsonValue without heeding allow_inf_nan=False.
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise PydanticCustomError("finite_number", "Input should hold finite numbers") from None
    return value


FiniteJson = Annotated[JsonValue, AfterValidator(_finite)]


class Section(BaseModel):
    """Base of every section: unknown fields refused, no coercion, no NaN, immutable.

    `later` names the fields that came after the first records. Where one has its default it is
    left out of the dump: specs and records from before keep their hashes.
    """

    later: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _leave_out_later_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = dump(self)
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].default:
                del data[name]
        # Figures in a record are plain dataclasses, with a `later` of their own.
        for name, part in vars(self).items():
            for field in getattr(part, "later", ()) if is_dataclass(part) else ():
                if getattr(part, field) == getattr(type(part), field):
                    del data[name][field]
        return data


def content_hash(value: object) -> str:
    """SHA-256 of the canonical JSON of plain data, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

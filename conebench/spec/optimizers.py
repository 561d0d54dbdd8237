"""Optimizers of a spec: SGD, Adam, AdamW, or any other that timm has."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from conebench.errors import SpecError
from conebench.spec.section import (
    FiniteJson,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    Section,
)
from conebench.text import did_you_mean

# `python -m conebench.reference.optimizers` writes it: a name per line.
FILE = Path(__file__).with_name("optimizers.txt")

RATE = "The schedule multiplies it."


class Sgd(Section):
    """Stochastic gradient descent; weight decay is added to the gradient."""

    name: Literal["sgd"] = Field(description="Stochastic gradient descent.")
    learning_rate: PositiveFloat = Field(description=RATE)
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Share of the previous step to keep."
    )
    nesterov: bool = Field(default=False, description="Nesterov's momentum.")
    weight_decay: NonNegativeFloat = Field(
        default=0.0, description="Added to the gradient of all parameters."
    )


class Adam(Section):
    """Adam (weight decay added to the gradient) or AdamW (decoupled weight decay)."""

    name: Literal["adam", "adamw"] = Field(description="adamw decouples the weight decay.")
    learning_rate: PositiveFloat = Field(description=RATE)
    betas: tuple[Fraction, Fraction] = Field(
        default=(0.9, 0.999), description="Decay rates of the two moments."
    )
    eps: PositiveFloat = Field(default=1e-8, description="Added to the denominator.")
    weight_decay: NonNegativeFloat = Field(
        default=0.0, description="adam: added to the gradient; adamw: decoupled. All parameters."
    )


class OtherOptimizer(Section):
    """Any other optimizer that timm has."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]{1,40}$")] = Field(
        description="timm's name of another optimizer."
    )
    learning_rate: PositiveFloat = Field(description=RATE)
    weight_decay: NonNegativeFloat = Field(
        default=0.0, description="For all parameters, applied in the optimizer's own way."
    )
    options: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], FiniteJson] = Field(
        default={}, description="Further keyword arguments of the optimizer."
    )


def _optimizer_kind(value: Any) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    # `SGD` is refused as a misspelled sgd, not as another optimizer with other fields.
    return {"sgd": "sgd", "adam": "adam", "adamw": "adam"}.get(str(name).lower(), "other")


Optimizer = Annotated[
    Annotated[Sgd, Tag("sgd")]
    | Annotated[Adam, Tag("adam")]
    | Annotated[OtherOptimizer, Tag("other")],
    Discriminator(_optimizer_kind),
]


@cache
def known_optimizers() -> tuple[str, ...]:
    """Return the names of timm's optimizers, without importing timm."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def check_optimizer(optimizer: Sgd | Adam | OtherOptimizer) -> None:
    """Raise a SpecError for a name that timm does not have."""
    if isinstance(optimizer, OtherOptimizer) and optimizer.name not in known_optimizers():
        message = unknown_optimizer(optimizer.name, known_optimizers())
        raise SpecError(message, field="training.optimizer.name")


def unknown_optimizer(name: str, known: Collection[str]) -> str:
    """Return what is wrong with a name that is not known."""
    return f"got {name!r}, expected an optimizer of timm's{did_you_mean(name, known)}"

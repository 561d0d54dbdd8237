"""Names of the models of timm and conebench, known without importing timm."""

from functools import cache
from pathlib import Path

from conebench.errors import SpecError
from conebench.spec.schema import Model, Spec
from conebench.text import did_you_mean

# `python -m conebench.reference.models` writes it: a name per line, and the arguments of a model of
# conebench. Those of timm's models are many, and only timm knows them.
FILE = Path(__file__).with_name("models.txt")


@cache
def known_models() -> dict[str, tuple[str, ...]]:
    """Return the arguments of each model; empty for timm's."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    return {name: tuple(arguments) for name, *arguments in words}


def check_weights(spec: Spec) -> None:
    """Raise a SpecError for pretrained weights of a model of conebench, which has none."""
    asks = "model.pretrained" if spec.model.pretrained else "linearization.point"
    is_asked = spec.model.pretrained or spec.linearization.point == "pretrained"
    if is_asked and known_models().get(spec.model.name):
        raise SpecError(f"timm has no pretrained weights for {spec.model.name!r}", field=asks)


def check_model(model: Model) -> None:
    """Raise a SpecError for a name that timm and conebench do not have, or unknown arguments."""
    known = known_models()
    # A name may be followed by a dot and the name of pretrained weights.
    name = model.name.partition(".")[0]
    if name not in known:
        hint = model_hint(name)
        raise SpecError(
            f"got {model.name!r}, expected a model of timm, conebench or --import{hint}",
            field="model.name",
        )
    allowed = known[name]
    for argument in model.kwargs if allowed else ():
        if argument not in allowed:
            raise SpecError(
                f"unknown argument of {name}, expected one of {', '.join(allowed)}"
                f"{did_you_mean(argument, allowed)}",
                field=f"model.kwargs.{argument}",
            )


def model_hint(name: str) -> str:
    """Return `; did you mean ...?`; models of conebench that hold the name come first."""
    known = known_models()
    own = [model for model, arguments in known.items() if arguments and name in model]
    if own:
        return f"; did you mean {' or '.join(map(repr, own))}?"
    return did_you_mean(name, known)

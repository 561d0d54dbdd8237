"""Compare B(w) in cells whose weights decay toward 0 and toward the weights at the switch."""

from dataclasses import dataclass

from conebench.analysis.study import Effect
from conebench.study.effects import Cells, cell_effect
from conebench.study.responses import BENEFIT

LEVELS = ("1e-3", "5e-3")
# Cells of study-decay.yaml.
TOWARD_SWITCH = tuple(f"study-decay-{level}" for level in LEVELS)


@dataclass(frozen=True)
class DecayTargets:
    """B(w) of one weight decay, by what the weights of linear arms and controls decay toward."""

    level: str
    toward_zero: Effect
    toward_switch: Effect


def decay_targets(cells: Cells) -> list[DecayTargets]:
    """Compare the levels that have both records."""
    found = []
    for level in LEVELS:
        named = (cells.get(f"study-{name}-{level}") for name in ("b-weight-decay", "decay"))
        effects = [cell_effect(cell, BENEFIT, None) for cell in named if cell]
        known = [effect for effect in effects if effect]
        if len(known) == 2:
            found.append(DecayTargets(level, *known))
    return found

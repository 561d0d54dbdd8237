"""Figures that the papers report, from records in their set-up."""

from dataclasses import dataclass

import numpy as np

from conebench.analysis.distance import distances, lagged_distances
from conebench.record import SeedResult
from conebench.spec import Spec

# Cells in the set-up of C2.
SPECS = ("resnet20-c2-jpeg", "resnet20-c2", "vgg16-c2")
LAGS = (100, 200, 300, 400, 500, 1000)
# Step from which the lags are averaged.
LATE = 1000


@dataclass(frozen=True)
class PaperFigure:
    """A figure of a paper's, read from its plots by third parties."""

    key: str
    label: str
    # By model.
    reported: dict[str, str]


PAPER_FIGURES = (
    PaperFigure(
        "boundary", "phase boundary T*", {"ResNet-20": "100-500", "VGG-16": "2,000-2,500 steps"}
    ),
    PaperFigure("S(0, 100)", "S(0, 100)", {"ResNet-20": "~0.25"}),
    PaperFigure(
        "S(0, late)", "S(0, t), t from T/2 on", {"ResNet-20": "0.15-0.2", "VGG-16": "0.15-0.2"}
    ),
    *(
        PaperFigure(
            f"S(t, t+{lag})",
            f"mean S(t, t+{lag:,}), t from {LATE:,} on",
            {"ResNet-20": "~0.02", "VGG-16": "~0.05"} if lag <= 500 else {},
        )
        for lag in LAGS
    ),
    PaperFigure(
        f"S({LATE}, late)",
        f"S({LATE:,}, t), t from T/2 on",
        {"ResNet-20": "0.02-0.03", "VGG-16": "0.05-0.1"},
    ),
)


def model_of(spec: str) -> str:
    """Return the paper's network that a spec repeats."""
    return "VGG-16" if spec.startswith("vgg16") else "ResNet-20"


def paper_figures(spec: Spec, seed: SeedResult) -> dict[str, float | None]:
    """Return the papers' figures of one seed. Empty unless the spec is in their set-up."""
    # Other runs have no checkpoints at the papers' steps.
    if spec.name not in SPECS:
        return {}
    kernel, every = seed.kernel.primary, spec.kernel.checkpoints.every
    steps, G = kernel.uniform(every)
    S = distances(G)
    at = {step: i for i, step in enumerate(steps.tolist())}
    late = steps >= spec.total_steps / 2
    found: dict[str, float | None] = {"boundary": seed.phases.T_star}
    if 100 in at:
        found["S(0, 100)"] = float(S[0, at[100]])
    if late.any():
        found["S(0, late)"] = float(S[0, late].mean())
    if LATE in at:
        after = late & (steps > LATE)
        inside = G[np.ix_(steps >= LATE, steps >= LATE)]
        found |= {f"S(t, t+{lag})": _mean_at_lag(inside, lag, every) for lag in LAGS}
        found[f"S({LATE}, late)"] = float(S[at[LATE], after].mean()) if after.any() else None
    return found


def _mean_at_lag(G: np.ndarray, lag: int, every: int) -> float | None:
    if lag % every or lag // every >= len(G):
        return None
    return float(lagged_distances(G, lag // every).mean())

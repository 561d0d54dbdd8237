"""How much the figures of committed records move with choices of measurement.

`python record_stability.py` prints the tables of docs/method.md, "Stability on real runs".
"""

import functools
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from ground_truth.tables import markdown
from ground_truth.window_stability import (
    FIGURES,
    Trajectory,
    Way,
    changes,
    figures_table,
    leaves_interval,
    measured,
    pooled_spread,
    strength_of,
    strength_table,
)

from conebench.analysis.cone_strength import cone_strength
from conebench.analysis.distance import FloatArray
from conebench.analysis.window import WindowFigures

RECORDS = Path(__file__).parents[3] / "leaderboard" / "records"
BASE = Way("primary")
# Those of the page: a list, so that a further record does not change it.
SHOWN = (
    "study-center",
    "study-b-lr-0.005-batch-16",
    "study-b-random-labels",
    "study-b-mse",
    "study-b-group-norm",
    *(
        f"study-a-{norm}-lr{rate}-b{b}-w{w}"
        for norm in ("bn", "none")
        for rate in (0.01, 0.04)
        for b in (16, 128)
        for w in (4, 16)
    ),
    "resnet8-cifar10-jpeg",
    "resnet20-cifar10-jpeg",
)
# The center of the study, measured in other ways.
CENTER, CENTER_SEEDS = "study-center", (0, 1, 2)
MEASURED_OTHERWISE = {
    "probe set 1": "study-f-probe-seed-1",
    "probe set 2": "study-f-probe-seed-2",
    "probe set 3": "study-f-probe-seed-3",
    "25 probe images": "study-f-samples-25",
    "100 probe images": "study-f-samples-100",
    "200 probe images": "study-f-samples-200",
    "BatchNorm recalibrated": "study-f-batchnorm-recalibrated",
    "float64 kernels": "study-f-float64",
    "kernel every 10 steps": "study-f-every-10",
    "kernel every 40 steps": "study-f-every-40",
    "T = 500": "study-f-steps-500",
    "T = 2,000": "study-f-steps-2000",
}


@functools.cache
def from_records() -> list[Trajectory]:
    """Return the trajectories of all committed records."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(RECORDS.glob("*/*.json"))]
    return [_from_seed(record["spec"], seed) for record in records for seed in record["seeds"]]


def _from_seed(spec: dict[str, Any], seed: dict[str, Any]) -> Trajectory:
    kernel = seed["kernel"]
    G = {view["name"]: symmetric(view["gram"]) for view in kernel.get("views") or ()}
    G["measured"] = symmetric(kernel["gram"])
    if "trace" in G:
        G |= {"primary": G["trace"], "full": G["measured"]}
    else:
        # A record of an older method, with one view.
        G["primary"] = G["measured"]
    return Trajectory(
        spec["name"],
        seed["seed"],
        np.array(kernel["steps"]),
        spec["kernel"]["checkpoints"]["every"],
        spec["training"]["optimizer"]["learning_rate"],
        G,
    )


def symmetric(rows: Sequence[Sequence[float]]) -> FloatArray:
    """Return the matrix with these rows of its lower triangle."""
    G = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        G[i, : i + 1] = G[: i + 1, i] = row
    return G


def shown() -> list[Trajectory]:
    """Return the trajectories of the runs on the page, in its order."""
    return [t for run in SHOWN for t in from_records() if t.run == run]


WAYS = changes(BASE) | {"view sum": (Way("sum"),), "view full": (Way("full"),)}


def change_table() -> str:
    """Return median / largest change of each figure over the seeds of the study's runs."""
    return figures_table(_of_study(), BASE, WAYS)


def ces_table() -> str:
    """Return CES of each run, and how it moves."""
    return strength_table(shown(), BASE, WAYS)


def left(runs: Sequence[str] = SHOWN, base: Way = BASE) -> dict[str, tuple[int, int]]:
    """Return by change how many runs leave the interval of their CES, and of how many."""
    counts = {}
    for name, (way,) in changes(base).items():
        pairs = [
            (strength_of(from_records(), run, base), strength_of(from_records(), run, way))
            for run in runs
        ]
        known = [
            leaves_interval(one.CES, other.CES)
            for one, other in pairs
            if one and other and one.CES and other.CES
        ]
        counts[name] = sum(known), len(known)
    return counts


def center_table() -> str:
    """Return the center's figures, measured in other ways."""
    of_center = {"as in the study": CENTER, **MEASURED_OTHERWISE}
    rows = [(name, *_cells(_three_seeds(run))) for name, run in of_center.items()]
    return markdown(("measured", "turn, °", "cone angle, °", "N", "α", "VR", "CES"), rows)


def _three_seeds(run: str) -> list[WindowFigures]:
    found = [
        measured(trajectory, BASE)
        for trajectory in from_records()
        if trajectory.run == run and trajectory.seed in CENTER_SEEDS
    ]
    return [figures for figures in found if figures is not None]


def _cells(found: Sequence[WindowFigures]) -> Iterable[str]:
    for name, digits in (("turn_deg", 1), ("cone_deg", 2), ("N", 2), ("alpha", 2), ("VR", 2)):
        values = np.array([getattr(figures, name) for figures in found], dtype=np.float64)
        yield f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"
    CES = cone_strength(found).CES
    if CES is None or CES.low is None or CES.high is None:
        yield "–"
    else:
        yield f"{CES.value:.0f} [{CES.low:.0f}, {CES.high:.0f}]"


def share_table() -> str:
    """Return how figures and CES move with windows from other shares on."""
    of_study, rows = _of_study(), []
    for share in (0.2, 0.3, 0.5):
        base = Way("primary", share)
        spread = pooled_spread(
            found for run in SHOWN if (found := strength_of(shown(), run, base)) is not None
        )
        ways = {name: way for name, way in changes(base).items() if not name.startswith("w =")}
        lines = figures_table(of_study, base, ways).splitlines()[2:]
        cells = {cell[0]: cell[2:] for cell in map(_row, lines)}
        rows += [(f"{share}", f"{spread:.1f}", name, *figures) for name, figures in cells.items()]
    return markdown(("w", "spread of CES", "change", *FIGURES), rows)


def _row(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]


def _of_study() -> list[Trajectory]:
    return [trajectory for trajectory in shown() if trajectory.run.startswith("study-")]


if __name__ == "__main__":
    for table in (ces_table, change_table, share_table, center_table):
        sys.stdout.write(f"{table()}\n")
    every = sorted({trajectory.run for trajectory in from_records()})
    for title, runs, base in (
        ("runs above", SHOWN, BASE),
        ("all records", every, BASE),
        ("all records, view full", every, Way("measured")),
    ):
        for name, (outside, known) in left(runs, base).items():
            sys.stdout.write(f"{title}, {name}: CES leaves its interval in {outside} of {known}\n")

"""The chaos probe on a record's page: how far perturbed copies came from ordinary training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from conebench.analysis.intervals import Estimate, mean_estimate
from conebench.record import ChaosResult, Record
from conebench.record.quantities import UNDEFINED, distance, optional, percent, whole
from conebench.site.charts.drawing import Series, draw, vertical
from conebench.site.charts.plot import MAX_COLORS, Plot
from conebench.site.charts.table import Table
from conebench.site.record_page.plots import boundaries
from conebench.site.record_page.switch_curve import step_scale


@dataclass(frozen=True)
class PairMean:
    """The barrier of one pair over the seeds whose copy did not diverge; None where all did."""

    t0: int
    t1: int
    barrier: Estimate | None
    started: int

    @property
    def finished(self) -> int:
        """How many seeds have a barrier."""
        return self.barrier.seeds if self.barrier else 0


def chaos_table(record: Record) -> Table | None:
    """Every pair of every seed; None where the record has no chaos probe."""
    if record.spec.chaos is None:
        return None
    head = (
        "Seed",
        "t0",
        "t1",
        "Barrier",
        "Test loss, both ends",
        "Disagreement, %",
        "1 − cos(θ, θ′)",
        "S",
        "Outcome",
    )
    rows = [
        (str(seed.seed), *_cells(result)) for seed in record.seeds for result in seed.chaos or ()
    ]
    return Table(head, tuple(rows))


def _cells(result: ChaosResult) -> tuple[str, ...]:
    ends = UNDEFINED
    if result.losses is not None:
        ends = f"{distance(result.losses[0])}, {distance(result.losses[-1])}"
    diverged = f"diverged at step {optional(whole, result.diverged_at)}"
    return (
        whole(result.t0),
        whole(result.t1),
        optional(distance, result.barrier),
        ends,
        optional(percent, result.disagreement),
        optional(distance, result.parameter_dissimilarity),
        optional(distance, result.S),
        "finished" if result.status == "finished" else diverged,
    )


def pair_means(record: Record) -> list[PairMean]:
    """Each pair with its barrier over seeds, by t1, then t0."""
    found: dict[tuple[int, int], list[float | None]] = {}
    for seed in record.seeds:
        for result in seed.chaos or ():
            found.setdefault((result.t1, result.t0), []).append(result.barrier)
    means = []
    for (t1, t0), barriers in sorted(found.items()):
        known = [barrier for barrier in barriers if barrier is not None]
        estimate = mean_estimate(np.array(known), (0.0, np.inf)) if known else None
        means.append(PairMean(t0, t1, estimate, len(barriers)))
    return means


def chaos_plots(record: Record) -> list[Plot]:
    """The barrier against t0; nothing where the record has no chaos probe."""
    if record.spec.chaos is None:
        return []
    means, rules = pair_means(record), boundaries(record)
    series = list(_series(means))
    heights = [y for s in series for _, low, high in s.intervals for y in (low, high)]
    heights += [point[1] for s in series for point in s.points if point]
    plot = Plot(
        key="chaos",
        title="Barrier between perturbed copies against t0",
        caption="Test loss on the straight line to a copy that was perturbed at t0 by σ = "
        f"{record.spec.chaos.sigma:g} and trained alike to t1: its largest excess over what the "
        "ends would give, mean over seeds with its 95 % interval. C2 finds barriers of about 1 to "
        "2 for t0 before the boundary and about 0 after it: chaotic at first, then stable.",
        drawing=draw(
            step_scale([*(mean.t0 for mean in means), *(rule.at for rule in rules)]),
            vertical([0.0, *heights]),
            ("perturbed at step t0", "barrier, test loss"),
            series,
            upright=rules,
        ),
        table=_means_table(means),
    )
    return [plot]


def _series(means: Sequence[PairMean]) -> Iterator[Series]:
    """A line for each t1 through its t0, or dots where there are more t1 than colors."""
    ends = list(dict.fromkeys(mean.t1 for mean in means))
    if len(ends) > MAX_COLORS:
        points, intervals = _points(means), _intervals(means)
        yield Series("one dot a pair", "c0", points, intervals, joined=False, dots=True)
        return
    for i, t1 in enumerate(ends):
        of_end = [mean for mean in means if mean.t1 == t1]
        points, intervals = _points(of_end), _intervals(of_end)
        yield Series(f"t1 = {t1:,}", f"c{i}", points, intervals, dots=True)


def _points(means: Sequence[PairMean]) -> list[tuple[float, float] | None]:
    return [(mean.t0, mean.barrier.value) for mean in means if mean.barrier]


def _intervals(means: Sequence[PairMean]) -> list[tuple[float, float, float]]:
    return [
        (mean.t0, mean.barrier.low, mean.barrier.high)
        for mean in means
        if mean.barrier and mean.barrier.low is not None and mean.barrier.high is not None
    ]


def _means_table(means: Sequence[PairMean]) -> Table:
    head = ("t0", "t1", "Barrier", "95 % interval", "Seeds finished")
    return Table(head, tuple(_mean_cells(mean) for mean in means))


def _mean_cells(mean: PairMean) -> tuple[str, ...]:
    found, interval = mean.barrier, UNDEFINED
    if found and found.low is not None and found.high is not None:
        interval = f"[{distance(found.low)}, {distance(found.high)}]"
    return (
        whole(mean.t0),
        whole(mean.t1),
        distance(found.value) if found else UNDEFINED,
        interval,
        f"{mean.finished} of {mean.started}",
    )

"""The chaos probe on a record's page."""

from collections.abc import Iterator, Mapping

from conebench.record import ChaosResult, Record
from conebench.record.quantities import UNDEFINED, distance, optional, percent, whole
from conebench.record.seed_means import SeedMean, barrier_means
from conebench.site.charts.drawing import Series, draw, estimates_series, vertical
from conebench.site.charts.plot import MAX_COLORS, Plot
from conebench.site.charts.table import Table, table_of
from conebench.site.record_page.plots import boundaries
from conebench.site.record_page.switch_curve import step_scale


def chaos_table(record: Record) -> Table | None:
    """Return every pair of every seed, if there are any."""
    rows = [
        {"Seed": str(seed.seed), **_pair_cells(pair)}
        for seed in record.seeds
        for pair in seed.chaos or ()
    ]
    return table_of(rows) if rows else None


def _pair_cells(pair: ChaosResult) -> dict[str, str]:
    ends = UNDEFINED
    if pair.losses is not None:
        ends = f"{distance(pair.losses[0])}, {distance(pair.losses[-1])}"
    diverged = f"diverged at step {optional(whole, pair.diverged_at)}"
    return {
        "t0": whole(pair.t0),
        "t1": whole(pair.t1),
        "Barrier": optional(distance, pair.barrier),
        "Test loss, both ends": ends,
        "Disagreement, %": optional(percent, pair.disagreement),
        "1 − cos(θ, θ′)": optional(distance, pair.parameter_dissimilarity),
        "S": optional(distance, pair.S),
        "Outcome": "finished" if pair.status == "finished" else diverged,
    }


def chaos_plots(record: Record) -> list[Plot]:
    """Return the plot of the barrier against t0, if any."""
    means, rules = barrier_means(record), boundaries(record)
    if not means or record.spec.chaos is None:
        return []
    series = list(_barrier_series(means))
    plot = Plot(
        key="chaos",
        title="Barrier between perturbed copies against t0",
        caption="Test loss along the straight line to a copy that was perturbed at t0 by σ = "
        f"{record.spec.chaos.sigma:g} and trained in the same way to t1: its largest excess over "
        "the line between the losses at both ends, mean over seeds with its 95 % interval. C2 "
        "reports barriers of about 1 to 2 for t0 before the boundary, and about 0 after it.",
        drawing=draw(
            step_scale([*(t0 for _, t0 in means), *(rule.at for rule in rules)]),
            vertical([0.0, *(y for s in series for y in s.heights)]),
            ("perturbed at step t0", "barrier, test loss"),
            series,
            upright=rules,
        ),
        table=table_of(
            [
                {"t0": whole(t0), "t1": whole(t1), **mean.cells("Barrier", distance)}
                for (t1, t0), mean in means.items()
            ]
        ),
    )
    return [plot]


def _barrier_series(means: Mapping[tuple[int, int], SeedMean]) -> Iterator[Series]:
    """Yield a line for each t1, or only dots."""
    known = [(t1, t0, mean.estimate) for (t1, t0), mean in means.items() if mean.estimate]
    ends = list(dict.fromkeys(t1 for t1, _ in means))
    if len(ends) > MAX_COLORS:
        points = [(t0, estimate) for _, t0, estimate in known]
        yield estimates_series("one dot per pair", "c0", points, joined=False)
        return
    for i, end in enumerate(ends):
        points = [(t0, estimate) for t1, t0, estimate in known if t1 == end]
        yield estimates_series(f"t1 = {end:,}", f"c{i}", points)

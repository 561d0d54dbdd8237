"""Plots over all seeds: the angle to the axis, accuracy, velocity, lags, learning curves."""

from collections.abc import Mapping

import numpy as np

from conebench.analysis.cone import to_axis_deg
from conebench.analysis.distance import FloatArray, lagged_distances, velocity
from conebench.analysis.intervals import Estimate
from conebench.record import ArmResult, Record, SeedResult
from conebench.record.quantities import degrees, distance, one_decimal, percent, whole
from conebench.record.seed_means import arm_cells
from conebench.site.charts.drawing import Rule, Series, draw, horizontal, vertical
from conebench.site.charts.plot import Plot
from conebench.site.charts.table import table_of
from conebench.site.record_page.of_seed import window_members
from conebench.site.record_page.plots import (
    SeedCurves,
    as_curve,
    boundaries,
    curves_table,
    early,
    interval_curves,
    mean_curve,
    seed_series,
    seeds_plot,
)
from conebench.site.record_page.switch_curve import draw_switch_curve
from conebench.study.responses import POINT

ARM_STYLES = {"full": "full", "lazy": "lazy", "switched": "c0", "control": "c1", "probe": "c2"}


def angle_plot(record: Record) -> Plot | None:
    """Return the angle to the axis along training."""
    curves = {}
    for seed in record.seeds:
        members = window_members(record.spec, seed)
        if members is not None:
            angles = to_axis_deg(seed.kernel.primary.G(), members)
            curves[seed.seed] = as_curve(np.array(seed.kernel.steps), angles)
    cone = record.figures.cone_deg
    if not curves or cone is None:
        return None
    return seeds_plot(
        record,
        curves,
        one_decimal,
        key="angle",
        title=f"From w on the kernel is about {degrees(cone.value)} from its axis",
        caption="Angle of each kernel to the axis, the mean direction of the late window. It falls "
        "while the kernel turns and is level in a cone. A kernel that walks without memory looks "
        "alike at first sight: the plot of S over lags tells the two apart.",
        y_label="angle to the axis, °",
        level=[Rule(f"cone angle {degrees(cone.value)}", "cone-level", cone.value)],
        settling=False,
        from_zero=True,
    )


def accuracy_plot(record: Record) -> Plot:
    """Return test accuracy along training."""
    curves = {
        seed.seed: as_curve(
            np.array(seed.training.steps), 100 * np.array(seed.training.test_accuracy)
        )
        for seed in record.seeds
    }
    ends = (("lazy", record.figures.A_lazy), ("switched", record.figures.A_switched))
    styles = {"lazy": "level-lazy", "switched": "level-switched"}
    level = [
        Rule(f"{name} {percent(end.value)} %", styles[name], 100 * end.value)
        for name, end in ends
        if end
    ]
    return seeds_plot(
        record,
        curves,
        one_decimal,
        key="training",
        title=_accuracy_title(record),
        caption="Test accuracy of ordinary training at its checkpoints, and where two other arms "
        f"end: lazy, linearized from step 0, and switched, linearized from w.{_tested_on(record)}",
        y_label="test accuracy, %",
        level=level,
        settling=False,
    )


def _accuracy_title(record: Record) -> str:
    figures = record.figures
    if figures.benefit is None:
        return "Test accuracy of ordinary training"
    points, low, high = (figures.benefit.value, figures.benefit.low, figures.benefit.high)
    if low is not None and high is not None and low <= 0 <= high:
        if max(-low, high) < POINT:
            return "Linearized from w on, training ends about as accurate"
        return "Linearized from w on, accuracy is not told apart from ordinary training’s"
    return f"Linearized from w on, training ends {percent(abs(points))} points " + (
        "lower" if points > 0 else "higher"
    )


def _tested_on(record: Record) -> str:
    counts = record.seeds[0].training.test_images
    if counts is None or min(counts) == record.data.test_images:
        return ""
    images = record.data.test_images
    return f" Before the end, tested on {min(counts):,} of the {images:,} test images."


def velocity_plot(record: Record) -> Plot:
    """Return the velocity of the kernel."""
    curves = interval_curves(record, velocity)
    speeds = list(mean_curve(curves).values())
    late = float(np.median(speeds[len(speeds) // 2 :]))
    return seeds_plot(
        record,
        curves,
        distance,
        key="velocity",
        title=f"It moves at v = {speeds[0]:.2g} per step at first, {late:.2g} in the later half",
        caption="Velocity v: S between neighboring checkpoints divided by the steps between them, "
        "at the end of each interval; both axes are logarithmic. Two phases show as a fall, then "
        "a level above zero. Intervals differ in length where the grid has extra checkpoints.",
        y_label="v, per step",
        log=True,
    )


def lag_plot(record: Record) -> Plot | None:
    """Return mean S in the window over the lag."""
    every = record.spec.kernel.checkpoints.every
    curves: dict[int, dict[int, float]] = {}
    walks: dict[int, dict[int, float]] = {}
    for seed in record.seeds:
        members = window_members(record.spec, seed)
        if members is None or len(members) < 3:
            continue
        inside = seed.kernel.primary.G()[np.ix_(members, members)]  # [u, u]
        lags = range(1, (len(members) - 1) // 2 + 1)
        curves[seed.seed] = {k * every: float(lagged_distances(inside, k).mean()) for k in lags}
        walk = _memoryless(inside)
        walks[seed.seed] = {k * every: float(lagged_distances(walk, k).mean()) for k in lags}
    if not curves or not any(S > 0 for curve in curves.values() for S in curve.values()):
        return None
    return _lag_plot_of(curves, walks, _lag_title(record.figures.alpha))


def _lag_title(alpha: Estimate | None) -> str:
    if alpha is None or alpha.low is None or alpha.high is None:
        return "How far the kernel gets over longer times"
    if alpha.high < 1:
        return "Over longer times it gets less far than a memoryless walk"
    if alpha.low > 1:
        return "Over longer times it gets farther than a memoryless walk"
    return "It is not told apart from a memoryless walk"


def _memoryless(inside: FloatArray) -> FloatArray:
    """Return the expected G of a memoryless walk."""
    logs = np.log(np.clip(1 - lagged_distances(inside, 1), 1e-12, 1.0))  # [u - 1]
    place = np.concatenate([[0.0], np.cumsum(logs)])  # [u]
    walk: FloatArray = np.exp(-np.abs(place[:, None] - place))  # [u, u]
    return walk


def _lag_plot_of(curves: SeedCurves, walks: SeedCurves, title: str) -> Plot:
    walk = mean_curve(walks)
    lines = [
        *seed_series(curves),
        Series("memoryless walk", "dashed", list(walk.items())),
    ]
    lags = list(walk)
    return Plot(
        key="lags",
        title=title,
        caption="Mean S between kernels of the late window that are a lag apart, up to half of the "
        "window; both axes are logarithmic. The dashed line is a walk that makes the same steps "
        "without memory. A level line is a kernel within bounds. α is estimated in another way, "
        "see Method.",
        drawing=draw(
            horizontal(lags, log=True),
            vertical((y for s in lines for y in s.heights), log=True),
            ("lag, steps", "S(t, t + lag)"),
            lines,
        ),
        table=curves_table(
            lags,
            {**{f"seed {seed}": curves[seed] for seed in curves}, "memoryless walk": walk},
            distance,
            head="Lag, steps",
            each="lags",
        ),
    )


def switch_plot(record: Record) -> Plot:
    """Return accuracy at T against the switch step."""
    return Plot(
        key="switch",
        title="Accuracy at T against the step from which training is linearized",
        caption="Ordinary training to s, linearized from there to T: mean over seeds with its "
        "95 % interval, between the levels of lazy and full. Where switched reaches full, "
        "linearized training from s on is as accurate as ordinary training. Hollow dots: steps "
        "that not every seed finished, such as the T* of one seed.",
        drawing=draw_switch_curve(record),
        table=table_of(arm_cells(record)),
    )


def curves_plot(record: Record) -> Plot | None:
    """Return mean learning curves of the arms."""
    w = record.figures.w
    found: dict[str, dict[int, dict[int, float]]] = {}
    for seed in record.seeds:
        for arm in seed.arms:
            if arm.arm == "lazy" or (w is not None and arm.step == w):
                found.setdefault(arm.arm, {})[seed.seed] = _arm_curve(arm)
    means = {
        name: mean_curve(curves)
        for name, curves in found.items()
        if all(curves.values()) and curves
    }
    if not means:
        return None
    full = {s.seed: _full_curve(s) for s in record.seeds}
    means = {"full": mean_curve(full), **means}
    names = {name: f"{name}(w)" if name not in ("full", "lazy") else name for name in means}
    steps = sorted({step for curve in means.values() for step in curve})
    return Plot(
        key="curves",
        title="Learning curves of the arms: have they converged?",
        caption="Test accuracy at the checkpoints, means over seeds. Arms that still rise at T "
        "would end closer together in a longer run.",
        drawing=draw(
            horizontal(steps),
            vertical(y for curve in means.values() for y in curve.values()),
            ("step", "test accuracy, %"),
            [Series(names[n], ARM_STYLES[n], list(curve.items())) for n, curve in means.items()],
            upright=boundaries(record)[:1] if w is not None else (),
            bands=early(record),
        ),
        table=curves_table(steps, {names[n]: curve for n, curve in means.items()}, one_decimal),
    )


def _arm_curve(arm: ArmResult) -> dict[int, float]:
    if arm.curve is None:
        return {}
    return as_curve(np.array(arm.curve.steps), 100 * np.array(arm.curve.test_accuracy))


def _full_curve(seed: SeedResult) -> dict[int, float]:
    return as_curve(np.array(seed.training.steps), 100 * np.array(seed.training.test_accuracy))


def benefit_plot(record: Record) -> Plot | None:
    """Return benefit and kernel benefit against the switch step."""
    switches = [switch for switch in record.figures.switches if switch.step is not None]
    lines: Mapping[str, tuple[str, str]] = {
        "benefit": ("benefit B(s)", "c0"),
        "kernel_benefit": ("kernel benefit", "c2"),
    }
    series = []
    for field, (name, style) in lines.items():
        known = [
            (switch.step, estimate.mapped(lambda share: 100 * share))
            for switch in switches
            if (estimate := getattr(switch, field)) is not None
        ]
        points = [(float(step or 0), estimate.value) for step, estimate in known]
        bars = [
            (float(step or 0), e.low, e.high)
            for step, e in known
            if e.low is not None and e.high is not None
        ]
        if points:
            series.append(Series(name, style, points, bars, dots=True))
    if not series:
        return None
    rows = [
        {
            "Switch step s": whole(switch.step or 0),
            **{
                name: "–" if (e := getattr(switch, field)) is None else percent(e.value)
                for field, (name, _) in lines.items()
            },
        }
        for switch in switches
    ]
    return Plot(
        key="benefit",
        title="What non-linear training after s is worth",
        caption="Benefit B(s): accuracy of ordinary training over that of training linearized from "
        "s on, in points. Kernel benefit: accuracy of the latter over a probe of the last layer. "
        "Means over seeds with 95 % intervals over seeds and test images.",
        drawing=draw(
            horizontal([float(s.step or 0) for s in switches], room=0.05),
            vertical([0.0, *(y for s in series for y in s.heights)]),
            ("switch step s", "points of accuracy"),
            series,
            level=[Rule("no difference", "level-zero", 0.0)],
        ),
        table=table_of(rows),
    )

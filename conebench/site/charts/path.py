"""The path of the kernel in three dimensions, with its cone."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.distance import FloatArray, IntArray
from conebench.site.charts.drawing import Dot, Drawing, Key, Name, Path, Segment, line_through

WIDTH, HEIGHT, EDGE = 560, 340, 28
# The view before anybody turns it, as in turn.js; angles in radians.
YAW, PITCH = 0.0, 0.35
# Points of the rim of the cone.
RIM = 48

View = Float[FloatArray, "n 2"]
Fit = Callable[[FloatArray], FloatArray]


def draw_path(
    points: Float[FloatArray, "t 3"], steps: Int[IntArray, " t"], w: int | None, cone: float | None
) -> Drawing:
    """Draw the path as seen from the side.

    Args:
        points: Unit kernels, the axis of the cone first.
        steps: Their steps.
        w: First step of the late window, None without one.
        cone: Cone angle in degrees, None without a late window. Then there is no cone and no apex.

    """
    late = steps >= w if w is not None else np.zeros(len(steps), dtype=bool)
    apex = np.zeros((1, 3))
    rim = _rim(cone) if cone is not None else np.zeros((0, 3))
    shown = [points] if cone is None else [points, rim, apex, np.array([[1.0, 0.0, 0.0]])]
    fit = _fit(np.concatenate([_turned(part) for part in shown]))
    xy, origin = fit(_turned(points)), fit(_turned(apex))[0]
    split = int(np.argmax(late)) if late.any() else len(points) - 1
    parts = (("path-early", xy[: split + 1]), ("path-late", xy[split:]))
    return Drawing(
        width=WIDTH,
        height=HEIGHT,
        x_label="",
        y_label="",
        x_ticks=(),
        y_ticks=(),
        frame=(0, 0, 0, 0),
        paths=(
            *([Path("cone-fill", _closed(fit(_turned(rim)), origin))] if len(rim) else []),
            *(Path(style, line_through(part.tolist())) for style, part in parts if len(part) > 1),
        ),
        segments=_rays(fit, origin, xy[0]) if len(rim) else (),
        dots=tuple(
            Dot("path-late" if inside else "path-early", *place)
            for place, inside in zip(xy.tolist(), late.tolist(), strict=True)
        ),
        legend=_keys(bool(late.any()), len(rim) > 0),
        names=(Name("step 0", "path-early", xy[0][0] + 9, xy[0][1] + 5),),
    )


def _turned(points: Float[FloatArray, "n 3"]) -> View:
    """Return points as seen, y down."""
    (cy, sy), (cp, sp) = ((np.cos(a), np.sin(a)) for a in (YAW, PITCH))
    x, y, z = points.T
    depth = x * sy + z * cy
    return np.stack([x * cy - z * sy, -(y * cp - depth * sp)], axis=1)


def _fit(view: View) -> Fit:
    """Return the map from a view to the drawing."""
    low, high = view.min(axis=0), view.max(axis=0)
    room = np.array([WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE])
    scale = float((room / np.maximum(high - low, 1e-9)).min())
    middle = np.array([WIDTH, HEIGHT]) / 2 - scale * (low + high) / 2
    return lambda points: np.round(scale * points + middle, 1)


def _rim(cone: float) -> Float[FloatArray, "r 3"]:
    angle, around = np.radians(cone), np.linspace(0, 2 * np.pi, RIM, endpoint=False)
    return np.stack(
        [
            np.full(RIM, np.cos(angle)),
            np.sin(angle) * np.cos(around),
            np.sin(angle) * np.sin(around),
        ],
        axis=1,
    )


def _rays(fit: Fit, origin: FloatArray, start: FloatArray) -> tuple[Segment, ...]:
    axis = fit(_turned(np.array([[1.0, 0.0, 0.0]])))[0]
    return (
        Segment("ray-start", *origin.tolist(), *start.tolist()),
        Segment("ray-axis", *origin.tolist(), *axis.tolist()),
    )


def _closed(rim: View, origin: FloatArray) -> str:
    """Write the rim and the sides of the cone."""
    along = rim.mean(axis=0) - origin
    across = (rim - origin) @ np.array([-along[1], along[0]])
    sides = [origin, rim[across.argmax()], rim[across.argmin()]]
    return f"{line_through(rim.tolist())}z{line_through(np.array(sides).tolist())}z"


def _keys(late: bool, cone: bool) -> tuple[Key, ...]:
    keys = [Key("before w" if late else "all steps", "path-early", "line")]
    keys += [Key("from w on", "path-late", "line")] if late else []
    return (*keys, *([Key("the cone", "cone-fill", "cell")] if cone else []))

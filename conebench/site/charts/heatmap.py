"""Heat map of S between checkpoints."""

from itertools import groupby

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.distance import FloatArray, IntArray, angles_deg
from conebench.site.charts.drawing import Drawing, Key, Path, Scale, Segment, Tick, compact

COLORS = 32
LEFT, TOP, SIDE, BOTTOM, RIGHT = 80, 12, 384, 50, 20


def draw_heatmap(S: Float[FloatArray, "t t"], steps: Int[IntArray, " t"], w: int | None) -> Drawing:
    """Draw a cell for each pair of checkpoints, and lines at w.

    Colors are on a fixed scale of the angle arccos(1 - S), from 0 to 90 degrees: on one of S, a
    cone and its turn are both dark. A cell reaches halfway to the next steps, so both axes are true
    to scale.
    """
    x = Scale(0, max(float(steps[-1]), 1.0), LEFT, LEFT + SIDE)
    middles = (steps[1:] + steps[:-1]) / 2
    # Whole numbers are short, and a page has many cells.
    edges = [round(x.at(step)) for step in (x.low, *middles.tolist(), x.high)]
    ticks = x.ticks(compact)
    return Drawing(
        width=LEFT + SIDE + RIGHT,
        height=TOP + SIDE + BOTTOM,
        x_label="step",
        y_label="step",
        x_ticks=ticks,
        y_ticks=tuple(Tick(_flip(tick.at), tick.label) for tick in ticks),
        frame=(LEFT, TOP, SIDE, SIDE),
        paths=tuple(_cell_paths(_color_numbers(S), edges)),
        segments=_boundary_lines(x, w),
        dots=(),
        legend=_color_keys(w),
    )


def _color_numbers(S: Float[FloatArray, "t t"]) -> IntArray:
    degrees = angles_deg(1 - np.clip(S, 0, 1))
    numbers: IntArray = np.minimum(degrees / 90 * COLORS, COLORS - 1).astype(np.int64)
    return numbers


def _flip(x: float) -> float:
    return round(TOP + SIDE - (x - LEFT), 2)


def _cell_paths(colors: IntArray, edges: list[int]) -> list[Path]:
    """Return a path for each color, in the order to paint."""
    # The color of most cells is the ground, which others are painted on: half the text of a page.
    ground = int(np.bincount(colors.ravel()).argmax())
    data: dict[int, list[str]] = {}
    across, up = edges, [round(_flip(x)) for x in edges]
    for row, line in enumerate(colors.tolist()):
        height, start = up[row] - up[row + 1], 0
        # Neighbors of one color in a row are one rectangle.
        for color, run in groupby(line):
            end = start + len(list(run))
            left, width = across[start], across[end] - across[start]
            if color != ground:
                cell = f"M{left} {up[row + 1]}h{width}v{height}h-{width}z"
                data.setdefault(color, []).append(cell)
            start = end
    square = Path(f"cell h{ground}", f"M{LEFT} {TOP}h{SIDE}v{SIDE}h-{SIDE}z")
    return [
        square,
        *(Path(f"cell h{color}", "".join(cells)) for color, cells in sorted(data.items())),
    ]


def _boundary_lines(x: Scale, w: int | None) -> tuple[Segment, ...]:
    if w is None:
        return ()
    at = x.at(w)
    y = _flip(at)
    lines = ((at, TOP, at, TOP + SIDE), (LEFT, y, LEFT + SIDE, y))
    # Drawn twice, dark under light, so that the line stands out on every color.
    return tuple(
        Segment(style, *line) for style in ("boundary halo", "boundary on-cells") for line in lines
    )


def _color_keys(w: int | None) -> tuple[Key, ...]:
    angles = (0, 10, 20, 30, 45, 60, 90)
    cells = [
        Key(
            f"{angle}°, S = {1 - np.cos(np.radians(angle)):.2g}",
            f"cell h{min(int(angle / 90 * COLORS), COLORS - 1)}",
            "cell",
        )
        for angle in angles
    ]
    return (*cells, *([] if w is None else [Key("w", "boundary", "line")]))

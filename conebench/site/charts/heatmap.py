"""Heat map of S between checkpoints."""

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.distance import FloatArray, IntArray
from conebench.site.charts.drawing import Drawing, Key, Path, Segment, Tick, compact

COLORS = 32
LEFT, TOP, SIDE, BOTTOM, RIGHT = 80, 12, 384, 50, 26


def draw_heatmap(S: Float[FloatArray, "t t"], steps: Int[IntArray, " t"], w: int | None) -> Drawing:
    """Draw a cell for each pair of checkpoints, and lines at w."""
    edges = [round(LEFT + i * SIDE / len(steps), 2) for i in range(len(steps) + 1)]
    # S is 0 everywhere if the kernel never moves.
    top = float(S.max()) or 1.0
    ticks = _step_ticks(steps, edges)
    return Drawing(
        width=LEFT + SIDE + RIGHT,
        height=TOP + SIDE + BOTTOM,
        x_label="step",
        y_label="step",
        x_ticks=ticks,
        y_ticks=tuple(Tick(_flip(tick.at), tick.label) for tick in ticks),
        frame=(LEFT, TOP, SIDE, SIDE),
        paths=tuple(_cell_paths(np.clip(S / top * COLORS, 0, COLORS - 1).astype(int), edges)),
        segments=_boundary_lines(steps, edges, w),
        dots=(),
        legend=_color_keys(top, w),
    )


def _flip(x: float) -> float:
    return round(TOP + SIDE - (x - LEFT), 2)


def _step_ticks(steps: IntArray, edges: list[float]) -> tuple[Tick, ...]:
    indices = sorted({round(i) for i in np.linspace(0, len(steps) - 1, min(5, len(steps)))})
    return tuple(
        Tick(round((edges[i] + edges[i + 1]) / 2, 2), compact(float(steps[i]))) for i in indices
    )


def _cell_paths(colors: IntArray, edges: list[float]) -> list[Path]:
    """Return a path for each color."""
    data: dict[int, list[str]] = {}
    across, up = [f"{x:g}" for x in edges], [f"{_flip(x):g}" for x in edges]
    for row, line in enumerate(colors.tolist()):
        # Neighbors of one color in a row are one rectangle.
        start = 0
        for end in range(1, len(line) + 1):
            if end < len(line) and line[end] == line[start]:
                continue
            left, right = across[start], across[end]
            cell = f"M{left} {up[row + 1]}H{right}V{up[row]}H{left}z"
            data.setdefault(line[start], []).append(cell)
            start = end
    return [Path(f"cell h{color}", "".join(cells)) for color, cells in sorted(data.items())]


def _boundary_lines(steps: IntArray, edges: list[float], w: int | None) -> tuple[Segment, ...]:
    if w is None:
        return ()
    x = edges[int(np.searchsorted(steps, w))]
    y = _flip(x)
    lines = ((x, TOP, x, TOP + SIDE), (LEFT, y, LEFT + SIDE, y))
    # Drawn twice, dark under light, so that the line stands out on every color.
    return tuple(
        Segment(style, *line) for style in ("boundary halo", "boundary on-cells") for line in lines
    )


def _color_keys(top: float, w: int | None) -> tuple[Key, ...]:
    colors = [0, 8, 16, 24, COLORS - 1]
    cells = [Key(f"S = {(c / (COLORS - 1)) * top:.2g}", f"cell h{c}", "cell") for c in colors]
    return (*cells, *([] if w is None else [Key("w", "boundary", "line")]))

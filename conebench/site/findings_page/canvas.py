"""Drawings of other sizes than a record's plots."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from conebench.site.charts.drawing import (
    Drawing,
    Rule,
    Scale,
    Segment,
    Series,
    Tick,
    draw,
    horizontal,
    vertical,
)


@dataclass(frozen=True)
class Canvas:
    """A drawing's size, and the margins around its frame."""

    width: int
    height: int
    left: int
    right: int = 12
    top: int = 10
    bottom: int = 46

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the frame."""
        height = self.height - self.top - self.bottom
        return self.left, self.top, self.width - self.left - self.right, height

    def x(self, values: Iterable[float], *, log: bool = False) -> Scale:
        """Return the x scale that shows all values."""
        return replace(horizontal(values, log=log), start=self.left, end=self.width - self.right)

    def y(self, values: Iterable[float], *, log: bool = False) -> Scale:
        """Return the y scale that shows all values."""
        return replace(vertical(values, log=log), start=self.height - self.bottom, end=self.top)

    def draw(
        self,
        x: Scale,
        y: Scale,
        labels: tuple[str, str],
        series: Sequence[Series],
        *,
        level: Sequence[Rule] = (),
        x_ticks: tuple[Tick, ...] | None = None,
    ) -> Drawing:
        """Draw series over axes, with level rules."""
        drawn = draw(x, y, labels, series)
        right = self.width - self.right
        rules = [Segment(r.style, self.left, y.at(r.at), right, y.at(r.at)) for r in level]
        return replace(
            drawn,
            width=self.width,
            height=self.height,
            frame=self.frame,
            segments=(*rules, *drawn.segments),
            x_ticks=drawn.x_ticks if x_ticks is None else x_ticks,
        )


SMALL = Canvas(width=264, height=200, left=76)

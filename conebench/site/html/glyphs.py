"""Small pictures of a row: an interval on an axis, a cone, a bar of accuracies."""

import math

from markupsafe import Markup, escape

from conebench.analysis.intervals import Estimate
from conebench.record.quantities import percent
from conebench.site.html.visible import visible

WIDTH, HEIGHT, EDGE, MIDDLE = 140, 22, 6, 11
CONE_WIDTH, CONE_HEIGHT, RAY = 58, 42, 36
BAR_WIDTH, BAR_EDGE = 110, 8


def interval_bar(estimate: Estimate | None, low: float, high: float) -> Markup:
    """Draw a figure and its interval."""
    if estimate is None:
        return Markup("")

    def at(value: float) -> str:
        share = min(max((value - low) / (high - low), 0), 1)
        return f"{round(EDGE + share * (WIDTH - 2 * EDGE), 1):g}"

    bar = ""
    if estimate.low is not None and estimate.high is not None:
        bar = f'<path class="iv" d="M{at(estimate.low)} {MIDDLE}H{at(estimate.high)}"/>'
    dot = f'<circle class="pt" cx="{at(estimate.value)}" cy="{MIDDLE}" r="4"/>'
    # The figure stands next to it as text.
    return _svg("forest", WIDTH, HEIGHT, "", f"{bar}{dot}")


def cone_glyph(turn: Estimate | None, cone: Estimate | None) -> Markup:
    """Draw the turn and the cone."""
    if turn is None or cone is None:
        return Markup("")
    t, a = turn.value, cone.value
    label = f"turn {t:.0f}°, cone angle {a:.1f}°"
    # The first kernel points up.
    start, axis = _ray(0, RAY), _ray(t, RAY + 4)
    sides = _ray(t - a, RAY), _ray(t + a, RAY)
    tip = f"{EDGE} {CONE_HEIGHT - 2}"
    shapes = (
        f'<path class="ray" d="M{tip}L{start}"/>'
        f'<path class="wedge" d="M{tip}L{sides[0]}A{RAY} {RAY} 0 0 1 {sides[1]}Z"/>'
        f'<path class="axis" d="M{tip}L{axis}"/>'
    )
    return _svg("cone", CONE_WIDTH, CONE_HEIGHT, label, shapes)


def _ray(degrees: float, length: float) -> str:
    angle = math.radians(degrees)
    x, y = EDGE + length * math.sin(angle), CONE_HEIGHT - 2 - length * math.cos(angle)
    return f"{round(x, 1):g} {round(y, 1):g}"


def accuracy_bar(lazy: Estimate | None, switched: Estimate | None, full: Estimate | None) -> Markup:
    """Draw accuracy between lazy and full training."""
    if lazy is None or full is None:
        return Markup("")
    # The ends stand next to it as text.
    label = f"at w {percent(switched.value)} %" if switched else "none at w"
    gap = full.value - lazy.value
    shapes = f'<path class="rail" d="M{BAR_EDGE} {MIDDLE}H{BAR_WIDTH - BAR_EDGE}"/>'
    # Without a gap there is no scale between the two.
    if switched is not None and gap > 0:
        share = min(max((switched.value - lazy.value) / gap, -0.05), 1.05)
        at = f"{BAR_EDGE + share * (BAR_WIDTH - 2 * BAR_EDGE):.1f}"
        shapes += f'<path class="inside" d="M{at} {MIDDLE}H{BAR_WIDTH - BAR_EDGE}"/>'
        shapes += f'<circle class="lazy" cx="{BAR_EDGE}" cy="{MIDDLE}" r="4"/>'
        shapes += f'<circle class="sw" cx="{at}" cy="{MIDDLE}" r="4.5"/>'
    else:
        shapes += f'<circle class="lazy" cx="{BAR_EDGE}" cy="{MIDDLE}" r="4"/>'
    shapes += f'<path class="full" d="M{BAR_WIDTH - BAR_EDGE} {MIDDLE - 6}l5 6l-5 6l-5-6z"/>'
    style = "bell" if gap > 0 else "bell off"
    ends = (f'<span class="ends">{percent(e.value)}</span>' for e in (lazy, full))
    bar = _svg(style, BAR_WIDTH, HEIGHT, label, shapes)
    return Markup(f"{next(ends)}{bar}{next(ends)}")  # noqa: S704  # numbers only


def _svg(style: str, width: int, height: int, label: str, shapes: str) -> Markup:
    name = f'role="img" aria-label="{escape(visible(label))}"' if label else 'aria-hidden="true"'
    return Markup(  # noqa: S704  # numbers, our own classes, an escaped label
        f'<svg class="{style}" viewBox="0 0 {width} {height}" {name}>{shapes}</svg>'
    )

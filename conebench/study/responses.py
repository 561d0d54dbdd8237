"""The one table of the study's responses (docs/study.md, Responses)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from conebench.record.quantities import distance, one_decimal, percent, two_decimals, whole

Kind = Literal["plain", "log", "points"]


@dataclass(frozen=True)
class Response:
    """A figure of one seed that the study looks at."""

    key: str
    symbol: str
    # Writes a value of the figure itself.
    number: Callable[[float], str]
    unit: str = ""
    # Largest effect that counts as none, on the scale of the analysis.
    margin: float | None = None
    # "log": analyzed as its logarithm, effects are ratios. "points": a difference of accuracies.
    kind: Kind = "plain"
    primary: bool = False
    # True if it depends on the probe images.
    of_kernel: bool = True

    def analyzed(self, value: float) -> float | None:
        """Return the value on the scale of the analysis. None if it has none."""
        if self.kind != "log":
            return value
        return math.log(value) if value > 0 else None

    def shown(self, value: float) -> float:
        """Return the figure behind an analyzed value."""
        return math.exp(value) if self.kind == "log" else value

    def level_text(self, value: float) -> str:
        """Write a mean of the figure."""
        return self.number(self.shown(value)) + self.unit

    def effect_text(self, value: float) -> str:
        """Write a change of the figure, or its factor."""
        if self.kind == "log":
            return f"×{math.exp(value):#.3g}".removesuffix(".")
        text = self.number(abs(value))
        sign = "" if float(text.replace(",", "")) == 0 else "+" if value > 0 else "−"
        return f"{sign}{text}{self.unit}"

    def interval_text(self, ends: tuple[float, float] | None) -> str:
        """Write the interval of a change; empty without one."""
        if ends is None:
            return ""
        return f"[{', '.join(map(self._end_text, ends))}]"

    def _end_text(self, value: float) -> str:
        text = self.effect_text(value).removesuffix(self.unit)
        if self.kind == "log" or value == 0 or text[0] in "+−":
            return text
        # An end that is rounded to 0 still says on which side of 0 it lies.
        return f"{'+' if value > 0 else '−'}{text}"


def _three_decimals(value: float) -> str:
    return f"{value:.3f}"


POINT, LOSS, DOUBT = 0.01, 0.05, math.log(1.25)
EARLY_SHARE = 0.1

TURN = Response("turn", "turn", one_decimal, "°", 3.0, primary=True)
CONE = Response("cone", "cone angle", two_decimals, "°", 1.0, primary=True)
ALPHA = Response("alpha", "α", two_decimals, "", 0.1, primary=True)
MOTION = Response("motion", "motion", distance, "", DOUBT, "log", primary=True)
BENEFIT_EARLY, BENEFIT = (
    Response(key, symbol, percent, " points", POINT, "points", primary=True, of_kernel=False)
    for key, symbol in (("benefit_early", "B(0.1 T)"), ("benefit", "B(w)"))
)
LOSS_BENEFIT_EARLY, LOSS_BENEFIT = (
    Response(key, symbol, _three_decimals, "", LOSS, primary=True, of_kernel=False)
    for key, symbol in (
        ("loss_benefit_early", "B(0.1 T) in test loss"),
        ("loss_benefit", "B(w) in test loss"),
    )
)
LAZY_GAP, KERNEL_BENEFIT = (
    Response(key, symbol, percent, " points", POINT, "points", of_kernel=False)
    for key, symbol in (("lazy_gap", "lazy gap"), ("kernel_benefit", "kernel benefit at w"))
)
ALIGNMENT = Response("label_alignment", "label alignment at w", _three_decimals)
DRIFT_FROM_1 = Response("drift_from_1", "|ln drift|", two_decimals)
# Motion before it is divided by the summed learning rate of the interval.
INTERVAL_DISTANCE = Response("interval_distance", "S over one interval", distance, kind="log")

PRIMARY = (
    *(TURN, CONE, ALPHA, MOTION),
    *(BENEFIT_EARLY, BENEFIT, LOSS_BENEFIT_EARLY, LOSS_BENEFIT),
)
SECONDARY = (
    *(LAZY_GAP, KERNEL_BENEFIT, ALIGNMENT, DRIFT_FROM_1, INTERVAL_DISTANCE),
    Response("drift", "drift", two_decimals),
    Response("VR", "VR", two_decimals),
    Response("T_star", "T*", whole, " steps"),
    Response("T_fit", "T_fit", whole, " steps", of_kernel=False),
    Response("norm_ratio", "norm of H at w over that at 0", two_decimals, kind="log"),
)
RESPONSES = (*PRIMARY, *SECONDARY)
BY_KEY = {response.key: response for response in RESPONSES}

# Arms behind each difference of accuracies, better minus worse.
ARMS: dict[str, tuple[str, str]] = {
    "benefit_early": ("control(early)", "switched(early)"),
    "benefit": ("control(w)", "switched(w)"),
    "lazy_gap": ("full", "lazy"),
    "kernel_benefit": ("switched(w)", "probe(w)"),
}
# Differences of test losses; sign turned, so that more is better.
LOSS_ARMS: dict[str, tuple[str, str]] = {
    "loss_benefit_early": ("switched(early)", "control(early)"),
    "loss_benefit": ("switched(w)", "control(w)"),
}

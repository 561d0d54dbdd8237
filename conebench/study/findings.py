"""The family of tests, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from conebench.analysis.study import (
    Effect,
    Pooled,
    ProbeVariance,
    Verdict,
    adjusted_p_values,
    decide,
    is_equivalent,
    pool,
)
from conebench.study.effects import (
    BlockEffect,
    Cells,
    block_effect,
    find_probe_variance,
    summed_rates_differ,
)
from conebench.study.plan import HYPOTHESES, Hypothesis
from conebench.study.responses import INTERVAL_DISTANCE, MOTION, RESPONSES, Response

# How a finding stands to its prediction.
Standing = Literal["as predicted", "against the prediction", "open", "not predicted"]
Block = Literal["holds", "reversed", "not found"]


@dataclass(frozen=True)
class Finding:
    """One test of the family: a row by a response."""

    hypothesis: Hypothesis
    response: Response
    # The registered test, and the replications in other blocks.
    test: BlockEffect
    replications: tuple[BlockEffect, ...]
    # Over three or more blocks.
    pooled: Pooled | None
    adjusted_p: float | None
    verdict: Verdict
    # Motion between cells whose summed learning rates differ, which it is divided by; and then the
    # effects on S over one interval, which is not: of the registered test, and of the replications.
    divided: bool = False
    undivided: Effect | None = None
    undivided_replications: tuple[BlockEffect, ...] = ()

    @property
    def elsewhere(self) -> tuple[BlockEffect, ...]:
        """The effects in other blocks; on S where motion is divided by different rates."""
        return self.undivided_replications if self.divided else self.replications

    @property
    def effect(self) -> Effect | None:
        """The effect of the registered test."""
        return self.test.effect

    @property
    def p(self) -> float | None:
        """Its p-value before adjustment."""
        return self.effect.p_value if self.effect else None

    @property
    def margin(self) -> float | None:
        """Largest effect that counts as none."""
        whole = self.response.margin
        return None if whole is None else whole / self.test.span

    @property
    def predicted(self) -> int | None:
        """The sign predicted; None without a prediction."""
        return self.hypothesis.predicted.get(self.response.key)

    @property
    def standing(self) -> Standing:
        """Its relation to the prediction."""
        if self.predicted is None:
            return "not predicted"
        if self.effect is None or self.verdict in ("not found", "undefined"):
            return "open"
        none = is_equivalent(self.effect, self.margin)
        # Nothing is kept by a test that finds nothing.
        if self.predicted == 0:
            return "as predicted" if none else "against the prediction"
        if self.verdict == "no effect":
            return "against the prediction"
        same = (self.effect.value > 0) == (self.predicted > 0)
        return "as predicted" if same else "against the prediction"

    @property
    def size(self) -> float | None:
        """Distance of the interval from 0, in margins. None without either, 0 if it holds 0."""
        ends = self.effect.interval() if self.effect else None
        if ends is None or self.margin is None:
            return None
        return max(ends[0], -ends[1], 0.0) / self.margin

    @property
    def is_within_margin(self) -> bool:
        """True if the whole interval counts as no effect."""
        ends = self.effect.interval() if self.effect else None
        return bool(ends and self.margin and max(abs(ends[0]), abs(ends[1])) < self.margin)

    def block(self, found: BlockEffect) -> Block | None:
        """Compare the sign of one of `elsewhere`. None without intervals."""
        return _repeated(self.undivided if self.divided else self.effect, found.effect)


def _repeated(effect: Effect | None, other: Effect | None) -> Block | None:
    """Compare the sign of an effect with the interval of another one."""
    ends = other.interval() if other else None
    if ends is None or other is None or effect is None:
        return None
    if ends[0] <= 0 <= ends[1]:
        return "not found"
    return "holds" if (other.value > 0) == (effect.value > 0) else "reversed"


def find_all(cells: Cells) -> tuple[Finding, ...]:
    """Test every row of the table, as one family."""
    return find_family(HYPOTHESES, cells)


def find_family(hypotheses: Sequence[Hypothesis], cells: Cells) -> tuple[Finding, ...]:
    """Test hypotheses as one family.

    Tests that cannot be made yet stay in the family, as undefined.
    """
    probes = {response.key: find_probe_variance(cells, response) for response in RESPONSES}
    found = [
        _finding(hypothesis, response, cells, probes[response.key])
        for hypothesis in hypotheses
        for response in hypothesis.responses
    ]
    # As one family, also the tests that cannot be made yet.
    adjusted = adjusted_p_values([finding.p for finding in found])
    return tuple(_judged(finding, p) for finding, p in zip(found, adjusted, strict=True))


def _finding(
    hypothesis: Hypothesis, response: Response, cells: Cells, probes: ProbeVariance | None
) -> Finding:
    test, *others = (
        block_effect(contrast, hypothesis, response, cells, probes)
        for contrast in (hypothesis.test, *hypothesis.replications)
    )
    pooled = pool([found.effect for found in (test, *others) if found.effect])
    finding = Finding(hypothesis, response, test, tuple(others), pooled, None, "undefined")
    if response is not MOTION or not summed_rates_differ(hypothesis.test, cells):
        return finding
    spread = find_probe_variance(cells, INTERVAL_DISTANCE)
    undivided, *elsewhere = (
        block_effect(contrast, hypothesis, INTERVAL_DISTANCE, cells, spread)
        for contrast in (hypothesis.test, *hypothesis.replications)
    )
    return replace(
        finding,
        divided=True,
        undivided=undivided.effect,
        undivided_replications=tuple(elsewhere),
    )


def _judged(finding: Finding, adjusted_p: float | None) -> Finding:
    verdict = decide(finding.effect, adjusted_p, finding.margin)
    return replace(finding, adjusted_p=adjusted_p, verdict=verdict)


def strongest(findings: Sequence[Finding], count: int = 3) -> list[Finding]:
    """Return the strongest findings, one per row.

    The strongest has the interval farthest from 0, in margins of its response. Motion between
    different learning rates is left out, since dividing by them is a part of its effect.
    """
    found = [f for f in findings if f.verdict == "found" and f.size and not f.divided]
    ordered = sorted(found, key=lambda f: -(f.size or 0.0))
    of_rows = {f.hypothesis.row: f for f in reversed(ordered)}
    return [f for f in ordered if of_rows[f.hypothesis.row] is f][:count]

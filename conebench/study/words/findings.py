"""Findings in words: one sentence each, negative ones in the same form."""

from collections.abc import Mapping, Sequence

from conebench.analysis.study import Effect
from conebench.study.effects import BlockEffect
from conebench.study.findings import Block, Finding, strongest
from conebench.study.plan import BLOCK_OF, BLOCKS
from conebench.study.responses import INTERVAL_DISTANCE, Response
from conebench.text import count_of, joined

# Pairs of cells whose own effects are written.
MOST_PAIRS = 3
# Widest interval for another block that is written, in margins.
MOST_MARGINS = 10
SIGNS = {1: "up", -1: "down", 0: "no effect"}
VERDICTS = {
    "found": "",
    "no effect": "no effect within the margin",
    "not found": "not found",
}


def sentence(finding: Finding) -> str:
    """Write a finding as one sentence.

    It has the effect, its interval, the number of runs, the adjusted p, and the blocks where it
    holds and where it does not.
    """
    start = beginning(finding)
    effect = finding.effect
    if effect is None or finding.adjusted_p is None:
        return f"{start} cannot be tested yet ({_why(finding.test)})."
    # The same parts in the same order, whether found or not.
    unit = finding.hypothesis.unit
    parts = [f"{start} {effect_words(finding.response, effect)}{unit}{_undivided_words(finding)}"]
    if VERDICTS[finding.verdict]:
        parts.append(VERDICTS[finding.verdict])
    elif finding.is_within_margin:
        parts.append("found, but within the margin")
    parts.append(f"block {finding.test.block}, {runs_words(finding.test)}")
    if finding.test.same_sign is not None:
        parts.append("same sign in {} of {} pairs".format(*finding.test.same_sign))
        parts[-1] += _pair_words(finding)
    parts.append(f"adjusted p {p_words(finding.adjusted_p)}")
    return "; ".join([", ".join(parts), *_elsewhere(finding)]) + "."


def _pair_words(finding: Finding) -> str:
    """Write the effect in each pair, where they are few."""
    pairs = finding.test.pairs
    if len(pairs) > MOST_PAIRS:
        return ""
    words = ", ".join(f"{name} {finding.response.effect_text(value)}" for name, value in pairs)
    return f" ({words})"


def _undivided_words(finding: Finding) -> str:
    """Write the effect on S over one interval, for motion divided by different rates."""
    if finding.undivided is None:
        return ""
    words = effect_words(INTERVAL_DISTANCE, finding.undivided)
    return f" (per summed learning rate, which differs; {INTERVAL_DISTANCE.symbol} {words})"


def beginning(finding: Finding) -> str:
    """Write what is compared, and the response."""
    words = finding.hypothesis.subject
    return f"{words[0].upper()}{words[1:]}: {finding.response.symbol}"


def effect_words(response: Response, effect: Effect) -> str:
    """Write an effect with its interval."""
    ends = response.interval_text(effect.interval())
    return f"{response.effect_text(effect.value)}{f' {ends}' if ends else ''}"


def p_words(p: float) -> str:
    """Write a p-value."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def runs_words(found: BlockEffect) -> str:
    """Write seeds and runs."""
    seeds = found.effect.seeds if found.effect else 0
    missing = f", {_missing_words(found)}" if found.missing else ""
    return f"{seeds} seed{'' if seeds == 1 else 's'}, {found.runs} runs{missing}"


def _missing_words(found: BlockEffect) -> str:
    return f"{count_of('cell', len(found.missing))} missing"


def _why(found: BlockEffect) -> str:
    if found.missing:
        return f"no records of {listed(found.missing)}"
    return "undefined, or one seed alone"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Write the first names, and count the rest."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _elsewhere(finding: Finding) -> list[str]:
    """Say where else the effect holds."""
    said: dict[str, list[str]] = {}
    response = INTERVAL_DISTANCE if finding.divided else finding.response
    for found in finding.elsewhere:
        state: str | None = finding.block(found)
        if state in ("holds", "reversed") and finding.verdict != "found" and found.effect:
            # Nothing was found that could hold elsewhere.
            state = "up" if found.effect.value > 0 else "down"
        if state is not None:
            words = effect_words(response, found.effect) if found.effect else ""
            lost = f", {_missing_words(found)}" if found.missing else ""
            said.setdefault(state, []).append(f"{found.block} ({words}{lost})")
    order = ("holds", "reversed", "up", "down", "not found")
    parts = [f"{state} in {joined(said[state])}" for state in order if state in said]
    if finding.divided:
        return [f"{response.symbol} {', '.join(parts)}"] if parts else []
    if finding.pooled is not None:
        together = effect_words(response, finding.pooled.effect)
        another = _predicted_words(finding, finding.pooled.predicted)
        parts.append(f"together {together}{finding.hypothesis.unit} (another block: {another})")
    return parts


def _predicted_words(finding: Finding, ends: tuple[float, float]) -> str:
    """Write the interval for another block; "open" where it is too wide to say anything."""
    is_open = finding.margin is not None and ends[1] - ends[0] > MOST_MARGINS * finding.margin
    return "open" if is_open else finding.response.interval_text(ends)


def headlines(findings: Sequence[Finding], count: int = 3) -> list[str]:
    """Return the strongest findings in short, without the effects elsewhere. Empty without any."""
    return [_headline(finding) for finding in strongest(findings, count)]


def _headline(finding: Finding) -> str:
    effect = effect_words(finding.response, finding.effect) if finding.effect else ""
    states: dict[Block | None, list[str]] = {}
    for found in finding.elsewhere:
        states.setdefault(finding.block(found), []).append(found.block)
    order: tuple[Block, ...] = ("holds", "reversed", "not found")
    parts = [
        f"{beginning(finding)} {effect}{finding.hypothesis.unit}, block {finding.test.block}, "
        f"{runs_words(finding.test)}, adjusted p {p_words(finding.adjusted_p or 0.0)}",
        *(f"{state} in {joined(states[state])}" for state in order if state in states),
    ]
    return f"{'; '.join(parts)}."


def coverage_sentence(cells: Mapping[str, object]) -> str:
    """Say how far the study is."""
    planned = [name for block in BLOCKS.values() for name in block]
    there = [name for name in planned if name in cells]
    blocks = [
        f"{block} {sum(BLOCK_OF[name] == block for name in there)} of {len(names)}"
        for block, names in BLOCKS.items()
    ]
    return f"{len(there)} of {len(planned)} cells have a record ({', '.join(blocks)})."


def is_told(finding: Finding) -> bool:
    """Return True for an exploratory test with a sentence of its own."""
    return finding.verdict in ("found", "no effect")


def exploratory_sentence(findings: Sequence[Finding]) -> str:
    """Count the exploratory tests."""
    told = sum(is_told(finding) for finding in findings)
    return (
        "Asked after the runs, so exploratory: batches at an equal number of images, and if AdamW "
        f"does the same in every network. Of {len(findings)} tests, a family of their own, {told} "
        "find an effect, or none within the margin:"
    )


def standing_sentence(findings: Sequence[Finding]) -> str:
    """Count how predictions fared."""
    predicted = [f for f in findings if f.predicted is not None and f.verdict != "undefined"]
    planned = sum(f.predicted is not None for f in findings)
    counts = {
        name: sum(f.standing == name for f in predicted)
        for name in ("as predicted", "against the prediction", "open")
    }
    parts = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"Of {planned} predictions {len(predicted)} could be tested: {parts}."

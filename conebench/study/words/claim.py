"""The claim of the cone effect in words."""

from collections.abc import Mapping, Sequence

from conebench.analysis.study import is_equivalent
from conebench.study.claims import CellClaim, claim_counts
from conebench.study.plan import BLOCK_OF, CLAIM_BLOCKS
from conebench.study.responses import BENEFIT, MOTION, POINT
from conebench.text import count_of, joined


def claim_words(found: Sequence[CellClaim]) -> str:
    """Say in one sentence how often the claim's statements hold."""
    counts = [true for true, _ in claim_counts(found).values()]
    return (
        f"Of {len(found)} set-ups of the study, the kernel moves in {counts[0]} and is confined in "
        f"{counts[1]}; non-linear training after w adds accuracy in {counts[2]} (95 % intervals)."
    )


def claim_sentences(found: Sequence[CellClaim]) -> list[str]:
    """Say in how many cells each statement of the claim holds, and describe the other cells.

    Empty without cells.
    """
    if not found:
        return []
    counts = claim_counts(found)
    parts = [
        f"{name} in {true} of {count_of('cell', judged)}" for name, (true, judged) in counts.items()
    ]
    there = {BLOCK_OF[item.cell.spec] for item in found}
    blocks = [block for block in CLAIM_BLOCKS if block in there]
    where = f"block{'' if len(blocks) == 1 else 's'} {joined(blocks)}"
    return [
        f"The three statements of the cone effect, cell by cell ({where}; intervals are not "
        f"adjusted for the number of cells): {', '.join(parts)}.",
        *_without_two_phases(found),
        *_not_moving(found),
        *_not_confined(found),
        *_not_paying(found),
    ]


def _without_two_phases(found: Sequence[CellClaim]) -> list[str]:
    held = [item for item in found if item.claim.holds]
    without = [
        item.cell.spec
        for item in held
        if all(seed.outcome != "two phases" for seed in item.cell.seeds)
    ]
    if not without:
        return []
    have = "has" if len(without) == 1 else "have"
    return [
        f"Of {count_of('cell', len(held))} with all three, {len(without)} {have} no seed with two "
        "phases."
    ]


def _not_moving(found: Sequence[CellClaim]) -> list[str]:
    # Motion is never negative, so an interval that contains 0 may only be wide.
    spread = [
        item
        for item in found
        if item.claim.moves is False
        and all(seed.values.get(MOTION.key, 0.0) > 0 for seed in item.cell.seeds)
    ]
    if not spread:
        return []
    return [
        f"In {count_of('cell', len(spread))} motion is above 0 in every seed, but its interval "
        "contains 0."
    ]


def _not_confined(found: Sequence[CellClaim]) -> list[str]:
    alphas = [item.alpha for item in found if item.claim.confined is False]
    ends = [alpha.interval() for alpha in alphas if alpha]
    if not ends:
        return []
    above = sum(end is not None and end[0] > 1 for end in ends)
    counts = _counted({"above 1": above, "open": len(ends) - above})
    return [f"α is not shown to be below 1 in {count_of('cell', len(ends))}: {counts}."]


def _not_paying(found: Sequence[CellClaim]) -> list[str]:
    benefits = [item.benefit for item in found if item.claim.pays is False and item.benefit]
    if not benefits:
        return []
    below = [b for b in benefits if (ends := b.interval()) is not None and ends[1] < 0]
    none = [b for b in benefits if b not in below and is_equivalent(b, POINT)]
    rest = len(benefits) - len(none) - len(below)
    near = f"within {BENEFIT.number(POINT)} points of 0"
    counts = _counted({near: len(none), "below 0": len(below), "open": rest})
    return [f"B(w) is not shown to be above 0 in {count_of('cell', len(benefits))}: {counts}."]


def _counted(counts: Mapping[str, int]) -> str:
    """Write the counts that are not 0."""
    return ", ".join(f"{words} in {count}" for words, count in counts.items() if count)

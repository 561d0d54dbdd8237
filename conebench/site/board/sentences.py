"""Sentences about the board, written from its numbers and never beyond them."""

from collections import Counter
from collections.abc import Iterator, Sequence

from conebench.analysis.intervals import Estimate
from conebench.record.quantities import QUANTITIES, STRENGTH, Quantity, percent
from conebench.site.board.rows import Group, Row
from conebench.text import of_one

# Reasons in one sentence.
MOST_REASONS = 3


def leading_sentence(group: Group) -> str:
    """Say which rows lead, and how sure that is."""
    ranked = [row for row in group.shown if row.rank is not None]
    if not ranked:
        return _nobody_ranked(group.shown)
    first = [row for row in ranked if row.rank == 1]
    named = f"{first[0].title}, {_strength(first[0])}"
    if len(ranked) == 1:
        return f"One row is ranked: {named}."
    if len(first) == 1:
        return f"First of {len(ranked)} ranked rows; no other row may be first: {named}."
    return (
        f"{len(first)} of {len(ranked)} ranked rows may be first: their seeds do not tell them "
        f"apart. Highest: {named}."
    )


def _nobody_ranked(rows: Sequence[Row]) -> str:
    chips = Counter(chip for row in rows for chip, _ in row.reasons if chip)
    why = ", ".join(f"{chip}: {n} of {len(rows)}" for chip, n in chips.most_common(MOST_REASONS))
    return f"No row is ranked ({why})."


def _strength(row: Row) -> str:
    value = STRENGTH.value(row.figures[STRENGTH.field])
    return f"CES {value} {row.strength_interval}".rstrip()


def so_far(groups: Sequence[Group]) -> list[str]:
    """Count the claims of the cone effect."""
    rows = [row for group in groups for row in group.shown]
    return list(map(of_one, (*_confined(rows), *_worth(rows))))


def _confined(rows: Sequence[Row]) -> Iterator[str]:
    known = _with_interval(rows, "alpha")
    confined = [
        row
        for row, alpha in known
        if alpha.high is not None and alpha.high < 1 and _is_moving(row.figures["motion"])
    ]
    if known:
        yield (
            f"In {len(confined)} of {len(known)} records the kernel keeps moving but is confined "
            "(motion above 0, α below 1, both at 95 %)."
        )


def _is_moving(motion: Estimate | None) -> bool:
    return motion is not None and motion.low is not None and motion.low > 0


def _worth(rows: Sequence[Row]) -> Iterator[str]:
    known = _with_interval(rows, "benefit")
    above = [b for _, b in known if b.low is not None and b.low > 0]
    if not known:
        return
    ends = ""
    if above:
        values = sorted(b.value for b in above)
        ends = f", by {' to '.join(dict.fromkeys(map(percent, (values[0], values[-1]))))} points"
    yield (
        f"Non-linear training after w raises accuracy in {len(above)} of {len(known)} "
        f"records{ends}: B(w) is above 0 with its whole interval."
    )


def _with_interval(rows: Sequence[Row], field: str) -> list[tuple[Row, Estimate]]:
    found = [(row, row.figures[field]) for row in rows]
    return [(row, e) for row, e in found if e is not None and e.low is not None]


def agreement(row: Row, twins: Sequence[Row]) -> str:
    """Say how well runs of a spec agree."""
    if not twins:
        return ""
    differences = [
        abs(a.value - b.value) / max(abs(a.value), abs(b.value), 1e-300)
        for twin in twins
        for q in QUANTITIES
        if (a := row.figures[q.field]) and (b := twin.figures[q.field])
    ]
    largest = max(differences, default=0.0)
    return f"{len(twins) + 1} runs, " + ("equal" if largest == 0 else f"agree to {largest:.0e}")


def record_sentence(row: Row) -> str:
    """Say what one record found, with its uncertainty."""
    turn, cone = row.figures["turn_deg"], row.figures["cone_deg"]
    if turn is None or cone is None:
        return f"Not ranked: no cone was measured ({row.reason or row.verdict})."
    write = {q.field: f"{q.value(e)} {q.interval(e)}".strip() for q, e in _figures(row)}
    text = of_one(
        f"Over {cone.seeds} of {row.seeds} seeds the kernel turned by {write['turn_deg']} to the "
        f"axis of a cone of {write['cone_deg']}"
    )
    alpha, benefit = row.figures["alpha"], row.figures["benefit"]
    text += f"; it is {_confinement(alpha)} (α = {write['alpha']})." if alpha else "."
    return f"{text} {_benefit(benefit)} ({write['benefit']})." if benefit else text


def rank_sentence(row: Row) -> str:
    """Say why a record has no rank, unless its sentence says so."""
    measured = row.figures["turn_deg"] is not None and row.figures["cone_deg"] is not None
    return f"Not ranked ({row.reason})." if row.reason and measured else ""


def _figures(row: Row) -> list[tuple[Quantity, Estimate]]:
    return [(q, e) for q in QUANTITIES if (e := row.figures[q.field])]


def _confinement(alpha: Estimate) -> str:
    if alpha.low is None or alpha.high is None:
        return "of one seed, so without an interval"
    if alpha.high < 1:
        return "confined"
    return "drifting" if alpha.low > 1 else "not told apart from a walk without memory"


def _benefit(benefit: Estimate) -> str:
    if benefit.low is None or benefit.high is None:
        return "Accuracy that non-linear training after w adds, from one seed"
    if benefit.low > 0:
        return "Non-linear training after w adds accuracy"
    if benefit.high < 0:
        return "Non-linear training after w costs accuracy"
    return "Accuracy from non-linear training after w is not told apart from 0"

"""Records as rows of the board."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from conebench.analysis.cone_strength import BOUNDS
from conebench.analysis.intervals import Estimate
from conebench.analysis.ranking import MIN_SEEDS, rank_ranges
from conebench.record import Comparability, Record, Replication
from conebench.record.quantities import QUANTITIES, check_finite, strength_interval
from conebench.site.board.factors import Value, factors_of, fields_of, model_family
from conebench.site.board.sparks import Spark, motion_spark
from conebench.text import of_one

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


# What rows are filtered by, with labels.
FILTERS = {
    "dataset": "Dataset",
    "family": "Model family",
    "optimizer": "Optimizer",
    "outcome": "Outcome",
    "trust": "Trust",
}
UNRANKED = "unranked"
# Minor version of the schema that method 3 began with.
FIRST_OF_METHOD_3 = 4
# Failed stages that a row names.
MOST_LISTED = 5
# The outcome of a seed that is not worth a filter.
USUAL = "two phases"


@dataclass(frozen=True)
class Row:
    """One record on the board."""

    record_id: str
    group: Comparability
    spec_name: str
    title: str
    model: str
    family: str
    optimizer: str
    outcome: str
    # Number of seeds by outcome.
    outcomes: Mapping[str, int]
    # By the field of their quantity.
    figures: Mapping[str, Estimate | None]
    seeds: int
    date: str
    status: str
    verdict: str
    # Why it is not ranked, if so: in a word or two, and in full.
    reasons: tuple[tuple[str, str], ...]
    spark: Spark
    # Seeds whose two estimators of T* differ by more than a factor of 2.
    doubtful: int
    spec_hash: str
    factors: Mapping[str, Value | None]
    # Every field of its spec that matters, as JSON text.
    fields: Mapping[str, str]
    # A value per seed whose mean is CES.
    contributions: tuple[float, ...] = ()
    replications: tuple[Replication, ...] = ()
    # The best and the worst rank that its interval leaves.
    rank: int | None = None
    last_rank: int | None = None
    # The other run of its spec that stands for both on the board, if so.
    stands_for: str | None = None

    @property
    def reason(self) -> str:
        """Reasons for having no rank, in full."""
        return "; ".join(text for _, text in self.reasons)

    @property
    def rank_text(self) -> str:
        """The range of ranks, or that it has none."""
        if self.rank is None:
            return UNRANKED
        return str(self.rank) if self.rank == self.last_rank else f"{self.rank}–{self.last_rank}"

    @property
    def strength_interval(self) -> str:
        """Interval of CES, and where CES was cut."""
        return strength_interval(self.figures["CES"], self.contributions)

    @property
    def outcomes_text(self) -> str:
        """Count of seeds of each outcome."""
        return ", ".join(f"{name}: {n} of {self.seeds}" for name, n in self.outcomes.items())

    @property
    def outcomes_badge(self) -> str:
        """Count of the seeds with two phases, if not all have them."""
        two = self.outcomes.get(USUAL, 0)
        return "" if two == self.seeds else f"{two} of {self.seeds} two phases"

    @property
    def dataset(self) -> str:
        """Name of the data on the board."""
        return self.group.dataset

    @property
    def filter_values(self) -> Mapping[str, tuple[str, ...]]:
        """Values of the row to filter by."""
        return {
            "dataset": (self.dataset,),
            "family": (self.family,),
            "optimizer": (self.optimizer,),
            "outcome": tuple(dict.fromkeys((self.outcome, *sorted(set(self.outcomes) - {USUAL})))),
            "trust": (self.trust,),
        }

    @property
    def trust(self) -> str:
        """State of replication: replicated, or self-reported."""
        return "replicated" if self.replications else "self-reported"

    @property
    def replicated_by(self) -> str:
        """Names of all who replicated the record."""
        return ", ".join(replication.by for replication in self.replications)


@dataclass(frozen=True)
class Group:
    """Rows of one comparability key, in the board's order."""

    label: str
    rows: tuple[Row, ...]

    # What the tables of the board that hold these rows have in common.
    key: Comparability

    @property
    def count(self) -> int:
        """Number of records."""
        return len(self.rows)

    @property
    def shown(self) -> tuple[Row, ...]:
        """The rows on the board: one for all runs of a spec."""
        return tuple(row for row in self.rows if row.stands_for is None)

    def twins(self, row: Row) -> list[Row]:
        """Return the other runs of a row's spec."""
        return [other for other in self.rows if other.stands_for == row.record_id]


@dataclass(frozen=True)
class Filter:
    """Something to filter rows by."""

    # Its name in addresses.
    key: str
    label: str
    values: tuple[str, ...]


def filters_of(groups: Sequence[Group]) -> list[Filter]:
    """Return all filters with the values of the rows."""
    rows = [row for group in groups for row in group.rows]
    return [
        Filter(
            key, label, tuple(sorted({value for row in rows for value in row.filter_values[key]}))
        )
        for key, label in FILTERS.items()
    ]


def row_of(record: Record, record_id: str, replications: Sequence[Replication] = ()) -> Row:
    """Return the row of a recomputed record."""
    summary = record.figures
    figures = {quantity.field: getattr(summary, quantity.field) for quantity in QUANTITIES}
    for estimate in figures.values():
        check_finite(estimate)
    # Anybody can write a record: its date may be any text.
    date = DATE.match(record.provenance.created_at)
    return Row(
        record_id=record_id,
        group=record.comparability,
        spec_name=record.spec.name,
        title=record.spec.title,
        model=record.spec.model.name,
        family=model_family(record.spec.model.name),
        optimizer=record.spec.training.optimizer.name,
        outcome="partial" if is_partial(record) else summary.verdict,
        outcomes={str(name): count for name, count in summary.outcomes.items()},
        figures=figures,
        seeds=len(record.seeds),
        date=date.group() if date else "",
        status=record.status,
        verdict=summary.verdict,
        reasons=tuple((chip, of_one(text)) for chip, text in unranked_reasons(record)),
        spark=motion_spark(record),
        doubtful=sum(seed.phases.estimators_disagree for seed in record.seeds),
        spec_hash=record.spec.hash,
        factors=factors_of(record),
        fields=fields_of(record.spec),
        contributions=summary.contributions,
        replications=tuple(replications),
    )


def is_partial(record: Record) -> bool:
    """Return True if seeds are missing or repeated."""
    # A repeated seed would narrow the intervals.
    measured = sorted(seed.seed for seed in record.seeds)
    return record.status != "complete" or measured != sorted(record.spec.seeds)


def unranked_reasons(record: Record) -> Iterator[tuple[str, str]]:
    """Say why a record has no rank."""
    summary, failures = record.figures, record.failures or []
    measured, planned = [seed.seed for seed in record.seeds], record.spec.seeds
    if is_partial(record):
        of = f"{len(set(measured) & set(planned))} of {len(planned)}"
        yield f"partial, {of}", f"partial: {of} seeds"
    for i, f in enumerate(failures[:MOST_LISTED]):
        yield "failed stages" if i == 0 else "", f"seed {f.seed}: {f.stage} failed: {f.reason}"
    if len(failures) > MOST_LISTED:
        yield "", f"{len(failures) - MOST_LISTED:,} more stages failed"
    if record.own_modules:
        own = ", ".join(record.own_modules)
        yield "own network", f"its run imported {own}, which no package of its spec provides"
    if record.minor < FIRST_OF_METHOD_3:
        no_arm = f": {summary.undefined['benefit']}" if "benefit" in summary.undefined else ""
        yield "method 2", f"method 2 run{no_arm}"
    if summary.verdict != "measured":
        yield summary.verdict, summary.detail
    if len(measured) < MIN_SEEDS:
        count = f"{len(measured)} seed{'' if len(measured) == 1 else 's'}"
        yield "few seeds", f"{count}, a rank needs {MIN_SEEDS}"


def group_rows(rows: Sequence[Row]) -> list[Group]:
    """Group rows by comparability key, each group ranked."""
    # Records are compared within their group only.
    keys = sorted({row.group for row in rows})
    groups = [
        Group(key.label, tuple(_ranked([row for row in rows if row.group == key])), key)
        for key in keys
    ]
    # Of one data set, tables with ranks come first.
    return sorted(groups, key=lambda group: (group.key.dataset, group.rows[0].rank is None))


def _ranked(rows: Sequence[Row]) -> list[Row]:
    ordered = sorted(_folded(rows), key=_board_order)
    strengths = [None if row.reasons else np.array(row.contributions) for row in ordered]
    ranks = [found or (None, None) for found in rank_ranges(strengths, BOUNDS)]
    return [
        replace(row, rank=best, last_rank=worst)
        for row, (best, worst) in zip(ordered, ranks, strict=True)
    ]


def _folded(rows: Sequence[Row]) -> list[Row]:
    """Let one run stand for all of its spec."""
    first: dict[str, Row] = {}
    # The earliest of those that can be ranked, whatever its figures.
    for row in sorted(rows, key=lambda row: (bool(row.reasons), row.date, row.record_id)):
        first.setdefault(row.spec_hash, row)
    return [
        row if (one := first[row.spec_hash]) is row else _twin(row, one.record_id) for row in rows
    ]


def _twin(row: Row, record_id: str) -> Row:
    reason = ("another run", f"another run of the spec of {record_id}")
    return replace(row, reasons=(*row.reasons, reason), stands_for=record_id)


def _board_order(row: Row) -> tuple[bool, float, str, str]:
    # Best first; rows with a reason not to be ranked come last.
    strength = row.figures["CES"]
    return bool(row.reasons), -strength.value if strength else 1.0, row.title, row.record_id

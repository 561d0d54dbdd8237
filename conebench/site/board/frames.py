"""The tables to download, as pandas frames with typed columns.

pandas is imported where it is needed: that takes longer than most commands do.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from conebench.record import Record
from conebench.record.quantities import QUANTITIES
from conebench.site.board.factors import FACTORS
from conebench.site.board.rows import Group, Row

if TYPE_CHECKING:
    import pandas as pd

Dtype = Literal["string", "Int64", "Float64", "boolean"]
DTYPES: dict[object, Dtype] = {
    str: "string",
    bool: "boolean",
    int: "Int64",
    int | None: "Int64",
    float: "Float64",
    float | None: "Float64",
}


class Column(NamedTuple):
    """A column of the board's table, and its value in a row."""

    name: str
    dtype: Dtype
    value: Callable[[Row], object]


class ArmRow(NamedTuple):
    """One arm of one seed."""

    record: str
    spec: str
    title: str
    seed: int
    arm: str
    step: int | None
    T_star: int | None
    status: str
    diverged_at: int | None
    test_accuracy: float | None
    test_loss: float | None
    learning_rate: float | None


def _figure(field: str, end: str) -> Callable[[Row], object]:
    return lambda row: getattr(row.figures[field], end, None)


def _factor(key: str) -> Callable[[Row], object]:
    return lambda row: row.factors[key]


def _columns(dtype: Dtype, **attributes: str) -> list[Column]:
    return [Column(name, dtype, attrgetter(path)) for name, path in attributes.items()]


COLUMNS = (
    *_columns("Int64", rank="rank", last_rank="last_rank"),
    *_columns("string", record="record_id", spec="spec_name", title="title"),
    *_columns("string", model="model", family="family", optimizer="optimizer"),
    *(
        Column(factor.key, "Float64" if factor.numeric else "string", _factor(factor.key))
        for factor in FACTORS
        if factor.key not in ("family", "optimizer", "dataset")
    ),
    Column("dataset", "string", lambda row: row.group.dataset),
    Column("view", "string", lambda row: row.group.view),
    Column("probe_samples", "Int64", lambda row: row.group.probe_samples),
    Column("batchnorm", "string", lambda row: row.group.batchnorm),
    Column("window", "Float64", lambda row: row.group.window),
    Column("intervals", "Int64", lambda row: row.group.intervals),
    Column("schema", "string", lambda row: row.group.schema),
    *(
        Column(f"{quantity.field}{suffix}", "Float64", _figure(quantity.field, end))
        for quantity in QUANTITIES
        for suffix, end in (("", "value"), ("_low", "low"), ("_high", "high"))
    ),
    *_columns("Int64", seeds="seeds"),
    *_columns("string", date="date", status="status", verdict="verdict", outcome="outcome"),
    *_columns("string", outcomes="outcomes_text"),
    *_columns("string", unranked_reason="reason", trust="trust"),
    # Null, not an empty text, if nobody did.
    Column("replicated_by", "string", lambda row: row.replicated_by or None),
)


def board_frame(groups: Sequence[Group]) -> "pd.DataFrame":
    """Return all rows of the board in its order."""
    import pandas as pd

    rows = [row for group in groups for row in group.rows]
    return pd.DataFrame(
        {
            column.name: pd.array([column.value(row) for row in rows], dtype=column.dtype)
            for column in COLUMNS
        }
    )


def arm_rows(record: Record, record_id: str) -> list[ArmRow]:
    """Return every arm of every seed."""
    return [
        ArmRow(
            record=record_id,
            spec=record.spec.name,
            title=record.spec.title,
            seed=seed.seed,
            arm=arm.arm,
            step=arm.step,
            T_star=seed.phases.T_star,
            status=arm.status,
            diverged_at=arm.diverged_at,
            test_accuracy=arm.test_accuracy,
            test_loss=arm.test_loss,
            learning_rate=arm.learning_rate,
        )
        for seed in record.seeds
        for arm in seed.arms
    ]


def arms_frame(arms: Sequence[ArmRow]) -> "pd.DataFrame":
    """Return the arms of all records."""
    return typed_frame(ArmRow, arms)


def typed_frame(kind: type[NamedTuple], rows: Sequence[tuple[object, ...]]) -> "pd.DataFrame":
    """Return rows of one kind as a frame, with the types of its fields."""
    import pandas as pd

    columns = zip(*rows, strict=True) if rows else ([] for _ in kind._fields)
    return pd.DataFrame(
        {
            name: pd.array(list(values), dtype=DTYPES[type_])
            for (name, type_), values in zip(kind.__annotations__.items(), columns, strict=True)
        }
    )

"""Pairs of records that differ in one choice, with their difference."""

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from conebench.analysis.study import Effect, mean_over_seeds
from conebench.site.board.factors import MEASURING
from conebench.site.board.rows import Row
from conebench.study.figures import Cell
from conebench.study.plan import CENTER, RECALIBRATED
from conebench.study.responses import ALPHA, BENEFIT, CONE, LAZY_GAP, MOTION, TURN, Response
from conebench.text import flatten

RESPONSES = (TURN, CONE, ALPHA, MOTION, BENEFIT, LAZY_GAP)
MOST_PAIRS = 300
OPTIMIZER = "optimizer, with its learning rate"
RATE = "training.optimizer.learning_rate"
# Images to re-estimate BatchNorm statistics from; a small training set has fewer.
IGNORED = ("kernel.calibration_samples",)
# What is measured, not what is trained. Block F has these in a part of its own.
NOT_COMPARED = (*MEASURING, "kernel.dtype", "kernel.checkpoints.every", "kernel.checkpoints.extra")
# Steps that move with the length of a run.
OF_LENGTH = ("switching.steps", "kernel.checkpoints.every", "kernel.checkpoints.extra")

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Record:
    """A record of a pair: its row of the board, its figures, and its fields to compare."""

    row: Row
    cell: Cell
    fields: Fields


@dataclass(frozen=True)
class Pair:
    """Two records, what differs, and the second minus the first."""

    field: str
    values: tuple[str, str]
    records: tuple[Record, Record]
    # By response.
    differences: Mapping[str, Effect | None]


def matched_pairs(rows: Sequence[Row], cells: Mapping[str, Cell]) -> list[Pair]:
    """Return pairs of records that differ in one choice.

    Levels that are numbers are compared with the next one, others with the center of the study. An
    optimizer with its learning rate is one choice. The latest record of a spec stands for all;
    `cells` are by the id of the record.
    """
    records = [
        Record(row, cells[row.record_id], comparable_fields(row))
        for row in sorted(rows, key=lambda r: (r.date, r.record_id))
    ]
    # A later record of the same fields replaces an earlier one.
    latest = {frozenset(record.fields.items()): record for record in records}
    chosen = list(latest.values())
    names = sorted({name for record in chosen for name in record.fields} - set(NOT_COMPARED))
    usual = next((record for record in chosen if record.row.spec_name == CENTER), None)
    pairs = [pair for name in names for pair in _pairs_in(name, chosen, usual)]
    pairs += _optimizer_pairs(chosen, usual)
    return sorted(pairs, key=lambda p: (p.field, p.records[0].row.title, *map(_place, p.values)))


def comparable_fields(row: Row) -> dict[str, str]:
    """Return the fields of a spec to compare.

    The dataset and the optimizer are taken apart. Steps of switches and kernels are shares of the
    run, the learning rate of linear arms is a multiple of that of ordinary training.
    """
    fields = dict(row.fields)
    for name in ("dataset", "training.optimizer"):
        parts = json.loads(fields.pop(name, "{}"))
        fields |= {k: json.dumps(v) for k, v in flatten({name: parts}) if v != {}}
    # A longer run has its switches and kernels later: that is one choice.
    total = json.loads(fields.get("training.steps", "null")) or 1
    for name in OF_LENGTH:
        fields[name] = _rescaled(fields.get(name), total)
    rate = json.loads(fields.get(RATE, "null")) or 1
    own = "linearization.learning_rate"
    fields[own] = _rescaled(fields.get(own), rate)
    if row.model.startswith("cifar_"):
        fields.setdefault("model.kwargs.norm", '"batch"')
    return {name: value for name, value in fields.items() if name not in IGNORED}


def _rescaled(value: str | None, unit: float) -> str:
    """Divide numbers by a unit. Leave words alone."""
    known = json.loads(value or "null")
    if isinstance(known, list):
        return json.dumps([float(f"{one / unit:.6g}") for one in known])
    numeric = isinstance(known, int | float)
    return json.dumps(float(f"{known / unit:.6g}") if numeric else known)


def _pairs_in(name: str, records: Sequence[Record], usual: Record | None) -> Iterator[Pair]:
    for group in _groups(records, lambda field: field != name):
        values = [_value(record, name) for record in group]
        # A missing number is the default, which has no place among the others.
        if all(_is_number(value) for value in values):
            ordered = sorted(group, key=lambda record: float(_value(record, name)))
            for first, second in itertools.pairwise(ordered):
                yield _pair(name, (_value(first, name), _value(second, name)), (first, second))
        else:
            for first, second in _with_base(group, usual, lambda record: _value(record, name)):
                yield _pair(name, (_value(first, name), _value(second, name)), (first, second))


def _optimizer_pairs(records: Sequence[Record], usual: Record | None) -> Iterator[Pair]:
    """Yield pairs whose optimizers have other names."""
    for group in _groups(records, lambda field: not _is_optimizers(field)):
        for first, second in _with_base(group, usual, lambda record: record.row.optimizer):
            if first.row.optimizer != second.row.optimizer:
                values = (_optimizer_text(first), _optimizer_text(second))
                yield _pair(OPTIMIZER, values, (first, second))


def _is_optimizers(field: str) -> bool:
    return field.startswith("training.optimizer.")


def _optimizer_text(record: Record) -> str:
    return f"{record.row.optimizer} {json.loads(record.fields[RATE]):g}"


def _groups(records: Sequence[Record], kept: Callable[[str], bool]) -> Iterator[Sequence[Record]]:
    """Yield records that agree in all kept fields."""
    groups: dict[frozenset[tuple[str, str]], list[Record]] = {}
    for record in records:
        rest = frozenset(item for item in record.fields.items() if kept(item[0]))
        groups.setdefault(rest, []).append(record)
    yield from (group for group in groups.values() if len(group) > 1)


def _with_base(
    group: Sequence[Record], usual: Record | None, value: Callable[[Record], str]
) -> Iterator[tuple[Record, Record]]:
    """Pair every record with the center. Without it, one with the center's value stands in."""
    centers = (CENTER, RECALIBRATED[CENTER])
    expected = value(usual) if usual else ""

    def place(record: Record) -> tuple[bool, bool, str]:
        name = record.row.spec_name
        return name not in centers, value(record) != expected, name

    ordered = sorted(group, key=place)
    yield from ((ordered[0], other) for other in ordered[1:])


def _place(value: str) -> tuple[float, str]:
    """Return a key that sorts numbers by size, before other values."""
    return (float(value), value) if _is_number(value) else (math.inf, value)


def _value(record: Record, name: str) -> str:
    return record.fields.get(name, "default")


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _pair(field: str, values: tuple[str, str], records: tuple[Record, Record]) -> Pair:
    shown = tuple("default" if value == "null" else value.strip('"') for value in values)
    differences = {r.key: _difference(*records, r) for r in RESPONSES}
    return Pair(field, (shown[0], shown[1]), records, differences)


def _difference(first: Record, second: Record, response: Response) -> Effect | None:
    rows = []
    for seed in first.cell.seed_numbers:
        a, b = first.cell.value(seed, response), second.cell.value(seed, response)
        if a is not None and b is not None and len(a) != len(b):
            a, b = a.mean(keepdims=True), b.mean(keepdims=True)
        rows.append(None if a is None or b is None else b - a)
    return mean_over_seeds(rows)

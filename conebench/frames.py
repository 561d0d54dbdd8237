"""Records as pandas frames: the board, arms, kernels along training, learning curves.

Each function takes records, their files, folders of them, or the address of a board. docs/api.md
describes the columns.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conebench.analysis.cone import to_axis_deg
from conebench.analysis.distance import between, distances, lagged_distances, velocity
from conebench.analysis.window import WindowFigures
from conebench.errors import InputError, RecordError
from conebench.record import (
    ArmCurve,
    AveragedTrajectory,
    Record,
    Replication,
    SeedResult,
    TrainingCurve,
    Trajectory,
    read_record,
    recompute,
)
from conebench.record.derive import UNUSABLE
from conebench.site.board.frames import arm_rows, arms_frame, board_frame, typed_frame
from conebench.site.board.rows import Row, group_rows, row_of
from conebench.site.files.find import record_files
from conebench.site.files.published import is_address, published_records, published_table
from conebench.site.files.write import checked_replications

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["arms", "board", "curves", "trajectories"]

Source = Record | Path | str


class KernelRow(NamedTuple):
    """The kernel of one seed in one view at one checkpoint."""

    record: str
    spec: str
    title: str
    seed: int
    view: str
    step: int
    in_window: bool
    S_first: float
    S_before: float | None
    velocity: float | None
    to_axis_deg: float | None
    norm: float
    trace: float | None
    top_eigenvalue_share: float | None
    label_alignment: float | None


class CurveRow(NamedTuple):
    """Loss and accuracy of one arm of one seed at one checkpoint."""

    record: str
    spec: str
    title: str
    seed: int
    arm: str
    switch_step: int | None
    step: int
    train_loss: float | None
    test_loss: float | None
    test_accuracy: float


def board(*sources: Source) -> "pd.DataFrame":
    """Return one row per record, in the order of the board and with its ranks."""
    address = _only_address(sources)
    if address:
        return published_table(address, "table")
    rows = [_row(record, replications) for record, replications in _read(sources)]
    return board_frame(group_rows(rows))


def arms(*sources: Source) -> "pd.DataFrame":
    """Return one row per arm and seed: its end at step T."""
    address = _only_address(sources)
    if address:
        return published_table(address, "arms")
    found = [(_recomputed(record), record.id) for record, _ in _read(sources)]
    return arms_frame([row for record, key in found for row in arm_rows(record, key)])


def trajectories(*sources: Source) -> "pd.DataFrame":
    """Return one row per seed, view and checkpoint: the kernel along training."""
    return typed_frame(
        KernelRow, [row for record in _records(sources) for row in _kernel_rows(record)]
    )


def curves(*sources: Source) -> "pd.DataFrame":
    """Return one row per arm, seed and checkpoint: the learning curves."""
    return typed_frame(
        CurveRow, [row for record in _records(sources) for row in _curve_rows(record)]
    )


def _records(sources: Sequence[Source]) -> Iterator[Record]:
    address = _only_address(sources)
    if address:
        yield from published_records(address)
    else:
        yield from (record for record, _ in _read(sources))


def _only_address(sources: Sequence[Source]) -> str | None:
    """Return the address of a board, None for other sources."""
    if not sources:
        raise InputError("expected records, files, folders, or the address of a board; got none")
    for source in sources:
        if not isinstance(source, Record | str | os.PathLike):
            raise InputError(
                f"got a source of type {type(source).__name__}, expected records, files, folders, "
                "or the address of a board, each as an argument of its own"
            )
    if not any(map(is_address, sources)):
        return None
    # Ranks of a board hold for its own records.
    if len(sources) > 1:
        raise InputError(f"got an address among {len(sources)} sources, expected it alone")
    return str(sources[0])


def _read(sources: Sequence[Source]) -> Iterator[tuple[Record, list[Replication]]]:
    """Yield each record once, as it is stored, with its valid replications."""
    seen = set()
    for record, replications in _read_all(sources):
        if record.id not in seen:
            seen.add(record.id)
            yield record, replications


def _read_all(sources: Sequence[Source]) -> Iterator[tuple[Record, list[Replication]]]:
    for source in sources:
        if isinstance(source, Record):
            yield source, []
            continue
        for file in record_files([Path(source)]):
            record = read_record(file)
            yield record, checked_replications(file, record)[0]


def _recomputed(record: Record) -> Record:
    try:
        # Numbers that no run can write are to be refused, not shown as nan.
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            return recompute(record)
    except UNUSABLE as error:
        raise _unusable(record, error) from None


def _row(record: Record, replications: Sequence[Replication]) -> Row:
    try:
        return row_of(_recomputed(record), record.id, replications)
    except UNUSABLE as error:
        raise _unusable(record, error) from None


def _unusable(record: Record, error: Exception) -> RecordError:
    return RecordError(f"record {record.id}: its figures cannot be recomputed: {error}")


def _kernel_rows(stored: Record) -> Iterator[KernelRow]:
    record, record_id = _recomputed(stored), stored.id
    every = record.spec.kernel.checkpoints.every
    for seed in record.seeds:
        for window in seed.windows or ():
            of_view = record_id, record.spec.name, record.spec.title, seed.seed, window.view
            kernel = _view(record, seed, window.view)
            for columns in zip(*_kernel_columns(kernel, window.figures, every), strict=True):
                yield KernelRow(*of_view, *columns)


def _view(record: Record, seed: SeedResult, name: str) -> Trajectory | AveragedTrajectory:
    if name == "averaged" and seed.kernel.averaged:
        return seed.kernel.averaged
    views = {**seed.kernel.by_view(record.spec.kernel.outputs or "full")}
    return next(view for found, view in views.items() if found == name)


def _kernel_columns(
    kernel: Trajectory | AveragedTrajectory, window: WindowFigures, every: int
) -> Iterator[Sequence[object]]:
    """Yield the columns of a `KernelRow` from `step` on, each of one value per checkpoint."""
    G, steps = kernel.G(), np.array(kernel.steps)  # [t, t], [t]
    nothing = [None] * len(steps)
    members = np.array([], dtype=int)
    if window.start is not None and window.end is not None:
        members = between(steps, every, window.start, window.end)
    yield kernel.steps
    yield np.isin(np.arange(len(steps)), members).tolist()
    yield distances(G)[0].tolist()
    yield [None, *lagged_distances(G, 1).tolist()]
    yield [None, *velocity(G, steps).tolist()]
    yield to_axis_deg(G, members).tolist() if len(members) else nothing
    yield kernel.norm
    if isinstance(kernel, Trajectory):
        yield from (kernel.trace, kernel.top_eigenvalue_share, kernel.label_alignment)
    else:
        # Not stored for kernels at averaged weights.
        yield from (nothing, nothing, nothing)


def _curve_rows(record: Record) -> Iterator[CurveRow]:
    record_id = record.id
    for seed in record.seeds:
        of_seed = record_id, record.spec.name, record.spec.title, seed.seed
        yield from _points((*of_seed, "full", None), seed.training)
        for arm in seed.arms:
            if arm.curve is not None:
                yield from _points((*of_seed, arm.arm, arm.step), arm.curve)


def _points(
    of_arm: tuple[str, str, str, int, str, int | None], curve: TrainingCurve | ArmCurve
) -> Iterator[CurveRow]:
    columns: list[Sequence[Any]] = [
        *(curve.steps, curve.train_loss, curve.test_loss, curve.test_accuracy)
    ]
    yield from (CurveRow(*of_arm, *point) for point in zip(*columns, strict=True))

"""The tables as Parquet: every column with its type, and nulls.

pandas is imported where it is needed: it takes longer than most commands do.
"""

from collections.abc import Sequence
from pathlib import Path

from conebench.site.board.data_page import ARMS, ArmCells
from conebench.site.board.download import columns, flat_rows
from conebench.site.board.rows import Group

# The columns that hold no decimals; a type never depends on the values that happen to be there.
TEXT = frozenset(
    (
        *("record", "spec", "title", "model", "family", "optimizer", "normalization", "dataset"),
        *("kernel_outputs", "batchnorm", "schema", "date", "status", "verdict", "outcome"),
        *("unranked_reason", "arm", "trust", "replicated_by"),
    )
)
WHOLE = frozenset(("rank", "probe_samples", "seeds", "seed", "step", "T_star", "diverged_at"))


def table_parquet(groups: Sequence[Group], target: Path) -> None:
    """The rows of table.csv."""
    rows = [list(row.values()) for row in flat_rows(groups)]
    _write(columns(), rows, WHOLE - {"T_star"}, target)  # a mean over seeds there


def arms_parquet(arms: Sequence[ArmCells], target: Path) -> None:
    """The rows of arms.csv."""
    _write(ARMS, arms, WHOLE, target)


def _write(
    names: Sequence[str], rows: Sequence[Sequence[object]], whole: frozenset[str], target: Path
) -> None:
    import pandas as pd

    def kind(name: str) -> str:
        return "string" if name in TEXT else "Int64" if name in whole else "Float64"

    values = zip(*rows, strict=True) if rows else [() for _ in names]
    data = {
        name: pd.array(list(column), dtype=kind(name))
        for name, column in zip(names, values, strict=True)
    }
    pd.DataFrame(data).to_parquet(target, engine="pyarrow", index=False)

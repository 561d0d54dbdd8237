"""The study's figures as one long table to download."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from conebench.study.export import tidy_rows
from conebench.study.figures import Cell

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "block": "string",
    "spec": "string",
    "record": "string",
    "seed": "Int64",
    "response": "string",
    "view": "string",
    "value": "Float64",
}


def tidy_frame(cells: Sequence[Cell]) -> "pd.DataFrame":
    """Return one row per record, seed, response and view."""
    import pandas as pd

    rows = list(tidy_rows(cells))
    return pd.DataFrame(
        {
            name: pd.array([row[i] for row in rows], dtype=dtype)
            for i, (name, dtype) in enumerate(COLUMNS.items())
        }
    )

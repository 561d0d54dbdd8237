"""Tables as CSV and JSON."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# A spreadsheet runs a cell that begins like this as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def frame_csv(frame: "pd.DataFrame") -> str:
    """Write a frame as CSV that is safe to open in a spreadsheet."""
    texts = frame.select_dtypes("string")
    guarded = frame.assign(**{name: texts[name].map(_guarded, "ignore") for name in texts})
    return str(guarded.to_csv(index=False, lineterminator="\n"))


def frame_json(frame: "pd.DataFrame") -> str:
    """Write a frame as a list of rows."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return json.dumps(rows, indent=1, allow_nan=False) + "\n"


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text

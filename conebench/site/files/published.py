"""Reading the files that a board publishes at its address."""

import gzip
import io
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import IO

import pandas as pd
from pyarrow import ArrowInvalid

import conebench
from conebench.errors import DataMissingError, RecordError
from conebench.record import Record
from conebench.record.files import MAX_BYTES, parse_record
from conebench.site.files.cache import ALL_RECORDS

SECONDS = 60


def is_address(source: object) -> bool:
    """Return True if a source of records is the address of a board."""
    return isinstance(source, str) and source.startswith(("http://", "https://"))


def published_table(address: str, name: str) -> pd.DataFrame:
    """Read a table of the board, such as `arms`, with its types."""
    url = _file_of(address, f"{name}.parquet")
    with _opened(url) as file:
        try:
            # Parquet is read from its end.
            return pd.read_parquet(io.BytesIO(file.read()), engine="pyarrow")
        except ArrowInvalid as error:
            raise RecordError(f"{url}: not Parquet: {error}") from None


def published_records(address: str) -> Iterator[Record]:
    """Yield all records of the board, one at a time."""
    url = _file_of(address, ALL_RECORDS)
    with _opened(url) as file, gzip.open(file) as lines:
        number = 0
        try:
            while line := lines.readline(MAX_BYTES + 1):
                number += 1
                yield parse_record(line, f"{url}, line {number}")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RecordError(f"{url}: not gzip: {error}") from None


def _file_of(address: str, name: str) -> str:
    return f"{address.removesuffix('index.html').rstrip('/')}/{name}"


@contextmanager
def _opened(url: str) -> Iterator[IO[bytes]]:
    # Some servers refuse the name that urllib gives itself.
    agent = {"User-Agent": f"conebench/{conebench.__version__}"}
    try:
        # is_address allows http and https only.
        request = urllib.request.Request(url, headers=agent)  # noqa: S310
        with urllib.request.urlopen(request, timeout=SECONDS) as response:  # noqa: S310
            yield response
    except (OSError, HTTPException, ValueError) as error:
        raise DataMissingError(f"{url}: cannot be read: {error}") from None

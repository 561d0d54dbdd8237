"""Reading the files that a board publishes at its address."""

import gzip
import io
import re
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from typing import IO

import pandas as pd
from pyarrow import ArrowInvalid

import conebench
from conebench.errors import DataMissingError, RecordError
from conebench.record import Record
from conebench.record.files import MAX_BYTES, parse_record

SECONDS = 60
# Records read at the same time: most of the time goes into waiting for the server.
MANY = 8
ID = re.compile("[0-9a-f]{8}")


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
    """Yield all records of the board, in the order of its table."""
    table = published_table(address, "table")
    if "record" not in table:
        raise RecordError(f"{_file_of(address, 'table.parquet')}: has no column `record`")
    ids = [str(found) for found in table["record"]]
    # Anything else could lead out of the folder.
    if odd := [found for found in ids if not ID.fullmatch(found)]:
        raise RecordError(f"{address}: no id of a record: {odd[0]!r}")
    urls = [_file_of(address, f"records/{found}.json.gz") for found in ids]
    with ThreadPoolExecutor(MANY) as pool:
        # In parts, since all raw data of a board may not fit into memory.
        for start in range(0, len(urls), MANY):
            yield from pool.map(_published_record, urls[start : start + MANY])


def _published_record(url: str) -> Record:
    with _opened(url) as file, gzip.open(file) as unpacked:
        try:
            content = unpacked.read(MAX_BYTES + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RecordError(f"{url}: not gzip: {error}") from None
    if len(content) > MAX_BYTES:
        raise RecordError(f"{url}: expected at most {MAX_BYTES:,} bytes")
    return parse_record(content, url)


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

"""A built site on this machine's own address, for a look at it."""

import functools
import http.server
from collections.abc import Callable, Sequence
from pathlib import Path

from conebench.errors import StorageError
from conebench.site.files.find import find_records

HOST = "127.0.0.1"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder; says nothing of requests."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Requests are not worth a line."""

    def end_headers(self) -> None:
        """Every file is read anew: the site may have been built again meanwhile."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


class SiteServer(http.server.ThreadingHTTPServer):
    """Serves a folder on the loopback address; `between` is called about twice a second.

    Port 0 takes any free one. Raises a StorageError where the port cannot be used.
    """

    def __init__(self, folder: Path, port: int, between: Callable[[], None] = lambda: None) -> None:
        handler = functools.partial(_Handler, directory=str(folder))
        self.between = between
        try:
            super().__init__((HOST, port), handler)
        except OSError as error:
            raise StorageError(f"port {port}: cannot be used: {error.strerror or error}") from None

    @property
    def address(self) -> str:
        """Where a browser finds the site."""
        return f"http://{HOST}:{self.server_port}"

    def service_actions(self) -> None:
        """What the server does beside answering requests."""
        self.between()


def fingerprint(folders: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Names, sizes and times of all records: it changes when any of them does."""
    found = []
    for record in find_records(folders):
        if record.path.is_file():
            facts = record.path.stat()
            found.append((record.label, facts.st_size, facts.st_mtime_ns))
    return found

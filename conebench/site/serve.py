"""Serving a built site on this machine."""

import functools
import http.server
from collections.abc import Callable, Sequence
from pathlib import Path

from conebench.errors import StorageError
from conebench.site.files.find import find_records

HOST = "127.0.0.1"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder, without a log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""

    def end_headers(self) -> None:
        """Forbid caching: the site may be rebuilt at any time."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


class SiteServer(http.server.ThreadingHTTPServer):
    """Server of a folder on the loopback address.

    It calls `between` about twice a second. Port 0 takes any free one. Raises a StorageError if the
    port cannot be used.
    """

    def __init__(self, folder: Path, port: int, between: Callable[[], None] = lambda: None) -> None:
        # The loopback address is not reachable from other machines.
        handler = functools.partial(_Handler, directory=str(folder))
        self.between = between
        try:
            super().__init__((HOST, port), handler)
        except OSError as error:
            raise StorageError(f"port {port}: cannot be used: {error.strerror or error}") from None

    @property
    def address(self) -> str:
        """Address of the site for a browser."""
        return f"http://{HOST}:{self.server_port}"

    def service_actions(self) -> None:
        """Call `between`."""
        self.between()


def fingerprint(folders: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Return names, sizes and times of all records."""
    files = [file for file in find_records(folders) if file.path.is_file()]
    stats = [file.path.stat() for file in files]
    return [(f.label, s.st_size, s.st_mtime_ns) for f, s in zip(files, stats, strict=True)]

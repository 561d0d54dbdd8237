"""A built site on this machine's own address, for a look at it."""

import functools
import http.server
from pathlib import Path

from conebench.errors import StorageError

HOST = "127.0.0.1"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder; says nothing of requests."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Requests are not worth a line."""

    def end_headers(self) -> None:
        """Every file is read anew: the site may have been built again meanwhile."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


def site_server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    """A server of the folder on the loopback address, not yet serving; port 0: any free one.

    Raises a StorageError where the folder holds no site or the port is taken.
    """
    if not (folder / "index.html").is_file():
        raise StorageError(f"{folder}: holds no site, make one by `conebench leaderboard build`")
    handler = functools.partial(_Handler, directory=str(folder))
    try:
        return http.server.ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise StorageError(f"port {port}: cannot be used: {error.strerror or error}") from None

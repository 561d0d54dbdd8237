"""From errors to messages and exit codes, the same for every command."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from conebench.errors import ConebenchError
from conebench.storage.atomic_files import storage_error

# What a disk says that is full, read-only, someone else's or broken.
OF_THE_DISK = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
)


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Show an error raised on purpose as its lines on stderr and leave with its exit code."""
    try:
        yield
    except ConebenchError as error:
        show_error(error)
        raise typer.Exit(error.exit_code) from None
    except OSError as error:
        if error.errno not in OF_THE_DISK:
            raise
        found = storage_error(error)
        show_error(found)
        raise typer.Exit(found.exit_code) from None


def show_error(error: ConebenchError) -> None:
    """The lines of an error, on stderr."""
    typer.echo(str(error), err=True)

"""Turn errors into messages and exit codes, the same for every command."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from conebench.cli.terminal import echo
from conebench.errors import ConebenchError, InputError
from conebench.storage.atomic_files import storage_error

# Errors of a disk that is full, read-only, not accessible or broken.
DISK_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
)
# Errors of a name that cannot be that of a file.
NAME_ERRORS = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Print an expected error on stderr and exit with its code."""
    try:
        yield
    except ConebenchError as error:
        found = error
    except FileExistsError as error:
        found = InputError(f"{error.filename} already exists; nothing is overwritten")
    except OSError as error:
        if error.errno in NAME_ERRORS:
            found = InputError(f"{error.filename}: cannot be used: {error.strerror}")
        elif error.errno in DISK_ERRORS:
            found = storage_error(error)
        else:
            raise
    else:
        return
    show_error(found)
    raise typer.Exit(found.exit_code)


def show_error(error: ConebenchError, shown: set[str] | None = None) -> None:
    """Print an error on stderr, unless it is among those already shown."""
    text = str(error)
    # A missing dataset is missing for all specs of a matrix.
    if shown is None or text not in shown:
        echo(text, err=True)
    if shown is not None:
        shown.add(text)

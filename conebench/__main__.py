"""The `conebench` command."""

import os
import platform
import sys

from conebench import __version__
from conebench.dependencies import broken_dependency, outdated_dependency
from conebench.errors import ExitCode

WITHOUT_DEPENDENCIES = {"--version", "--help", "-h"}


def main() -> None:
    """Run the command line, or name the dependency that is broken."""
    if sys.argv[1:] == ["--version"]:
        _print_version()
        return
    if WITHOUT_DEPENDENCIES.isdisjoint(sys.argv):
        if platform.system() == "Windows":
            _leave_with("Windows is not supported: use WSL")
        if line := outdated_dependency():
            _leave_with(line)
    try:
        from conebench.cli import main as run_command

        run_command()
    except Exception as error:
        if line := broken_dependency(error):
            _leave_with(line)
        raise


def _print_version() -> None:
    """Print the version by itself, since typer may be what is broken."""
    try:
        print(f"conebench {__version__}", flush=True)  # noqa: T201
    except OSError as error:
        # Or Python would try to write it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            _leave_with(f"the output cannot be written: {error.strerror}")


def _leave_with(line: str) -> None:
    print(f"conebench: {line}", file=sys.stderr)  # noqa: T201
    sys.exit(ExitCode.ENVIRONMENT)


if __name__ == "__main__":
    main()

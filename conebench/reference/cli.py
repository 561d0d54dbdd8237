"""The reference of the command line as Markdown, written from the commands themselves.

`python -m conebench.reference.cli > docs/cli.md` renews the page.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.main import get_command

from conebench.cli import app
from conebench.errors import ExitCode

HEAD = """\
# Command line

Every command of `conebench`, with its options and exit codes.

`conebench COMMAND --help` (or `-h`) shows the same. Results go to stdout, progress and messages to
stderr.

"""
EXIT_HEAD = """
## Exit codes

| code | meaning |
|---|---|
"""
EXIT_TAIL = """
Of several specs, each is run whatever becomes of the others; the highest code is the command's.
With `--json`, stdout holds one JSON object a spec (status `complete`, `partial`, `failed`,
`interrupted` or `not run`) and everything else goes to stderr.

This page is written by `python -m conebench.reference.cli > docs/cli.md`, from the commands.
"""
MEANINGS = {
    ExitCode.OK: "all went well",
    ExitCode.BAD_INPUT: "a spec, a record or an option is not valid and nothing was run; or "
    "`check`, `verify` or `review` found what they look for",
    ExitCode.RUN_FAILED: "a run, or one of its stages, failed; the others are done",
    ExitCode.ENVIRONMENT: "the machine lacks something: data, a network, a device, disk space",
    ExitCode.INTERRUPTED: "interrupted; the same command continues",
}
WORDS = {Path: "PATH", int: "INTEGER", float: "NUMBER", str: "TEXT"}


def reference_markdown() -> str:
    """The page: one section a command, one row an argument or option, then the exit codes."""
    root = get_command(app)
    commands = "\n".join(_section(path, command) for path, command in _leaves("conebench", root))
    codes = "\n".join(f"| {int(code)} | {MEANINGS[code]} |" for code in ExitCode)
    top = "`conebench` itself:\n\n" + _table(_rows(root))
    return f"{HEAD}{top}\n{commands}{EXIT_HEAD}{codes}\n{EXIT_TAIL}"


def _leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command below a group, with the words that call it."""
    for name, found in command.commands.items():
        below = f"{path} {name}"
        yield from _leaves(below, found) if hasattr(found, "commands") else [(below, found)]


def _section(path: str, command: Any) -> str:
    arguments = [_argument(parameter) for parameter in _shown(command) if _is_argument(parameter)]
    usage = " ".join([path, *arguments, "[OPTIONS]"])
    rows = _rows(command)
    parts = [f"## {path}", f"    {usage}", inspect.cleandoc(command.help)]
    return "\n\n".join(parts + ([_table(rows)] if rows else [])).rstrip() + "\n"


def _table(rows: list[str]) -> str:
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _rows(command: Any) -> list[str]:
    kinds = get_type_hints(command.callback, include_extras=True)
    return [_row(parameter, kinds.get(parameter.name)) for parameter in _shown(command)]


def _shown(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]


def _row(parameter: Any, annotation: Any) -> str:
    if _is_argument(parameter):
        written = _argument(parameter)
    elif parameter.is_flag:
        written = ", ".join(parameter.opts)
    else:
        written = f"{', '.join(parameter.opts)} {parameter.metavar or _word(annotation)}"
    default = "required" if parameter.required else _default(parameter.default)
    return f"| `{written}` | {default} | {_meaning(parameter, annotation)} |"


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _word(annotation: Any) -> str:
    """What to write for a value: the first plain type within an annotation."""
    if annotation in WORDS:
        return WORDS[annotation]
    return next(word for part in get_args(annotation) if (word := _word(part)))


def _default(value: Any) -> str:
    if value is None or value is False:
        return "–"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _meaning(parameter: Any, annotation: Any) -> str:
    # Its bounds are elsewhere in each version of typer, but always where the option was written.
    option = next(iter(getattr(annotation, "__metadata__", ())), None)
    low, high = getattr(option, "min", None), getattr(option, "max", None)
    bounds = f"at least {low}" if high is None else f"{low} to {high}"
    return (parameter.help or "") + ("" if low is None else f" Allowed: {bounds}.")


if __name__ == "__main__":
    sys.stdout.write(reference_markdown())

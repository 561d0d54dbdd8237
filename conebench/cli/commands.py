"""Commands that are imported when they are called.

`conebench --help` prints their names and first lines without importing them: that takes a fifth of
the time, and what a command does not use does not slow it down.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

# Name and first line of each command's help; its module has the same name.
HELP = {
    "run": "Run specs: train, measure the kernels, compare the arms, write a record.",
    "plan": "Estimate operations, memory, disk and time of specs, layer by layer.",
    "status": "Show the stages of runs, their progress, and the time left.",
    "clean": "Remove stages that the last run of their spec no longer uses, and damaged files.",
    "validate": "Check specs without running them, and warn about weak choices.",
    "check": "Check records: schema, invariants, hashes, every figure, and their replications.",
    "show": "Print a record as text, or the specs of a file as YAML.",
    "verify": "Run a record's spec again on this machine and compare. Exit code 1 if they differ.",
    "list": "List the specs.",
    "new": "Write a new spec with comments. On a terminal, ask for model, dataset and title.",
    "schema": "Print the JSON Schema of specs, which lets editors complete and check them.",
    "submit": "Check a record as a pull request would, show the new board, and copy it into place.",
    "review": "Review proposed specs and records as pull requests are reviewed.",
    "findings": "Print the findings of the study, one sentence each.",
    "doctor": "Show packages, device, datasets and caches, what submit needs, and what is missing.",
    "leaderboard": "The static leaderboard site.",
}
# Functions that are not called as their command.
FUNCTIONS = {"list": "list_specs", "leaderboard": "app"}


class LazyCommands(TyperGroup):
    """Group that imports a command's module when the command is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, line in HELP.items():
            self.add_command(TyperCommand(name, help=line))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first argument names, imported."""
        if args[0] in HELP:
            self.add_command(load_command(args[0]), args[0])
        return super().resolve_command(ctx, args)

    def load_all(self) -> None:
        """Import all commands."""
        for name in HELP:
            self.add_command(load_command(name), name)


def load_command(name: str) -> Any:
    """Import a command and return it."""
    found = getattr(import_module(f"conebench.cli.{name}"), FUNCTIONS.get(name, name))
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)

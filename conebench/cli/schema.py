"""`conebench schema`."""

import json
from typing import Annotated

import typer

from conebench.cli.terminal import echo


def schema(
    record: Annotated[bool, typer.Option("--record", help="The schema of records.")] = False,
) -> None:
    """Print the JSON Schema of specs, which lets editors complete and check them.

    It is kept as specs/spec.schema.json. A spec's first line refers to it:
    `# yaml-language-server: $schema=spec.schema.json`.
    """
    from conebench.record.json_schema import record_json_schema
    from conebench.spec.json_schema import spec_json_schema

    found = record_json_schema() if record else spec_json_schema()
    echo(json.dumps(found, indent=1))

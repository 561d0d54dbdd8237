"""`conebench schema`."""

import json
from typing import Annotated

import typer


def schema(
    record: Annotated[bool, typer.Option("--record", help="Of records, not of specs.")] = False,
) -> None:
    """Print the JSON Schema of specs, for completion in editors.

    Kept as specs/spec.schema.json; a spec names it in its first line,
    `# yaml-language-server: $schema=spec.schema.json`.
    """
    from conebench.record.json_schema import record_json_schema
    from conebench.spec.json_schema import spec_json_schema

    found = record_json_schema() if record else spec_json_schema()
    typer.echo(json.dumps(found, indent=1))

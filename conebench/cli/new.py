"""`conebench new NAME`."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.options import Imports
from conebench.cli.terminal import echo
from conebench.cli.validate import own_models
from conebench.errors import InputError
from conebench.spec import load_spec, load_specs, shipped_spec, shipped_specs
from conebench.spec.composition import settings_patch
from conebench.spec.datasets import DATASETS
from conebench.spec.draft import NEEDED, SCHEMA_FILE, draft_spec
from conebench.spec.json_schema import spec_json_schema
from conebench.spec.model_names import known_models, model_hint
from conebench.spec.section import NAME
from conebench.spec.yaml_text import yaml_text
from conebench.storage.atomic_files import whole_file, write_new
from conebench.text import did_you_mean

# The field to set instead of each option that --extends does not take.
FIELD_OF_OPTION = {
    "model": "model.name",
    "dataset": "dataset.name",
    "steps": "training.steps",
    "batch_size": "training.batch_size",
    "learning_rate": "training.optimizer.learning_rate",
}


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the spec and its file, in lower case.")],
    title: Annotated[str | None, typer.Option(help="Title on the board.")] = None,
    model: Annotated[str | None, typer.Option(help="A timm model, such as resnet18.")] = None,
    dataset: Annotated[str | None, typer.Option(help=f"One of {', '.join(DATASETS)}.")] = None,
    steps: Annotated[int, typer.Option(help="Training steps.", min=8)] = 10_000,
    batch_size: Annotated[int, typer.Option(help="Images per step.", min=1)] = 128,
    learning_rate: Annotated[float, typer.Option(help="For SGD with momentum 0.9.")] = 0.1,
    extends: Annotated[
        str | None,
        typer.Option(help="Write only what differs from this spec of the folder, see --set."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="A field of the dataset, such as dataset.image_size=32, or with --extends any "
            "field to change; repeatable.",
        ),
    ] = None,
    imports: Imports = None,
    folder: Annotated[Path, typer.Option(help="Folder of the new file.")] = Path("specs"),
) -> None:
    """Write a new spec with comments. On a terminal, ask for model, dataset and title."""
    with errors_as_exit_codes():
        path = folder / f"{name}.yaml"
        _check_text(title=[title or ""], set=settings or [])
        _check_name(name, path)
        if extends is None:
            own = own_models(imports or [])
            fields = _dataset_fields(settings or [])
            lengths = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate}
            text = _drafted(name, title, model, dataset, own=own, fields=fields, **lengths)
        else:
            _check_options(context)
            text = _extending(name, title, extends, settings or [], folder)
        try:
            _write(path, text)
        except InputError as error:
            if extends is not None:
                # Problems of settings also say which other fields to set.
                load_specs(_extended(extends, folder), settings_patch(settings or []))
            # The file is not there any more.
            raise InputError(re.sub(rf"^{re.escape(str(path))}:\d+: ", "", str(error))) from None
    command = " ".join([str(path), *(f"--import {module}" for module in imports or ())])
    # The folder of images is looked for under it.
    has_folder = any(setting.startswith("dataset.folder=") for setting in settings or ())
    root = " --data-root FOLDER" if has_folder else ""
    echo(f"wrote {path}; now: conebench validate {command}, conebench plan {command}{root}")


def _check_text(**options: Sequence[str]) -> None:
    """Refuse bytes that are not UTF-8, which Python reads as surrogates."""
    for option, values in options.items():
        for value in values:
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InputError(f"--{option}: got {value!a}, expected UTF-8") from None


def _check_name(name: str, path: Path) -> None:
    if not re.fullmatch(NAME, name):
        raise InputError(f"NAME: got {name!r}, expected up to 64 of a-z, 0-9, '.', '_' and '-'")
    if (shipped_specs() / path.name).is_file() and not path.exists():
        # A command would take the shipped one for this name.
        raise InputError(f"NAME: got {name!r}, the name of a shipped spec; choose another")


def _drafted(
    name: str,
    title: str | None,
    model: str | None,
    dataset: str | None,
    *,
    own: frozenset[str],
    fields: Mapping[str, Any],
    **lengths: Any,
) -> str:
    chosen_model = model or _asked("model", "cifar_resnet20")
    if chosen_model not in own:
        _check_model(chosen_model)
    chosen_dataset = dataset or _asked("dataset", "cifar10")
    _check_dataset(chosen_dataset, fields)
    images = fields.get("folder") or fields.get("repo") or chosen_dataset
    chosen_title = title or _asked("title", f"{chosen_model} on {images}")
    try:
        return draft_spec(
            name, chosen_title, chosen_model, chosen_dataset, fields=fields, **lengths
        )
    except ValueError as error:
        raise InputError(f"--steps: {error}") from None


def _dataset_fields(settings: Sequence[str]) -> dict[str, Any]:
    """Return the fields of the dataset that --set gives."""
    patch = settings_patch(settings)
    data = {} if patch is None else patch.data
    others = sorted(set(data) - {"dataset"})
    fields = data.get("dataset", {})
    if others or not isinstance(fields, dict) or "name" in fields:
        got = (others or ["dataset.name" if isinstance(fields, dict) else "dataset"])[0]
        raise InputError(
            f"--set: got {got}; without --extends, expected fields of the dataset, such as "
            "dataset.image_size=32"
        )
    return fields


def _check_dataset(name: str, fields: Mapping[str, Any]) -> None:
    if name not in DATASETS:
        raise InputError(f"--dataset: got {name!r}, expected one of {', '.join(DATASETS)}")
    missing = [field for field in NEEDED.get(name, ()) if field not in fields]
    if missing:
        options = ", ".join(f"--set dataset.{field}=..." for field in missing)
        raise InputError(f"--dataset: {name} needs {options}")


def _check_options(context: typer.Context) -> None:
    """Refuse options that would be ignored."""
    for option, field in FIELD_OF_OPTION.items():
        source = context.get_parameter_source(option)
        if source is not None and source.name == "COMMANDLINE":
            value = context.params[option]
            raise InputError(
                f"--{option.replace('_', '-')}: not with --extends; use --set {field}={value}"
            )


def _extending(
    name: str, title: str | None, extends: str, settings: Sequence[str], folder: Path
) -> str:
    """Return a spec that changes some fields of another one of the folder."""
    path = _extended(extends, folder)
    patch = settings_patch(settings)
    if patch is None:
        raise InputError("--extends: needs a field to change, --set FIELD=VALUE")
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.yaml"))
        hint = did_you_mean(path.stem, known)
        if shipped_spec(Path(path.stem)):
            hint = f"; to copy the shipped one: conebench show {path.stem} > {path}"
        raise InputError(f"--extends: got {extends!r}, expected a spec in {folder}{hint}")
    changes = ", ".join(settings)
    head = {
        "extends": path.name,
        "name": name,
        "title": title or f"{load_spec(path).title}, {changes}",
    }
    return f"# yaml-language-server: $schema={SCHEMA_FILE}\n{yaml_text(head | patch.data)}"


def _extended(extends: str, folder: Path) -> Path:
    return folder / f"{Path(extends).name.removesuffix('.yaml')}.yaml"


def _check_model(name: str) -> None:
    """Raise an InputError for a model that timm and conebench do not have."""
    if name.partition(".")[0] not in known_models():
        hint = model_hint(name)
        raise InputError(
            f"--model: got {name!r}, expected a model of timm, conebench or --import{hint}"
        )


def _asked(field: str, default: str) -> str:
    """Return the answer, or the default without a terminal."""
    if not sys.stdin.isatty():
        return default
    answer: str = typer.prompt(field, default=default)
    return answer


def _write(path: Path, text: str) -> None:
    """Write a new, valid spec, and the schema for editors next to it."""
    write_new(path, text.encode())
    try:
        load_spec(path)
    except InputError:
        path.unlink()
        raise
    schema = path.with_name(SCHEMA_FILE)
    if not schema.exists():
        with whole_file(schema) as temporary:
            temporary.write_text(json.dumps(spec_json_schema(), indent=1) + "\n", encoding="utf-8")

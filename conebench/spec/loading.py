"""Read spec files into Specs, or report every problem with its file and line."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from conebench.errors import SpecError
from conebench.spec.advice import advice
from conebench.spec.checks import Problem, cross_field_problems
from conebench.spec.composition import Composed, compose, settings_patch
from conebench.spec.schema import Spec
from conebench.spec.schema_problems import spec_problems
from conebench.spec.section import content_hash
from conebench.text import did_you_mean, flatten, one_line

# Names of smoke runs end in this, those of runs with --set in this and a hash.
SMOKE_SUFFIX = ".smoke"
CHANGED_SUFFIX = ".set-"
RESERVED = {SMOKE_SUFFIX: "smoke runs", CHANGED_SUFFIX: "runs with --set"}
MAX_NAME, MAX_TITLE = 64, 120
MAX_LISTED = 10
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class LoadedSpec:
    """A resolved spec, its file, and the data written there."""

    file: Path
    spec: Spec
    written: Composed

    @property
    def written_name(self) -> str:
        """The name that the file gives it, which --set does not change."""
        return str(self.written.data["name"])

    def located(self, error: SpecError) -> SpecError:
        """Return the error with the file and line of its field in front.

        An error without a field is about another file, such as an image, and stays as it is.
        """
        if error.parts:
            return SpecError("\n".join(str(self.located(part)) for part in error.parts))
        if not error.field:
            return error
        place = self.written.place(tuple(error.field.split(".")))
        return SpecError(f"{place}: {error}")

    def warnings(self) -> list[str]:
        """Return what a reviewer would criticize, one line each."""
        return _lines(self.written, advice(self.spec), "warning: ")


def load_specs(path: Path | str, patch: Composed | None = None) -> list[LoadedSpec]:
    """Load every spec of one file: several if it has a matrix.

    With a patch, its fields replace those of every spec, which gets a name of its own.

    Raises a SpecError with one line per problem, `file:line: field: got X, expected Y`, which
    names the variants of a matrix that have it.
    """
    path = Path(path)
    loaded = []
    problems: dict[str, list[str]] = {}
    unfit: dict[str, None] = {}
    composed = compose(path)
    if patch:
        composed = [replace(found.merged(patch), variant=found.variant) for found in composed]
    for written in composed:
        try:
            # As JSON, where pydantic's strict mode accepts lists for tuples.
            spec = Spec.model_validate_json(json.dumps(written.data))
        except ValidationError as error:
            found = spec_problems(error, written.data)
            if patch:
                unfit |= dict.fromkeys(_of_another_optimizer(found, patch))
        else:
            resolved = spec.resolved()
            between_fields = cross_field_problems(resolved)
            found = [
                *_given_twice(spec),
                *_wrong_name(spec, path, written.variant),
                *between_fields,
            ]
            if patch:
                unfit |= dict.fromkeys(_not_set(between_fields, patch))
            named = _renamed(resolved, patch) if patch else resolved
            loaded.append(LoadedSpec(path, named, written))
        for line in _lines(written, found):
            problems.setdefault(line, []).append(written.variant or "")
    if problems:
        lines = [line + _of(variants, len(composed)) for line, variants in problems.items()]
        if unfit:
            lines.append(f"set also {' and '.join(unfit)}")
        raise SpecError("\n".join(lines))
    return loaded


def _not_set(problems: Iterable[Problem], patch: Composed) -> list[str]:
    """Return settings of the fields with problems that the patch does not set."""
    fields = (problem.field for problem in problems if problem.field not in patch.places)
    return [f"{'.'.join(map(str, field))}=..." for field in fields]


def _of_another_optimizer(problems: Iterable[Problem], patch: Composed) -> list[str]:
    """Return settings that remove the fields which the optimizer of a patch does not have."""
    at = ("training", "optimizer")
    training = patch.data.get("training")
    optimizer = training.get("optimizer") if isinstance(training, dict) else None
    if not isinstance(optimizer, dict) or "name" not in optimizer:
        return []
    unknown = [p.field for p in problems if p.message.startswith("unknown field")]
    left = [field for field in unknown if field[:2] == at and field not in patch.places]
    return [f"{'.'.join(map(str, field))}=null" for field in left if field[2] not in optimizer]


def _renamed(spec: Spec, patch: Composed) -> Spec:
    """Give a changed spec a name that no file may have, and a title that tells the change."""
    suffix = f"{CHANGED_SUFFIX}{content_hash(patch.data)[:8]}"
    changes = ", ".join(f"{field}={json.dumps(value)}" for field, value in flatten(patch.data))
    # The change is what tells such runs apart, so the title is cut first.
    title = f"{spec.title[: max(0, MAX_TITLE - len(changes) - 2)]}, {changes}"
    update = {"name": spec.name[: MAX_NAME - len(suffix)] + suffix, "title": title[:MAX_TITLE]}
    return spec.model_copy(update=update)


def load_spec(path: Path | str) -> Spec:
    """Load the one spec of a file, as `load_specs` does."""
    loaded = load_specs(path)
    if len(loaded) > 1:
        raise SpecError(f"{path}: got {len(loaded)} specs, expected one")
    return loaded[0].spec


def load_valid(
    files: Iterable[Path], patch: Composed | None = None
) -> tuple[list[LoadedSpec], list[str]]:
    """Load the valid specs of files, and return the problems of the others, one per line."""
    loaded: list[LoadedSpec] = []
    problems = []
    for file in files:
        try:
            loaded += load_specs(file, patch)
        except SpecError as error:
            problems += str(error).split("\n")
    return loaded, problems + _repeated_names(loaded)


def load_all(
    paths: Iterable[Path], names: Collection[str] = (), settings: Iterable[str] = ()
) -> list[LoadedSpec]:
    """Load every spec of files and folders, or only those with the given names.

    `settings` are fields to change, each as FIELD=VALUE.

    Raises a SpecError if a spec is not valid, two share a name, or a name is unknown.
    """
    loaded, problems = load_valid(find_specs(paths), settings_patch(settings))
    if problems:
        # Files that share a setting share its problem.
        raise SpecError("\n".join(dict.fromkeys(problems)))
    known = [found.written_name for found in loaded]
    for name in names:
        if name not in known:
            listed = ", ".join(known[:MAX_LISTED]) + (", ..." if len(known) > MAX_LISTED else "")
            hint = did_you_mean(name, known)
            raise SpecError(f"--name: got {name!r}, expected one of {listed}{hint}")
    return [found for found in loaded if not names or found.written_name in names]


def _repeated_names(loaded: Iterable[LoadedSpec]) -> list[str]:
    """Return one line for each spec whose name an earlier one has."""
    first: dict[str, LoadedSpec] = {}
    lines = []
    for found in loaded:
        earlier = first.setdefault(found.spec.name, found)
        if earlier is not found:
            lines.append(
                f"{found.written.place(('name',))}: name: got {found.spec.name!r} twice, "
                f"also in {earlier.file}; expected each name once"
            )
    return lines


def find_specs(paths: Iterable[Path]) -> list[Path]:
    """Return the given files, the `*.yaml` files of given folders, and shipped specs by name."""
    found = []
    for path in paths:
        inside = sorted(path.glob("*.yaml")) if path.is_dir() else [_shipped(path) or path]
        if not inside:
            raise SpecError(f"{path}: the folder has no *.yaml file")
        found += inside
    return found


def shipped_specs() -> Path:
    """Return the folder of the specs that conebench is shipped with."""
    package = Path(__file__).parents[1]
    installed = package / "shipped_specs"
    # A checkout has them next to the package.
    return installed if installed.is_dir() else package.parent / "specs"


def shipped_spec(path: Path) -> Path | None:
    """Return the shipped spec that a bare name stands for, None if there is none."""
    file = shipped_specs() / f"{path}.yaml"
    is_name = not path.exists() and len(path.parts) == 1
    return file if is_name and file.is_file() else None


def _shipped(path: Path) -> Path | None:
    """Return the shipped spec that a bare name stands for, None if the path is no bare name."""
    if path.exists():
        return None
    names = sorted(shipped.stem for shipped in shipped_specs().glob("*.yaml"))
    if path.suffix in SUFFIXES:
        if path.stem in names:
            raise SpecError(f"{path}: no such file; did you mean {path.stem}, a shipped spec?")
        return None
    if len(path.parts) == 1 and path.name not in names:
        own = Path("specs") / f"{path}.yaml"
        hint = f"; did you mean {own}?" if own.is_file() else did_you_mean(str(path), names)
        raise SpecError(f"{path}: got neither a file nor a shipped spec's name{hint}")
    return shipped_spec(path)


def _given_twice(spec: Spec) -> list[Problem]:
    # A resolved spec has steps in either case, so this rule looks at the spec as written.
    if spec.training.steps is None or spec.training.epochs is None:
        return []
    message = "give either training.steps or training.epochs, not both"
    return [Problem(("training", "epochs"), message)]


def _wrong_name(spec: Spec, path: Path, variant: str | None) -> list[Problem]:
    name = path.stem + (f"-{variant}" if variant else "")
    if spec.name != name:
        return [Problem(("name",), f"got {spec.name!r}, expected the file's name {name!r}")]
    for suffix, runs in RESERVED.items():
        if suffix in name:
            return [Problem(("name",), f"got {name!r}, but {suffix!r} is kept for {runs}")]
    return []


def _lines(written: Composed, problems: Iterable[Problem], kind: str = "") -> list[str]:
    return [
        f"{written.place(problem.field)}: {kind}"
        + one_line(f"{'.'.join(map(str, problem.field)) or 'spec'}: {problem.message}")
        for problem in problems
    ]


def _of(variants: list[str], count: int) -> str:
    """Name the variants of a matrix that have a problem, unless all of them do."""
    if len(variants) == count:
        return ""
    more = len(variants) - 1
    return f" (in {variants[0]}{f' and {more} more' if more else ''})"

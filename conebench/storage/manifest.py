"""The manifest of a run folder: planned stages, and why stored ones are stale."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from conebench.storage.store import StageKey, StageResult, Store
from conebench.text import flatten

LONGEST_VALUE = 40
MOST_CHANGES = 3


@dataclass(frozen=True)
class Planned:
    """One stage that a run plans.

    Stages of one `kind` take about the same time for the same work.
    """

    label: str
    seed: int
    stage: StageKey
    # In passes of one image through the network, over steps `first` to `last`.
    work: float
    first: int
    last: int
    # Manifests of older versions do not say it.
    kind: str = ""
    # The inputs in which the stage differs from the one stored under its label.
    stale: str = ""


@dataclass(frozen=True)
class Manifest:
    """Planned stages, and the last other stage of each label."""

    stages: tuple[Planned, ...] = ()
    before: tuple[Planned, ...] = ()

    def find(self, label: str) -> Planned | None:
        """Find the stage of this label, planned now or before."""
        return next((p for p in (*self.stages, *self.before) if p.label == label), None)


def read_manifest(store: Store) -> Manifest:
    """Read the manifest of a folder. Empty if there is none."""
    data = store.manifest() or {"stages": [], "before": []}
    return Manifest(*(tuple(map(_planned, data[part])) for part in ("stages", "before")))


def _planned(data: dict[str, Any]) -> Planned:
    return Planned(**{**data, "stage": StageKey(**data["stage"])})


def update_manifest(store: Store, stages: Sequence[Planned]) -> Manifest:
    """Write the manifest of these stages, and why stored ones are stale."""
    old = read_manifest(store)
    planned_now = [(planned.label, planned.stage) for planned in stages]
    # Kept, so that a later run can still say what has changed since.
    before = {
        planned.label: planned
        for planned in (*old.before, *old.stages)
        if (planned.label, planned.stage) not in planned_now and store.has_result(planned.stage)
    }
    manifest = Manifest(
        tuple(replace(planned, stale=_why_stale(store, planned, old)) for planned in stages),
        tuple(before.values()),
    )
    store.save_manifest(asdict(manifest))
    return manifest


def _why_stale(store: Store, planned: Planned, old: Manifest) -> str:
    known = old.find(planned.label)
    if known is None or store.has_result(planned.stage):
        return ""
    # Still not computed: the reason is that of an earlier plan.
    if known.stage == planned.stage:
        return known.stale
    # No result is lost, so nothing is computed a second time.
    if not store.has_result(known.stage):
        return ""
    changes = describe_changes(_but_code(known.stage), _but_code(planned.stage))
    before, now = (stage.inputs.get("code") for stage in (known.stage, planned.stage))
    by = "" if before == now else describe_code(store.result(known.stage))
    return "; ".join(filter(None, (by, changes)))


def _but_code(stage: StageKey) -> dict[str, Any]:
    # Two hashes of code say nothing to a reader; describe_code names the commit.
    return {name: value for name, value in stage.inputs.items() if name != "code"}


def describe_code(stored: StageResult | None) -> str:
    """Name the code of a result: `computed by other code (commit abc1234, changed)`."""
    code = stored.code if stored else None
    if code is None or code["git_commit"] is None:
        return "computed by other code"
    changed = ", changed" if code["git_dirty"] else ""
    return f"computed by other code (commit {code['git_commit'][:7]}{changed})"


def describe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Name the fields in which two inputs differ, as `training.batch_size: 20 -> 40`."""
    old, new = dict(flatten(before)), dict(flatten(after))
    # Texts are compared first: a field that one side lacks has no value. Values differ even if
    # their texts are cut to the same beginning.
    changes = [
        f"{field}: {_shown(old, field)} -> {_shown(new, field)}"
        for field in {**old, **new}
        if _shown(old, field) != _shown(new, field) or old[field] != new[field]
    ]
    more = len(changes) - MOST_CHANGES
    return "; ".join(changes[:MOST_CHANGES] + ([f"{more} more"] if more > 0 else []))


def _shown(fields: Mapping[str, Any], field: str) -> str:
    text = str(fields.get(field, "absent"))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."

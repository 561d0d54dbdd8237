"""Tables of a record's page."""

from collections.abc import Iterable

from conebench.record import ArmResult, Provenance, Record, SeedResult
from conebench.record.quantities import (
    QUANTITIES,
    STRENGTH,
    UNDEFINED,
    Quantity,
    degrees,
    distance,
    interval_or_reason,
    optional,
    percent,
    strength_interval,
    two_decimals,
    whole,
)
from conebench.site.charts.table import Table, table_of
from conebench.site.record_page.views import WINDOW_COLUMNS
from conebench.text import of_one

GRID_NOTE = (
    "Linear arms and probes use the learning rate with the best accuracy on validation images; "
    "controls use the rate of their switched arm."
)


def figures_table(record: Record) -> Table:
    """Return every summary figure with interval and meaning."""
    rows = []
    for quantity in QUANTITIES:
        estimate = getattr(record.figures, quantity.field)
        cells = {
            "Figure": quantity.symbol,
            "Value": quantity.value(estimate),
            "95 % interval": _interval(record, quantity),
            "Seeds": f"{estimate.seeds if estimate else 0} of {len(record.spec.seeds)}",
            "Meaning": quantity.meaning,
        }
        rows.append(cells)
    return table_of(rows)


def _interval(record: Record, quantity: Quantity) -> str:
    """Write the interval of a figure, or why there is none."""
    estimate = getattr(record.figures, quantity.field)
    if estimate is None:
        return of_one(record.figures.undefined.get(quantity.field, UNDEFINED))
    written = interval_or_reason(quantity.number, estimate)
    if quantity is not STRENGTH:
        return written
    return strength_interval(estimate, record.figures.contributions) or written


def seeds_table(record: Record) -> Table:
    """Return phases and late window of each seed."""
    return table_of([_seed_cells(seed) for seed in record.seeds])


def _seed_cells(seed: SeedResult) -> dict[str, str]:
    phases = seed.phases
    agreement = "differ by more than a factor of 2" if phases.estimators_disagree else "agree"
    window = {
        name: optional(number, getattr(seed.window, field))
        for name, (number, field) in WINDOW_COLUMNS.items()
    }
    return {
        "Seed": str(seed.seed),
        "Outcome": seed.outcome,
        "T*, settling time": optional(whole, phases.T_star),
        "T*, change point": optional(whole, phases.change_point),
        "Estimators": UNDEFINED if phases.T_star is None else agreement,
        "T_fit": optional(whole, seed.T_fit),
        **window,
        "Floor": optional(distance, seed.window.floor),
        "Drift": optional(two_decimals, seed.window.drift),
    }


def stretches_table(record: Record) -> Table | None:
    """Return the cone after each drop of the rate, if any."""
    rows = [
        {
            "Seed": str(seed.seed),
            "Steps": f"{whole(stretch.start)} to {whole(stretch.end)}",
            "Settled at": optional(whole, stretch.settled),
            "Floor": distance(stretch.floor),
            "Half-angle": degrees(stretch.half_angle_deg),
            "Axis turned by": optional(degrees, stretch.axis_turn_deg),
        }
        for seed in record.seeds
        for stretch in seed.stretches or ()
    ]
    return table_of(rows) if rows else None


def arms_table(record: Record) -> Table:
    """Return accuracy at T by arm and seed."""
    arms: dict[str, dict[int, ArmResult]] = {}
    for seed in record.seeds:
        for arm in seed.arms:
            name = arm_name(record, arm)
            arms.setdefault(name, {})[seed.seed] = arm
    rows = [
        {
            "Arm": name,
            "Learning rate": ", ".join(dict.fromkeys(_rate_text(a, record) for a in by.values())),
            **{
                f"seed {seed.seed}": _end_text(by[seed.seed], name) if seed.seed in by else "–"
                for seed in record.seeds
            },
        }
        for name, by in arms.items()
    ]
    return table_of(rows, GRID_NOTE if _has_grid(record) else "")


def _rate_text(arm: ArmResult, record: Record) -> str:
    """Write the constant rate of an arm, or "schedule"."""
    # Before schema 1.2 only the spec has it.
    chosen = record.spec.linearization.learning_rate
    rate = arm.learning_rate
    if rate is None and arm.arm != "full" and isinstance(chosen, float):
        rate = chosen
    return "schedule" if rate is None else f"{rate:g}"


def _has_grid(record: Record) -> bool:
    return isinstance(record.spec.linearization.learning_rate, tuple)


def arm_name(record: Record, arm: ArmResult) -> str:
    """Write an arm with its step, as docs/method.md does."""
    if arm.arm in ("full", "lazy"):
        return arm.arm
    # Steps that the spec does not name are the T* of each seed.
    if arm.step not in record.spec.switching.steps:
        return f"{arm.arm}(T*)"
    at_w = " = w" if arm.step == record.figures.w else ""
    return f"{arm.arm}({optional(whole, arm.step)}{at_w})"


def _end_text(arm: ArmResult, name: str) -> str:
    start = f", from {optional(whole, arm.step)}" if name.endswith("(T*)") else ""
    if arm.status != "finished":
        return f"diverged at step {optional(whole, arm.diverged_at)}{start}"
    accuracy = UNDEFINED if arm.test_accuracy is None else f"{percent(arm.test_accuracy)} %"
    return f"{accuracy}{start}"


def provenance_table(record: Record) -> Table:
    """Return network, data, machine and versions of a run."""
    data, made = record.data, record.provenance
    rows = [
        ("Network", f"{record.spec.model.name}, {record.model.parameters:,} parameters"),
        *_imported(record),
        (
            "Data",
            f"{data.name}: {data.train_images:,} training and {data.test_images:,} test images, "
            f"{data.classes} classes, {data.channels} × {data.image_size} × {data.image_size}",
        ),
        ("Data hash (SHA-256)", data.hash),
        ("Spec hash (SHA-256)", record.spec.hash),
        ("Device", device_text(made)),
        ("Platform", made.platform),
        ("Kernels", _kernels_text(record)),
        ("Method", f"figures recomputed by version {record.method}"),
        ("Made at", made.created_at),
        ("Wall time", f"{made.wall_seconds:,.0f} s"),
        ("Versions", _sorted_list(f"{name} {version}" for name, version in made.versions.items())),
        ("Commit of conebench", commit_text(made)),
    ]
    return Table(("Item", "Value"), tuple(rows))


def _imported(record: Record) -> list[tuple[str, str]]:
    found = [f"{m.module} ({m.package or 'not published'})" for m in record.model.imported or ()]
    return [("Imported", ", ".join(found))] if found else []


def _kernels_text(record: Record) -> str:
    """Write probe set, construction and error of the kernels."""
    kernel, build = record.spec.kernel, record.provenance.kernel_build
    parts = [f"{kernel.samples:,} images, {kernel.outputs}, {kernel.dtype}"]
    if build is not None:
        passes = f"{build.passes} pass{'' if build.passes == 1 else 'es'}"
        parts.append(f"{passes}, {build.samples_at_once:,} images at a time")
    # Records before schema 1.1 have no self-check.
    checks = [seed.kernel.self_check for seed in record.seeds]
    errors = [error for check in checks if check for error in check.relative_error]
    parts.append(f"self-check {max(errors):.0e}" if errors else "no self-check")
    return "; ".join(parts)


def device_text(made: Provenance) -> str:
    """Write the device, its threads and processes."""
    return f"{made.device}: {made.device_name}, {_threads_text(made.cpu_threads, made.jobs)}"


def _threads_text(count: int, jobs: int | None) -> str:
    together = f" in each of {jobs} processes side by side" if jobs and jobs > 1 else ""
    return f"{count} CPU thread{'' if count == 1 else 's'}{together}"


def _sorted_list(items: Iterable[str]) -> str:
    return ", ".join(sorted(items)) or UNDEFINED


def commit_text(made: Provenance) -> str:
    """Write the commit of the code."""
    if made.git_commit is None:
        return "not known"
    return f"{made.git_commit}, with local changes" if made.git_dirty else made.git_commit

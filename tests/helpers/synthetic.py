"""Kernel trajectories and records whose answer is known, for tests."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from conebench.analysis.barrier import barrier
from conebench.analysis.distance import FloatArray
from conebench.record import (
    METHOD,
    SCHEMA_VERSION,
    ArmCurve,
    ArmResult,
    AveragedTrajectory,
    ChaosResult,
    DataFacts,
    GroupTrajectory,
    KernelTrajectory,
    KernelView,
    ModelFacts,
    Provenance,
    Record,
    SeedResult,
    TrainingCurve,
    derive_seed,
    derive_summary,
    lower_triangle,
    pack_bits,
    recompute,
)
from conebench.record.compare import compare_records
from conebench.record.replication import Replication, attest, replication_path, replication_text
from conebench.spec import Spec
from conebench.spec.arms import plan_arms

BASE_SPEC = {
    "name": "synthetic",
    "title": "A synthetic run",
    "model": {"name": "cifar_resnet20"},
    "dataset": {"name": "digits"},
    "training": {
        "steps": 1000,
        "batch_size": 64,
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9},
    },
    "switching": {"steps": [100, 300, 500]},
    "kernel": {"samples": 50, "checkpoints": {"every": 50, "extra": [5, 20]}},
    "seeds": [0, 1, 2, 3, 4],
}
TEST_IMAGES, CLASSES = 360, 10


def make_spec(**changes: object) -> Spec:
    """The base spec with whole sections replaced, resolved."""
    return Spec.model_validate({**BASE_SPEC, **changes}, strict=False).resolved()


def turning_kernels(
    steps: np.ndarray,
    *,
    settle: int,
    turn_deg: float,
    noise: float,
    seed: int,
    dimension: int = 400,
    memory: float = 0.0,
) -> FloatArray:
    """Unit vectors that turn by `turn_deg` until step `settle`, then jitter about an axis.

    Without `memory` the jitter is independent from checkpoint to checkpoint, so alpha is 0; with
    it, each is that share of the one before, and alpha comes near 1. Its angle from the axis is
    arctan(noise).
    """
    rng = np.random.default_rng(seed)
    start, axis = np.eye(dimension)[:2]
    angle = np.radians(turn_deg) * np.minimum(steps / settle, 1.0)
    path = np.sin(angle)[:, None] * axis + np.cos(angle)[:, None] * start
    jitter = rng.normal(size=(len(steps), dimension))
    for i in range(1, len(jitter)):
        jitter[i] = memory * jitter[i - 1] + np.sqrt(1 - memory**2) * jitter[i]
    jitter[:, :2] = 0
    jitter /= np.linalg.norm(jitter, axis=1, keepdims=True)
    moved = path + noise * jitter * (steps > 0)[:, None]
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def make_gram(steps: np.ndarray, **shape: float) -> FloatArray:
    """G of `turning_kernels`."""
    h = turning_kernels(steps, **shape)  # type: ignore[arg-type]
    G = np.clip(h @ h.T, 0, 1)
    np.fill_diagonal(G, 1.0)
    return G


def make_kernel(spec: Spec, seed: int, **shape: float) -> KernelTrajectory:
    """The kernels of one seed; of a `full` one, the views have the shape, and it jitters more."""
    steps = np.array(spec.checkpoint_steps)

    def trajectory(G: FloatArray, scale: float, spread: float) -> dict[str, list]:
        return {
            "steps": steps.tolist(),
            "gram": lower_triangle(G),
            "gram_centred": lower_triangle(G),
            "norm": (spread * scale * (100 + steps / 10)).tolist(),
            "trace": (scale * (300 + steps / 10)).tolist(),
            "top_eigenvalue_share": [0.3] * len(steps),
            "label_alignment": (0.1 + 0.4 * steps / steps[-1]).tolist(),
        }

    G = make_gram(steps, seed=seed, **shape)
    averaged = make_averaged(spec, seed, **shape) if spec.kernel.averaged else None
    if spec.kernel.outputs != "full":
        return KernelTrajectory(**trajectory(G, 1, 1), averaged=averaged)
    full = make_gram(steps, seed=seed + 1000, **{**shape, "noise": 2 * shape["noise"]})
    other = make_gram(steps, seed=seed + 2000, **shape)
    return KernelTrajectory(
        **trajectory(full, CLASSES, 0.5),
        views=[
            KernelView(name="trace", **trajectory(G, 1, 1)),
            KernelView(name="sum", **trajectory(other, 1, 1)),
        ],
        averaged=averaged,
    )


def make_averaged(spec: Spec, seed: int, **shape: float) -> AveragedTrajectory:
    """Kernels at averaged weights, which jitter a little less."""
    steps = np.array(
        [t for t in spec.checkpoint_steps if t and t % spec.kernel.checkpoints.every == 0]
    )
    G = make_gram(steps, seed=seed + 3000, **{**shape, "noise": 0.9 * shape["noise"]})
    return AveragedTrajectory(steps=steps.tolist(), gram=lower_triangle(G), norm=[1.0] * len(steps))


ACCURACIES = {
    "full": lambda _: 0.95,
    "lazy": lambda _: 0.60,
    "switched": lambda s: 0.6 + 0.3 * min(1, s / 300),
    "control": lambda _: 0.92,
    "probe": lambda s: 0.4 + 0.3 * min(1, s / 300),
}


def make_arm(spec: Spec, name: str, step: int | None, seed: int) -> ArmResult:
    """An arm whose accuracy follows from its switch step, and a little from its seed."""
    count = round((ACCURACIES[name](step) + 0.003 * seed) * TEST_IMAGES)
    # Every arm gets the easy images right.
    correct = np.random.default_rng(0).permutation(TEST_IMAGES) < count
    later = [t for t in spec.checkpoint_steps if t > (step or 0)]
    curve = ArmCurve(
        steps=later,
        train_loss=(2.3 * np.exp(-np.array(later) / 300)).tolist(),
        test_loss=[0.2] * len(later),
        test_accuracy=[count / TEST_IMAGES] * len(later),
    )
    return ArmResult(
        arm=name,
        step=step,
        status="finished",
        diverged_at=None,
        test_accuracy=count / TEST_IMAGES,
        test_loss=0.2,
        correct=pack_bits(correct),
        curve=None if name == "full" else curve,
    )


def make_seed_result(
    spec: Spec,
    seed: int,
    *,
    settle: int = 200,
    noise: float = 0.1,
    turn_deg: float = 60,
    memory: float = 0.0,
) -> SeedResult:
    """One seed with a known phase boundary, and accuracies that follow the switch step."""
    kernel = make_kernel(spec, seed, settle=settle, noise=noise, turn_deg=turn_deg, memory=memory)
    steps = np.array(kernel.steps)
    full = make_arm(spec, "full", None, seed)
    curve = TrainingCurve(
        steps=steps.tolist(),
        train_loss=[None, *(2.3 * np.exp(-steps[1:] / 200)).tolist()],
        # No two seeds have the same data.
        test_loss=(2.3 * np.exp(-steps / 250) * (1 + 1e-5 * (seed % 97))).tolist(),
        test_accuracy=[*(0.95 - 0.85 * np.exp(-steps[:-1] / 150)).tolist(), full.test_accuracy],
    )
    derived = derive_seed(spec, curve, kernel)
    planned = plan_arms(spec, spec.total_steps, derived["phases"].T_star)
    return SeedResult(
        seed=seed,
        training=curve,
        kernel=kernel,
        arms=[full, *(make_arm(spec, arm.name, arm.start, seed) for arm in planned)],
        chaos=chaos_results(spec, seed),
        **derived,
    )


def chaos_results(spec: Spec, seed: int) -> list[ChaosResult] | None:
    """Copies whose losses are a parabola, the lower the later they were perturbed."""
    if spec.chaos is None:
        return None
    alpha = np.linspace(0, 1, spec.chaos.points)
    results = []
    for t0, t1 in spec.chaos.pairs:
        height = (1 + 0.1 * seed) * np.exp(-t0 / 100)
        losses = 0.25 + height * 4 * alpha * (1 - alpha)
        results.append(
            ChaosResult(
                t0=t0,
                t1=t1,
                status="finished",
                losses=losses.tolist(),
                barrier=barrier(losses),
                disagreement=0.25,
                parameter_dissimilarity=0.5,
                S=0.125,
            )
        )
    return results


def with_groups(
    record: Record, settles: Mapping[str, int | None], late: Mapping[str, int] | None = None
) -> Record:
    """The record with groups that settle at these steps; None for a kernel that is zero.

    `late` gives the first step of groups that do not begin at 0.
    """
    share, rest = divmod(record.model.parameters, len(settles))
    seeds = []
    for seed in record.seeds:
        groups = []
        for index, (name, settle) in enumerate(settles.items()):
            first = (late or {}).get(name, 0)
            steps = np.array([t for t in seed.kernel.steps if settle is not None and t >= first])
            G = make_gram(steps, settle=settle or 1, turn_deg=60, noise=0.1, seed=seed.seed)
            groups.append(
                GroupTrajectory(
                    name=name,
                    parameters=share + (rest if index == 0 else 0),
                    steps=steps.tolist(),
                    gram=lower_triangle(G),
                    norm=[1.0] * len(steps),
                    trace=[1.0] * len(steps),
                )
            )
        kernel = seed.kernel.model_copy(update={"groups": groups})
        seeds.append(seed.model_copy(update={"kernel": kernel}))
    return recompute(record.model_copy(update={"seeds": seeds}))


def make_record(spec: Spec | None = None, **shape: float) -> Record:
    """A complete record of synthetic trajectories for every seed of the spec.

    `shape` is that of the trajectories: settle, noise, turn_deg, memory.
    """
    spec = spec or make_spec()
    seeds = [make_seed_result(spec, seed, **shape) for seed in spec.seeds]
    return Record(
        schema_version=SCHEMA_VERSION,
        spec=spec,
        spec_hash=spec.hash,
        status="complete",
        data=DataFacts(
            name=spec.dataset.shown_name,
            hash="0" * 64,
            train_images=1437,
            test_images=TEST_IMAGES,
            classes=CLASSES,
            channels=1,
            image_size=8,
        ),
        model=ModelFacts(parameters=269_722),
        seeds=seeds,
        summary=derive_summary(spec, seeds, TEST_IMAGES),
        provenance=Provenance(
            created_at="2026-01-02T03:04:05Z",
            wall_seconds=12.5,
            device="cpu",
            device_name="synthetic",
            cpu_threads=2,
            platform="Linux",
            versions={"conebench": "0.1.0", "torch": "2.13.0"},
            git_commit=None,
            git_dirty=None,
        ),
        method=METHOD,
    )


def replayed(record: Record, **changes: object) -> Record:
    """The record as a later run on another machine, by committed code, would give it."""
    later = {"created_at": "2026-02-03T04:05:06Z", "device_name": "another", "git_dirty": False}
    made = record.provenance.model_copy(update={**later, **changes})
    return record.model_copy(update={"provenance": made})


def make_replication(record: Record, by: str = "anna", **changes: object) -> Replication:
    """A replication by somebody on another machine, equal in every bit."""
    replay = replayed(record, **changes)
    return attest(record, replay, compare_records(record, replay, "bits"), by)


def save_replication(path: Path, replication: Replication) -> Path:
    """The replication's file, beside the record's at `path`."""
    file = replication_path(path, replication.by)
    file.parent.mkdir(exist_ok=True)
    file.write_text(replication_text(replication))
    return file

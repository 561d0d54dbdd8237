"""Records of the study's specs, whose figures spread about as real ones do."""

import math
import zlib

import numpy as np
from synthetic import TEST_IMAGES, make_record, make_seed_result

from conebench.record import (
    ArmResult,
    Record,
    SeedResult,
    TriedRate,
    choose_rate,
    derive_summary,
    pack_bits,
)
from conebench.spec import Spec
from conebench.study.levels import levels_of

# Test accuracy of each arm on digits and on CIFAR-10's images.
ACCURACY = {
    "full": (0.97, 0.48),
    "lazy": (0.90, 0.33),
    "switched": (0.95, 0.42),
    "control": (0.965, 0.46),
    "probe": (0.94, 0.38),
}


def study_record(spec: Spec) -> Record:
    """Return the record of one spec: its trajectories and arms follow from its levels."""
    seeds = [_seed_result(spec, seed) for seed in spec.seeds]
    record = make_record(spec.model_copy(update={"seeds": spec.seeds[:1]}))
    return record.model_copy(
        update={
            "spec": spec,
            "spec_hash": spec.hash,
            "seeds": seeds,
            "summary": derive_summary(spec, seeds, TEST_IMAGES),
        }
    )


def _seed_result(spec: Spec, seed: int) -> SeedResult:
    levels = levels_of(spec)
    rng = np.random.default_rng([seed, zlib.crc32(spec.name.encode())])
    noises = 0.1 * rng.normal(size=4)
    doublings = math.log2(levels["batch size"] / 64)
    bounded = levels.get("normalization") == "batch"
    result = make_seed_result(
        spec,
        seed,
        settle=max(1, spec.total_steps // 8),
        turn_deg=24 * (1 + 0.3 * noises[0]) - 3 * math.log2(levels["output scale"]),
        noise=0.05 * math.exp(noises[1] - 0.2 * doublings),
        memory=float(np.clip((0.6 if bounded else 0.95) + 0.1 * noises[2], 0, 0.99)),
    )
    easy = 0 if spec.dataset.name == "digits" else 1
    arms = [_arm(arm, spec, easy, rng) for arm in result.arms]
    # The arm `full` is ordinary training at its end.
    full = next(arm for arm in arms if arm.arm == "full")
    accuracy = [*result.training.test_accuracy[:-1], full.test_accuracy]
    training = result.training.model_copy(update={"test_accuracy": accuracy})
    return result.model_copy(update={"arms": arms, "training": training})


def _arm(arm: ArmResult, spec: Spec, easy: int, rng: np.random.Generator) -> ArmResult:
    """Return the arm with right answers drawn image by image, some images easier than others."""
    share = ACCURACY[arm.arm][easy] + 0.01 * rng.normal()
    ease = np.random.default_rng(7).random(TEST_IMAGES)
    correct = ease + 0.15 * rng.normal(size=TEST_IMAGES) < share
    accuracy = float(correct.mean())
    found = {
        "test_accuracy": accuracy,
        "test_loss": float(2.3 * (1 - accuracy)),
        "correct": pack_bits(correct),
    }
    rates = spec.linearization.learning_rate
    if isinstance(rates, tuple) and arm.arm not in ("full", "control"):
        tried = [
            TriedRate(
                learning_rate=rate,
                diverged_at=None,
                validation_accuracy=0.4 + 0.01 * i,
                validation_loss=1.5,
            )
            for i, rate in enumerate(rates)
        ]
        found |= {"tried": tried, "learning_rate": rates[choose_rate(tried)]}
    return arm.model_copy(update=found)

"""conebench.spec.advice: warnings by field."""

import pytest
from synthetic import make_spec

from conebench.analysis.ranking import MIN_SEEDS
from conebench.analysis.window import MIN_CHECKPOINTS
from conebench.spec.advice import RANKED_SEEDS, WINDOW_CHECKPOINTS, advice

TRAINING = {
    "steps": 1000,
    "batch_size": 64,
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
}


def test_a_spec_like_the_shipped_ones_gets_no_warning() -> None:
    assert advice(make_spec()) == []


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        (
            {"dataset": {"name": "digits", "test_size": 50}},
            "dataset.test_size",
            "only 50 test images, so accuracies move in steps of 2.0%",
        ),
        (
            {"kernel": {"samples": 50, "checkpoints": {"every": 100}}},
            "kernel.checkpoints.every",
            "only 8 checkpoints in the late window, 9 are needed: without them, the cone angle and "
            "the rank are undefined; choose a smaller interval",
        ),
        (
            {
                "kernel": {"samples": 50, "checkpoints": {"every": 100}, "window": 0.2},
                "switching": {"steps": [200]},
            },
            "kernel.checkpoints.every",
            "only 10 checkpoint intervals at constant learning rate; use 20 or more for a reliable",
        ),
        (
            {"training": {**TRAINING, "schedule": {"name": "cosine"}}},
            "training.schedule.name",
            "the learning rate is never constant",
        ),
        (
            {"switching": {"steps": [100]}},
            "switching.steps",
            "no arm at w = 300, the start of the late window: benefit B(w) is undefined",
        ),
        ({"seeds": [0, 1, 2]}, "seeds", "only 3 seeds; a rank needs 5"),
        (
            {"kernel": {"samples": 10, "checkpoints": {"every": 50}}},
            "kernel.samples",
            "only 10 probe images for 10 classes; use at least 2",
        ),
        ({"seeds": [0]}, "seeds", "only one seed"),
    ],
)
def test_each_doubtful_choice_is_named(
    changes: dict[str, object], field: str, message: str
) -> None:
    (found,) = advice(make_spec(**changes))
    assert ".".join(map(str, found.field)) == field
    assert found.message.startswith(message)


def test_the_advice_knows_how_many_checkpoints_a_cone_needs() -> None:
    assert WINDOW_CHECKPOINTS == MIN_CHECKPOINTS


def test_the_advice_knows_how_many_seeds_are_ranked() -> None:
    assert RANKED_SEEDS == MIN_SEEDS

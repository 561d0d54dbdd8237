"""conebench.spec.draft: a new spec is valid as it is written."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conebench.spec import load_specs
from conebench.spec.datasets import DATASETS
from conebench.spec.draft import checkpoint_interval, draft_spec
from conebench.spec.schedule import window_start

FIELDS = {
    "imagefolder": {"folder": "pets", "image_size": 32},
    "hf": {"repo": "a/b", "revision": 40 * "0", "image_size": 32},
}


@given(
    dataset=st.sampled_from(tuple(DATASETS)),
    steps=st.integers(1, 40).map(lambda n: 50 * n),
    # A letter, and no accents to stack.
    title=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Mn", "Mc", "Me"]), max_size=50
    ).map("T{}".format),
)
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_draft_is_a_valid_spec_without_warnings(
    tmp_path: Path, dataset: str, steps: int, title: str
) -> None:
    path = tmp_path / "new.yaml"
    text = draft_spec("new", title, "resnet18", dataset, steps, 64, 0.1, FIELDS.get(dataset))
    path.write_text(text, "utf-8")
    (found,) = load_specs(path)
    assert found.warnings() == []
    assert (found.spec.title, found.spec.total_steps) == (title, steps)
    assert window_start(found.spec) in found.spec.switching.steps


@pytest.mark.parametrize(
    ("steps", "every"), [(10_000, 200), (1000, 20), (8, 1), (62_400, 1248), (11 * 101, 101)]
)
def test_about_fifty_intervals(steps: int, every: int) -> None:
    assert checkpoint_interval(steps) == every


@pytest.mark.parametrize("steps", [7, 997])
def test_steps_that_no_grid_divides_are_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"got {steps}, expected a multiple of some number"):
        checkpoint_interval(steps)

"""conebench.spec.smoke: a spec in small, on a folder that may be small itself."""

import pytest
from synthetic import make_spec

from conebench.spec import Spec, smoke_spec
from conebench.spec.datasets import DatasetFacts


def _folder_spec(**dataset: object) -> Spec:
    return make_spec(
        dataset={"name": "imagefolder", "folder": "pets", "image_size": 8, **dataset},
        kernel={
            "samples": 9,
            "calibration_samples": 100,
            "outputs": "sum",
            "checkpoints": {"every": 10},
        },
    )


def _sizes(spec: Spec) -> tuple[object, ...]:
    data, kernel = spec.dataset, spec.kernel
    images = (data.train_size, data.validation_size, data.test_size)
    return images, spec.training.batch_size, kernel.samples, kernel.calibration_samples


def test_a_large_folder_gives_four_images_of_each_class() -> None:
    smoke = smoke_spec(_folder_spec(), DatasetFacts(10, 3, None, 1000, 1000))
    assert _sizes(smoke) == ((40, None, 40), 16, 10, 16)


def test_a_folder_that_was_not_looked_at_has_a_class_for_each_probe_image() -> None:
    assert _sizes(smoke_spec(_folder_spec())) == ((36, None, 36), 16, 9, 16)


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (60, 10, ((12, None, 10), 12, 3, 12)),
        (5, 3, ((5, None, 3), 5, 3, 5)),
    ],
)
def test_a_small_folder_is_not_asked_for_more_than_it_has(
    train: int, test: int, expected: tuple[object, ...]
) -> None:
    assert _sizes(smoke_spec(_folder_spec(), DatasetFacts(3, 3, None, train, test))) == expected


def test_half_of_a_small_folder_is_held_out() -> None:
    spec = _folder_spec(validation_size=20)
    smoke = smoke_spec(spec, DatasetFacts(3, 3, None, 11, 9))
    assert _sizes(smoke) == ((11, 5, 9), 6, 3, 6)
    large = smoke_spec(spec, DatasetFacts(3, 3, None, 1000, 1000))
    assert _sizes(large) == ((24, 12, 12), 12, 3, 12)

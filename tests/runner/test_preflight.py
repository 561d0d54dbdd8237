"""conebench.runner.preflight: what cannot work is refused before any training."""

from pathlib import Path

import pytest
import torch
from timm.models import _registry
from tiny_runs import CPU, TINY, RecordingProgress, folder_spec, run, tiny_spec
from torch import Tensor, nn

from conebench.errors import SpecError
from conebench.networks.cifar import CifarResNet
from conebench.runner import RunOptions
from conebench.runner.preflight import check_context
from conebench.runner.stages.context import open_context


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": {"name": "resnet99"}},
            "model.name: got 'resnet99', expected a model of timm, conebench or --import; "
            "did you mean ",
        ),
        (
            {"linearization": {"point": "pretrained"}},
            "model.name: timm has no pretrained weights for 'cifar_resnet8'",
        ),
        (
            {"model": {"name": "cifar_vgg16_bn"}},
            "dataset.image_size: 'cifar_vgg16_bn' cannot take 2 images of 8 x 8: ",
        ),
        (
            {"model": {"name": "cifar_resnet8", "kwargs": {"num_clases": 3}}},
            "model: timm cannot make 'cifar_resnet8': ",
        ),
        (
            {"model": {"name": "resnet10t", "kwargs": {"global_pool": ""}}},
            "dataset.image_size: 'resnet10t' cannot take 2 images of 8 x 8: ",
        ),
        (
            {"model": {"name": "mobilenetv3_small_050"}},
            "model.name: 'mobilenetv3_small_050' cannot be linearized: ",
        ),
        (
            {"training": {**TINY["training"], "optimizer": {"name": "kron", "learning_rate": 0.1}}},
            "training.optimizer.name: the Kron optimizer keeps a list, so its state cannot be ",
        ),
        (
            {
                "training": {
                    **TINY["training"],
                    "optimizer": {"name": "adahessian", "learning_rate": 0.1},
                }
            },
            "training.optimizer.name: 'adahessian' cannot take a step: ",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:It is highly recommended")  # timm's kron, of a package
def test_what_cannot_work_is_refused_before_any_training(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    progress = RecordingProgress()
    with pytest.raises(SpecError) as caught:
        run(tiny_spec(**changes), tmp_path, progress)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert not progress.stages


@pytest.mark.parametrize(
    ("classes", "images", "kernel", "message"),
    [
        ("ab", 5, {}, "training.batch_size: got 20, expected at most the 10 images"),
        ("ab", 10, {"samples": 21}, "kernel.samples: got 21, expected at most the 20 images"),
        (
            "ab",
            21,
            {"calibration_samples": 512},
            "kernel.calibration_samples: got 512, expected at most the 42 training images to "
            "re-estimate BatchNorm on; set kernel.calibration_samples: 42",
        ),
        (
            "abcdef",
            4,
            {"samples": 5},
            "kernel.samples: got 5, expected at least 6 (one per class)",
        ),
    ],
)
def test_what_only_the_files_tell_is_checked_before_any_training(
    tmp_path: Path, classes: str, images: int, kernel: dict[str, object], message: str
) -> None:
    progress = RecordingProgress()
    with pytest.raises(SpecError) as caught:
        run(folder_spec(tmp_path, classes, images, **kernel), tmp_path, progress)
    assert str(caught.value) == message
    assert not progress.stages


def test_a_folder_of_one_class_is_refused_before_any_training(tmp_path: Path) -> None:
    progress = RecordingProgress()
    with pytest.raises(SpecError, match=r"got one class folder, a, expected two or more$"):
        run(folder_spec(tmp_path, "a", 30), tmp_path, progress)
    assert not progress.stages


def test_notes_on_a_folder_are_told_once_before_its_checks(tmp_path: Path) -> None:
    spec = folder_spec(tmp_path, "ab", 5)
    (tmp_path / "data/white/train/a/0.png").unlink()
    progress = RecordingProgress()
    with pytest.raises(SpecError, match=r"training\.batch_size"):
        run(spec, tmp_path, progress)
    assert progress.stages == [("data", False)]
    assert progress.notes == {"data": "train images by class: a 4, b 5"}


def test_a_network_that_names_no_last_layer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(CifarResNet, "get_classifier")
    with pytest.raises(SpecError) as caught:
        run(tiny_spec(), tmp_path)
    assert str(caught.value) == (
        "model.name: 'cifar_resnet8' needs get_classifier() (or a 'classifier' entry in its timm "
        "config) for the linear probe"
    )


class HoldsItself(nn.Module):
    """Has a hook that holds on to the network, so that a copy would still use the original."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(64 * channels, 4), nn.Linear(4, classes)
        self.scale = nn.Parameter(torch.ones(()))
        self.body.register_forward_hook(lambda _, __, y: y * self.scale)

    def get_classifier(self) -> nn.Module:
        return self.head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.flatten(1)).relu())


def holds_itself(num_classes: int = 10, in_chans: int = 1, **_: object) -> nn.Module:
    return HoldsItself(num_classes, in_chans)


def test_a_network_that_cannot_be_copied_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_registry._model_entrypoints, "holds_itself", holds_itself)
    with pytest.raises(SpecError) as caught:
        run(tiny_spec(model={"name": "holds_itself"}), tmp_path)
    assert str(caught.value) == (
        "model.name: no kernel can be built for 'holds_itself': the network cannot be copied: a "
        "hook, a closure or a patched method holds on to its scale"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {
            "model": {"name": "test_vit", "kwargs": {"img_size": 32, "patch_size": 8}},
            "dataset": {"image_size": 32},
        },
        {"linearization": {"batchnorm": "eval"}},
    ],
)
def test_calibration_images_count_only_where_batchnorm_is_re_estimated(
    tmp_path: Path, changes: dict[str, dict[str, object]]
) -> None:
    spec = folder_spec(tmp_path, "ab", 12, calibration_samples=512)
    sections = {name: getattr(spec, name).model_copy(update=new) for name, new in changes.items()}
    options = RunOptions(tmp_path / "data", tmp_path / "runs", CPU)
    check_context(open_context(spec.model_copy(update=sections), options, RecordingProgress()))

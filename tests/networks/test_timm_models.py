"""conebench.networks.timm_models: seeded networks by timm name, and errors that name the field."""

import os
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from networks import jacobian_by_rows

from conebench.entk import as_matrix, empirical_ntk
from conebench.errors import DataMissingError, SpecError
from conebench.linearize import LinearizedModel
from conebench.networks.timm_models import classifier_parameters, make_model


def _make(
    name: str, seed: int = 0, *, pretrained: bool = False, **kwargs: object
) -> torch.nn.Module:
    return make_model(name, kwargs, pretrained=pretrained, classes=5, channels=1, seed=seed)


@pytest.mark.parametrize("name", ["cifar_resnet8", "cifar_resnet20", "resnet10t"])
def test_the_seed_decides_the_weights(name: str) -> None:
    first, again, other = _make(name), _make(name), _make(name, seed=1)
    pairs = list(zip(first.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert any(
        not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True)
    )
    assert first.training


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    _make("cifar_resnet8")
    assert torch.equal(torch.rand(2), expected)


def test_classes_and_channels_come_from_the_dataset() -> None:
    assert _make("cifar_vgg16_bn")(torch.zeros(2, 1, 32, 32)).shape == (2, 5)


MIXER = {"img_size": 8, "patch_size": 2, "embed_dim": 12}
CONVNEXT = {
    "patch_size": 1,
    "depths": [1, 1, 1, 1],
    "dims": [4, 6, 8, 12],
    "kernel_sizes": 3,
}


@pytest.mark.parametrize(("name", "kwargs"), [("small_mixer", MIXER), ("convnext_atto", CONVNEXT)])
def test_networks_of_large_images_take_small_ones(name: str, kwargs: dict[str, Any]) -> None:
    network = _make(name, **kwargs).double().eval()
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    assert network(x).shape == (3, 5)
    rows = jacobian_by_rows(network, x)
    # [n c, n c]
    kernel = as_matrix(empirical_ntk(network, x))
    torch.testing.assert_close(kernel, rows @ rows.T, rtol=1e-8, atol=1e-8)
    linear = LinearizedModel(network)
    torch.testing.assert_close(linear(x), network(x))


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        (
            "resnet99",
            {},
            "model.name: got 'resnet99', expected a model of timm, conebench or --import; "
            "did you mean ",
        ),
        (
            "no-such-thing-at-all",
            {},
            "model.name: got 'no-such-thing-at-all', expected a model of timm, conebench or "
            "--import",
        ),
        (
            "cifar_resnet20",
            {"widht": 8},
            "model: timm cannot make 'cifar_resnet20': CifarResNet.__init__() got an unexpected "
            "keyword argument 'widht'",
        ),
        ("resnet18", {"block": 3}, "model: timm cannot make 'resnet18': "),
    ],
)
def test_a_model_that_cannot_be_made_is_a_spec_error(
    name: str, kwargs: dict[str, object], message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        _make(name, **kwargs)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_pretrained_needs_weights_that_timm_has() -> None:
    with pytest.raises(SpecError) as caught:
        _make("cifar_resnet20", pretrained=True)
    assert str(caught.value) == ("model.name: timm has no pretrained weights for 'cifar_resnet20'")


def test_pretrained_weights_out_of_reach_are_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataMissingError) as caught:
        _make("resnet10t", pretrained=True)
    assert str(caught.value).startswith(
        "pretrained weights of 'resnet10t' are neither cached nor to be downloaded ("
    )


class Code:
    """Opens a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.path), "w")


def test_weights_bring_no_code_whatever_way_timm_reads_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch.save({"weight": Code(tmp_path / "ran")}, tmp_path / "weights.pt")
    create_model = timm.create_model

    def create(name: str, *, pretrained: bool, **arguments: Any) -> torch.nn.Module:
        if pretrained:
            torch.load(tmp_path / "weights.pt", weights_only=False)
        return create_model(name, **arguments)

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(DataMissingError, match="Weights only load failed"):
        _make("resnet10t", pretrained=True)
    assert not (tmp_path / "ran").exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("cifar_resnet8", {"fc.weight", "fc.bias"}),
        ("cifar_vgg16_bn", {"fc.weight", "fc.bias"}),
        ("resnet10t", {"fc.weight", "fc.bias"}),
        (
            "deit_tiny_distilled_patch16_224",
            {f"head{d}.{p}" for d in ("", "_dist") for p in ("weight", "bias")},
        ),
    ],
)
def test_the_classifier_is_the_last_layer(name: str, names: set[str]) -> None:
    assert classifier_parameters(_make(name)) == names

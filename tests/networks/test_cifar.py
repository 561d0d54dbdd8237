"""conebench.networks.cifar: sizes of the literature and shapes."""

import pytest
import torch
from torch import nn

from conebench.networks.cifar import CifarResNet, CifarVgg16, PixelMlp, norm_layer


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        # He et al. 2015, table 6: 0.27 M, with parameter-free shortcuts.
        (CifarResNet(3), 269_722),
        (CifarResNet(1), 75_290),
        (CifarResNet(1, width=4, in_chans=1), 4_934),
        # 13 convolutions with BatchNorm and one linear layer.
        (CifarVgg16(), 14_728_266),
        # 64 x 5 + 5, 5 x 5 + 5, 5 x 7 + 7.
        (PixelMlp(7, 1, 8, width=5), 397),
    ],
)
def test_parameter_counts(network: nn.Module, parameters: int) -> None:
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (CifarResNet(1, num_classes=7, in_chans=1, width=4), (2, 1, 8, 8)),
        (CifarResNet(3, num_classes=7, in_chans=3, width=4), (2, 3, 32, 32)),
        (CifarVgg16(num_classes=7, in_chans=3), (2, 3, 32, 32)),
        (CifarVgg16(num_classes=7, norm="none"), (2, 3, 32, 32)),
        (CifarResNet(1, num_classes=7, width=4, norm="group"), (2, 3, 32, 32)),
        (PixelMlp(num_classes=7, in_chans=3, img_size=8, depth=3), (2, 3, 8, 8)),
    ],
)
def test_logits_have_one_column_a_class(network: nn.Module, shape: tuple[int, ...]) -> None:
    assert network(torch.zeros(shape)).shape == (2, 7)


def test_a_shortcut_pads_the_channels_on_both_sides_and_halves_the_image() -> None:
    network = CifarResNet(1, width=4)
    block = network.layers[1]
    for convolution in (block.conv1, block.conv2):
        nn.init.zeros_(convolution.weight)
    x = torch.rand(1, 4, 6, 6)
    y = block(x)
    assert y.shape == (1, 8, 3, 3)
    torch.testing.assert_close(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_normalization_is_the_chosen_one_and_draws_nothing(norm: str) -> None:
    kinds = {"batch": nn.BatchNorm2d, "group": nn.GroupNorm, "none": nn.Identity}
    torch.manual_seed(0)
    network = CifarResNet(1, width=12, norm=norm)
    assert isinstance(network.bn1, kinds[norm])
    torch.manual_seed(0)
    assert torch.equal(network.fc.weight, CifarResNet(1, width=12).fc.weight)
    groups = [m.num_groups for m in network.modules() if isinstance(m, nn.GroupNorm)]
    assert groups == [4, 4, 4, 8, 8, 8, 8] * (norm == "group")


def test_an_unknown_normalization_is_refused() -> None:
    with pytest.raises(ValueError, match="norm: got 'layer', expected batch, group, none"):
        norm_layer("layer", 8)

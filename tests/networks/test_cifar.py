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
        # A plain network has the parameters of its residual counterpart.
        (CifarResNet(3, skips=False), 269_722),
        # 13 convolutions with BatchNorm and one linear layer.
        (CifarVgg16(), 14_728_266),
        # The head of arXiv 1409.1556 on 512 features, for ten classes: 33.6 M.
        (CifarVgg16(head=(4096, 4096)), 33_646_666),
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
        (CifarVgg16(num_classes=7, head=(16, 8)), (2, 3, 32, 32)),
        (CifarResNet(1, num_classes=7, width=4, skips=False), (2, 3, 8, 8)),
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


def test_a_block_without_a_skip_passes_nothing_around_its_convolutions() -> None:
    block = CifarResNet(1, width=4, skips=False).layers[1]
    x = torch.rand(1, 4, 6, 6)
    assert block(x).shape == (1, 8, 3, 3)
    assert block(x).any()
    nn.init.zeros_(block.conv2.weight)
    assert not block(x).any()


def test_skips_draw_nothing() -> None:
    torch.manual_seed(0)
    plain = CifarResNet(1, width=4, skips=False)
    torch.manual_seed(0)
    residual = CifarResNet(1, width=4)
    pairs = zip(plain.parameters(), residual.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_last_layer_is_drawn_as_the_convolutions_on_request() -> None:
    torch.manual_seed(0)
    kaiming = CifarResNet(1, num_classes=1000, head_init="kaiming")
    torch.manual_seed(0)
    default = CifarResNet(1, num_classes=1000)
    # Kaiming: N(0, 2 / 64). PyTorch's default: uniform, variance 1 / (3 * 64).
    assert float(kaiming.fc.weight.detach().var()) == pytest.approx(2 / 64, rel=0.03)
    assert float(default.fc.weight.detach().var()) == pytest.approx(1 / 192, rel=0.03)
    assert torch.equal(kaiming.layers[0].conv1.weight, default.layers[0].conv1.weight)
    with pytest.raises(ValueError, match="head_init: got 'zero', expected default, kaiming"):
        CifarResNet(1, head_init="zero")


def test_the_deep_head_of_vgg_has_dropout_and_small_weights() -> None:
    torch.manual_seed(0)
    network = CifarVgg16(head=(4096, 4096))
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert [layer.weight.shape for layer in linear] == [(4096, 512), (4096, 4096), (10, 4096)]
    for layer in linear:
        assert float(layer.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
        assert not layer.bias.any()
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    assert network.get_classifier() is linear[-1]


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

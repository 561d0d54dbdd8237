"""conebench.linearize.batchnorm_folding: which BatchNorms are folded, and that nothing changes."""

import functools
from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from networks import jacobian_by_rows
from odd_values import SkipsNorm, SkipsNormIfLarge
from torch import Tensor, nn
from torch.autograd import forward_ad

from conebench.linearize import LinearizedModel, batchnorm_folding
from conebench.linearize.batchnorm_folding import Fold, PathError, folded
from conebench.networks.functional import FrozenNetwork
from conebench.networks.timm_models import make_model


class Stack(nn.Module):
    """A convolution and a BatchNorm, joined as `join` says."""

    def __init__(self, join: Callable[["Stack", Tensor], Tensor], **options: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, **{"padding": 1, **options})
        self.bn = nn.BatchNorm2d(4)
        self.other = nn.BatchNorm2d(4)
        self._join = join

    def forward(self, x: Tensor) -> Tensor:
        return self._join(self, x)


FOLDED = {
    "plain": lambda m, x: m.bn(m.conv(x)),
    "its size is read": lambda m, x: m.bn(m.conv(x)) / m.conv.weight.shape[0],
    "by keyword": lambda m, x: m.bn(F.conv2d(x, bias=m.conv.bias, weight=m.conv.weight, padding=1)),
}
LEFT = {
    "something between": lambda m, x: m.bn(m.conv(x).relu()),
    "used beside": lambda m, x: m.bn(y := m.conv(x)) + y,
    "used before": lambda m, x: (y := m.conv(x)).sum() + m.bn(y),
    "two BatchNorms": lambda m, x: m.bn(y := m.conv(x)) + m.other(y),
    "used in a list": lambda m, x: torch.cat([y := m.conv(x), m.bn(y)]),
    "convolution used twice": lambda m, x: m.bn(m.conv(x)) + m.conv(x),
    "BatchNorm used twice": lambda m, x: m.bn(m.conv(x)) + m.bn(x.repeat(1, 2, 1, 1)),
    "weight used elsewhere": lambda m, x: m.bn(m.conv(x)) + m.conv.weight.sum(),
    "no convolution": lambda m, x: m.bn(x.repeat(1, 2, 1, 1)),
}
OPTIONS = [
    {},
    {"bias": False},
    {"groups": 2},
    {"stride": 2, "dilation": 2},
    {"padding_mode": "circular"},
]


def prepared(network: nn.Module) -> nn.Module:
    """In float64 and evaluation mode, with statistics and weights of no special value."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            if not name.endswith("running_var"):
                tensor.mul_(torch.randn(tensor.shape, generator=generator))
    return network.double().eval()


@functools.cache
def frozen_of(network: nn.Module) -> FrozenNetwork:
    """The one whose statistics are in the folds."""
    return FrozenNetwork(network, is_anchored=False)


def find_folds(network: nn.Module, x: Tensor) -> tuple[Fold, ...]:
    """The folds of a network at its own parameters."""
    return batchnorm_folding.find_folds(frozen_of(network), frozen_of(network).own, x)


def images(count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 2, 9, 9, generator=generator, dtype=torch.float64)


def called(network: nn.Module, x: Tensor, folds: Sequence[Fold]) -> tuple[Tensor, Tensor]:
    """Value and tangent of a folded call; the tangent of each parameter is its square."""
    tangents = {name: p.detach() ** 2 for name, p in network.named_parameters()}
    with forward_ad.dual_level():
        duals = {n: forward_ad.make_dual(p, tangents[n]) for n, p in network.named_parameters()}
        with folded(folds, duals, tangents, 10**6):
            return tuple(forward_ad.unpack_dual(frozen_of(network)(x, duals)))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_folded_network_has_the_same_values_and_tangents(options: dict[str, object]) -> None:
    network, x = prepared(Stack(FOLDED["plain"], **options)), images()
    (fold,) = find_folds(network, x[:1])
    bias = "conv.bias" if options.get("bias", True) else None
    assert fold.names == ("conv.weight", bias, "bn.weight", "bn.bias")
    torch.testing.assert_close(called(network, x, (fold,)), called(network, x, ()))


@pytest.mark.parametrize("join", FOLDED.values(), ids=FOLDED)
def test_what_is_folded(join: Callable[[Stack, Tensor], Tensor]) -> None:
    network = prepared(Stack(join))
    (fold,) = find_folds(network, images())
    assert fold.entries == 4 * 9 * 9
    torch.testing.assert_close(called(network, images(), (fold,)), called(network, images(), ()))


@pytest.mark.parametrize("join", LEFT.values(), ids=LEFT)
def test_what_is_left_alone(join: Callable[[Stack, Tensor], Tensor]) -> None:
    assert find_folds(prepared(Stack(join)), images()) == ()


def test_a_batchnorm_in_training_mode_or_without_statistics_is_left_alone() -> None:
    network = prepared(Stack(FOLDED["plain"]))
    network.bn.train()
    assert find_folds(network, images()) == ()
    network = prepared(Stack(FOLDED["plain"]))
    network.bn = nn.BatchNorm2d(4, track_running_stats=False).double().eval()
    assert find_folds(network, images()) == ()


def test_a_batchnorm_without_weights_is_folded() -> None:
    network = prepared(Stack(FOLDED["plain"]))
    network.bn = prepared(nn.BatchNorm2d(4, affine=False))
    (fold,) = find_folds(network, images())
    assert fold.names == ("conv.weight", "conv.bias", None, None)
    torch.testing.assert_close(called(network, images(), (fold,)), called(network, images(), ()))


def test_parameters_that_are_not_trained_have_no_tangent() -> None:
    network = nn.Sequential(prepared(Stack(FOLDED["plain"])), nn.Flatten()).eval()
    x = images()
    for names in ({"0.conv.weight"}, {"0.bn.bias"}, {"0.conv.bias", "0.bn.weight"}):
        for name, p in network.named_parameters():
            p.requires_grad_(name in names)
        linear, plain = LinearizedModel(network), LinearizedModel(network)
        plain._folds = {len(x): ()}
        for w, u in zip(linear.displacement, plain.displacement, strict=True):
            w.data.fill_(0.1)
            u.data.fill_(0.1)
        torch.testing.assert_close(linear(x), plain(x))


@pytest.mark.parametrize(("count", "worth"), [(1, False), (2, False), (3, True)])
def test_a_small_output_is_not_worth_a_pass_over_the_weight(count: int, worth: bool) -> None:
    """The weight has 72 numbers, the output of one image 36."""
    network = prepared(Stack(FOLDED["plain"], stride=3))
    (fold,) = find_folds(network, images())
    assert fold.is_worth(count) is worth


def test_a_way_that_depends_on_the_size_of_the_batch_is_followed() -> None:
    """An output that only larger batches use twice must not be folded for them."""

    def join(m: Stack, x: Tensor) -> Tensor:
        y = m.conv(x)
        return (m.bn(y) + (y - y if len(x) > 1 else 0)).flatten(1)

    network = prepared(Stack(join))
    linear = LinearizedModel(network)
    for count in (1, 3, 1):
        torch.testing.assert_close(linear(images(count)), network(images(count)))
    assert [len(folds) for folds in linear._folds.values()] == [1, 0]


def test_another_way_than_that_of_the_first_pass_is_an_error() -> None:
    ways = iter([FOLDED["plain"], LEFT["something between"]])
    network = prepared(Stack(lambda m, x: next(ways)(m, x=x)))
    folds = find_folds(network, images())
    with pytest.raises(PathError, match="output goes elsewhere"):
        called(network, images(), folds)


@pytest.mark.parametrize(
    ("name", "folds", "norms"), [("cifar_resnet20", 19, 19), ("efficientnet_lite0", 49, 49)]
)
def test_networks_are_folded_whole(name: str, folds: int, norms: int) -> None:
    network = make_model(name, {}, pretrained=False, classes=3, channels=3, seed=0).eval()
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == norms
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert len(find_folds(network, x)) == folds


@pytest.mark.parametrize("network", [SkipsNorm, SkipsNormIfLarge])
def test_a_path_past_the_norm_is_not_folded(network: type[nn.Module]) -> None:
    """Found on a batch of small values or images, used for large ones."""
    torch.manual_seed(0)
    made = network().double().eval()
    made.norm.running_mean += 0.3
    linear = LinearizedModel(made)
    for w in linear.displacement:
        w.data += 0.1
    generator = torch.Generator().manual_seed(1)
    for side, scale in ((4, 1.0), (8, 1.0), (4, 10.0), (4, 1.0)):
        x = scale * torch.randn(3, 1, side, side, generator=generator, dtype=torch.float64)
        J = jacobian_by_rows(made, x)
        w = torch.cat([w.detach().flatten() for w in linear.displacement])
        expected = made(x) + (J @ w).view(3, 3)
        torch.testing.assert_close(linear(x), expected, rtol=1e-10, atol=1e-12)

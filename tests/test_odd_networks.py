"""Kernels and linearizations of networks that are easily got wrong: right, or a KernelError."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from odd_holding import body
from odd_networks import CASES, RIGHT, Case, flat, rows
from odd_transforms import MapsLargeBatches
from torch import Tensor, nn

from conebench.entk import KernelError, empirical_ntk, grouped_ntk, self_check
from conebench.linearize import LinearizedModel, with_recalibrated_batchnorm

pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")

# A second pass of these is another function, by their own state.
STATEFUL = {"counts", "counts_data", "counts_in_array"}


def kernel_of(J: Tensor) -> Tensor:
    return torch.einsum("icp,jdp->icjd", J, J)


@pytest.mark.parametrize("is_used", [False, True], ids=["fresh", "used before"])
@pytest.mark.parametrize("name", CASES)
def test_a_kernel_is_right_or_refused(name: str, is_used: bool) -> None:
    case = CASES[name]
    network, x = case.network(), case.x()
    if is_used and name not in STATEFUL:
        with torch.no_grad():
            network(x.clone())
    if case.kernel != RIGHT:
        with pytest.raises(KernelError, match=case.kernel):
            empirical_ntk(network, x)
        return
    expected = kernel_of(rows(case))
    torch.testing.assert_close(empirical_ntk(network, x), expected, rtol=1e-9, atol=1e-12)
    trace = torch.einsum("icjc->ij", expected) / expected.shape[1]
    limited = empirical_ntk(network, x, outputs="trace", memory_limit=20_000)
    torch.testing.assert_close(limited, trace, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.kernel == RIGHT])
def test_groups_and_the_self_check_are_right_too(name: str) -> None:
    case = CASES[name]
    network, x = case.network(), case.x()
    whole, groups = grouped_ntk(network, x, by=lambda parameter: parameter)
    trainable = [n for n, p in network.named_parameters() if p.requires_grad]
    assert list(groups) == trainable
    trace = torch.einsum("icjc->ij", whole) / whole.shape[1]
    torch.testing.assert_close(sum(groups.values()), trace, rtol=1e-9, atol=1e-12)
    # Without forward mode differences decide.
    is_exact = case.linear == RIGHT and "weight_norm" not in name
    assert self_check(network, x, whole, "full") < (1e-10 if is_exact else 1e-6)


@pytest.mark.parametrize("is_used", [False, True], ids=["fresh", "used before"])
@pytest.mark.parametrize("name", CASES)
def test_a_linearization_is_right_or_refused(name: str, is_used: bool) -> None:
    case = CASES[name]
    network, x = case.network(), case.x()
    if is_used and name not in STATEFUL:
        with torch.no_grad():
            network(x.clone())
    linear = LinearizedModel(network, intercept=False)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1.0)  # the network is trained on
        for number, w in enumerate(linear.displacement):
            w.copy_(torch.linspace(-1, 1 + number, w.numel()).view(w.shape))
    if case.linear != RIGHT:
        with pytest.raises(KernelError, match=case.linear):
            linear(x)
        return
    J, tangents = rows(case), linear(x)
    w = flat(list(linear.displacement))
    torch.testing.assert_close(tangents, J @ w, rtol=1e-9, atol=1e-12)
    found = torch.autograd.grad(
        tangents.sum(), list(linear.displacement), allow_unused=True, materialize_grads=True
    )
    torch.testing.assert_close(flat(list(found)), J.sum((0, 1)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("use", [empirical_ntk, lambda network, x: LinearizedModel(network)(x)])
@pytest.mark.parametrize("name", CASES)
def test_the_network_is_left_as_it_was(name: str, use: Callable[..., object]) -> None:
    case = CASES[name]
    network, x = case.network(), case.x()
    for p in network.parameters():
        p.grad = torch.ones_like(p)
    before, modes = _state(network), [m.training for m in network.modules()]
    try:
        use(network, x)
    except KernelError:
        assert (case.kernel, case.linear) != (RIGHT, RIGHT)
    assert repr(_state(network)) == repr(before)
    assert [m.training for m in network.modules()] == modes


def _state(network: nn.Module) -> list[object]:
    """All attributes of all modules, tensors by address and value; addresses of code left out."""
    return [
        (name, key, _shown(value))
        for name, module in network.named_modules()
        for key, value in vars(module).items()
    ]


def _shown(value: object) -> object:
    if isinstance(value, Tensor):
        place = value.data_ptr() if value.layout is torch.strided else id(value)
        entries = value.to_dense().tolist()
        return (place, entries, value.requires_grad, value.is_leaf and value.grad)
    if isinstance(value, dict):
        return {key: _shown(entry) for key, entry in value.items()}
    return copy.copy(value) if isinstance(value, list) else repr(value)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, nullcontext])
@pytest.mark.parametrize("outputs", ["full", "sum"])
def test_calls_within_any_mode(mode: Callable[[], AbstractContextManager], outputs: str) -> None:
    case = CASES["gain"]
    network = case.network()
    expected = empirical_ntk(network, case.x(), outputs=outputs)
    with mode():
        x = case.x() + 0.0
        found = empirical_ntk(network, x, outputs=outputs)
        linear = LinearizedModel(network)(x)
        assert self_check(network, x, found, outputs) < 1e-10
    assert torch.equal(found, expected)
    assert not found.is_inference()
    torch.testing.assert_close(linear.detach(), network(case.x()).detach())


def test_autocast_changes_nothing() -> None:
    case = CASES["gain"]
    network, x = case.network().float(), case.x().float()
    expected = empirical_ntk(network, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(empirical_ntk(network, x), expected)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_network_is_taken_by_its_original_module(backend: str) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3)
    ).eval()
    network[1].running_mean.fill_(0.5)
    network[1].running_var.fill_(2.0)
    x = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(network, backend=backend)
    compiled(x)
    assert torch.equal(empirical_ntk(compiled, x), empirical_ntk(network, x))
    linear = LinearizedModel(compiled)
    assert linear.names == LinearizedModel(network).names
    torch.testing.assert_close(linear(x), network(x))
    network[0].compile(backend=backend)
    torch.testing.assert_close(LinearizedModel(network)(x), network(x))


@pytest.mark.parametrize("use", [empirical_ntk, lambda network, x: LinearizedModel(network)(x)])
def test_a_scripted_network_is_refused(use: Callable[..., object]) -> None:
    network = body().double().eval()
    with pytest.warns(FutureWarning, match="is deprecated"):
        whole = torch.jit.script(network)
    with pytest.warns(FutureWarning, match="is deprecated"):
        network[0] = torch.jit.script(network[0])
    for scripted, name in ((network, "0"), (whole, "the network")):
        with pytest.raises(KernelError, match=f"^{name} is scripted: give the module it is of"):
            use(scripted, CASES["gain"].x())


def test_a_network_that_cannot_be_evaluated_is_refused() -> None:
    x = CASES["gain"].x()
    exported = torch.export.export(body().double().eval(), (x,)).module()
    with pytest.raises(KernelError, match="cannot be put into evaluation mode: Calling eval"):
        LinearizedModel(exported)


def test_a_copy_with_other_statistics_is_refused_where_it_would_use_the_original() -> None:
    case = CASES["hook_on_another_layer"]
    with pytest.raises(KernelError, match="cannot be copied"):
        with_recalibrated_batchnorm(case.network(), [case.x()])


def test_a_wrong_kernel_does_not_pass_for_a_right_one() -> None:
    """The oracle of these tests tells the networks apart."""
    plain, patched = Case(body), CASES["patched_forward"]
    assert not torch.allclose(rows(plain), rows(patched))


def test_a_linearization_of_large_batches_that_are_mapped_is_right() -> None:
    torch.manual_seed(0)
    network = MapsLargeBatches().double().eval()
    x = torch.randn(8, 1, 5, 5, dtype=torch.float64)
    linear = LinearizedModel(network, intercept=False)
    with torch.no_grad():
        for w in linear.displacement:
            w.normal_()
    few = torch.cat([linear(part) for part in x.split(4)])
    torch.testing.assert_close(linear(x), few, rtol=1e-9, atol=1e-12)


def test_a_sparse_parameter_is_refused() -> None:
    network = body().double().eval()
    network.extra = nn.Parameter(torch.eye(2, dtype=torch.float64).to_sparse())
    for use in (empirical_ntk, lambda network, x: LinearizedModel(network)(x)):
        with pytest.raises(KernelError, match="extra is sparse: use a dense parameter"):
            use(network, CASES["gain"].x())


class SlopeOfEnergy(nn.Module):
    """Takes a gradient in forward, which no_grad() forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.energy = body()

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(self.energy(x).square().sum(), x, create_graph=True)[0]


@pytest.mark.parametrize("use", [empirical_ntk, lambda network, x: LinearizedModel(network)(x)])
def test_a_network_that_needs_gradients_in_forward_is_told_so(use: Callable[..., object]) -> None:
    with pytest.raises(KernelError, match=r"^the network (fails under no_grad|cannot be linear)"):
        use(SlopeOfEnergy().double().eval(), CASES["gain"].x())

"""conebench.networks.referee: right derivatives pass, everything else is refused."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from networks import NETWORKS, make_network
from odd_holding import body
from odd_networks import CASES, RIGHT
from odd_values import FloatOnly
from torch import Tensor, nn

from conebench.entk import empirical_ntk
from conebench.errors import KernelError
from conebench.linearize import LinearizedModel
from conebench.networks.functional import FrozenNetwork
from conebench.networks.kept import forget_kept
from conebench.networks.noise import noise_like
from conebench.networks.referee import CLEAR, check_alone, check_derivatives, check_mixing, slopes
from conebench.networks.reference import Reference, check_inputs, take_reference


def referee(network: nn.Module, x: Tensor) -> Reference:
    frozen = FrozenNetwork(network, is_anchored=False)
    forget_kept(frozen, x[:1])
    reference = take_reference(frozen, x)
    check_derivatives(frozen, reference)
    check_mixing(frozen, reference, x)
    return reference


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NETWORKS)
def test_right_derivatives_pass_in_every_type(name: str, dtype: torch.dtype) -> None:
    network, x = make_network(name)
    referee(network.to(dtype), x.to(dtype))


# The search for routes refuses it, and the test of samples alone.
REFUSED_ELSEWHERE = {"gradient_of_energy", "one_changes_the_way"}


@pytest.mark.parametrize("name", sorted(CASES.keys() - REFUSED_ELSEWHERE))
def test_odd_networks(name: str) -> None:
    case = CASES[name]
    if case.kernel == RIGHT:
        referee(case.network(), case.x())
    else:
        with pytest.raises(KernelError, match=case.kernel):
            referee(case.network(), case.x())


def test_a_late_sample_that_changes_the_batch_is_found_by_samples_alone() -> None:
    case = CASES["one_changes_the_way"]
    frozen = FrozenNetwork(case.network(), is_anchored=False)
    with pytest.raises(KernelError, match=case.kernel):
        check_alone(frozen, case.x())
    check_alone(frozen, case.x()[:6])
    check_alone(frozen, case.x()[6:7])


class Inner(nn.Module):
    """Computes in float32 inside of a float64 network, as norms of language models do."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(2, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((200.0 * self.body(x).float()).sin().to(x))


@pytest.mark.parametrize("seed", range(20))
def test_a_network_that_rounds_and_bends_is_right(seed: int) -> None:
    torch.manual_seed(seed)
    referee(Inner().double().eval(), torch.randn(4, 2, dtype=torch.float64))


def slope_error(frozen: FrozenNetwork, reference: Reference) -> float:
    """Least error of the weighted slope, relative to the gradients."""
    along = sum(
        float((g * noise_like(g, 2, number)).sum())
        for number, g in enumerate(reference.gradients.values())
    )
    found = [slope for slope, _, _ in slopes(frozen, reference, seed=2)]
    return min(abs(value - along) for value in found) / reference.size


@pytest.mark.parametrize("name", NETWORKS)
def test_slopes_are_those_of_the_gradients(name: str) -> None:
    network, x = make_network(name)
    frozen = FrozenNetwork(network, is_anchored=False)
    reference = take_reference(frozen, x)
    assert slope_error(frozen, reference) < CLEAR[torch.float64]


@pytest.mark.parametrize("left_out", range(4))
def test_a_gradient_without_one_parameter_is_found_out(left_out: int) -> None:
    network, x = body().double().eval(), CASES["gain"].x()
    frozen = FrozenNetwork(network, is_anchored=False)
    reference = take_reference(frozen, x)
    list(reference.gradients.values())[left_out].zero_()
    with pytest.raises(KernelError, match="autograd's gradients are not the derivatives"):
        check_derivatives(frozen, reference)


def test_zero_parameters_and_kinks_are_left_behind() -> None:
    """As many networks start: the last norm of a block is zero, and so are biases."""
    network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    for p in network.parameters():
        nn.init.zeros_(p) if p.ndim == 1 else None
    nn.init.zeros_(network[2].weight)
    reference = referee(network.double().eval(), CASES["gain"].x())
    assert all(bool(g.any()) for g in reference.gradients.values())


def test_uses_of_parameters_are_counted() -> None:
    network, x = make_network("shared_layer")
    uses = referee(network, x).uses
    assert uses["first.weight"] == 1
    assert uses["twice.weight"] == 3
    assert uses["twice.bias"] == 2


def test_the_network_and_the_random_state_are_left_as_they_were() -> None:
    network, x = make_network("batchnorm_cnn")
    network[0].weight.grad = torch.ones_like(network[0].weight)
    kept = {name: (t.data_ptr(), t.clone()) for name, t in network.state_dict().items()}
    state = torch.get_rng_state()
    referee(network, x)
    for name, tensor in network.state_dict().items():
        assert tensor.data_ptr() == kept[name][0]
        assert torch.equal(tensor, kept[name][1])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.requires_grad for p in network.parameters())
    assert torch.equal(network[0].weight.grad, torch.ones_like(network[0].weight))
    assert all(not module._forward_hooks for module in network.modules())


class FixedType(nn.Module):
    """Cannot run in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) @ torch.ones(3, 3)


class Rounds(FixedType):
    """Passes through float32, whatever its own type is."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layer(x).float()).to(x.dtype)


def test_a_network_that_sets_its_type_is_checked_in_that_type() -> None:
    referee(FixedType().eval(), CASES["gain"].x().float())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_network_that_rounds_is_not_refused(dtype: torch.dtype) -> None:
    referee(Rounds().to(dtype).eval(), CASES["gain"].x().to(dtype))


class Gives(nn.Module):
    def __init__(self, output) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.output = output

    def forward(self, x: Tensor) -> object:
        return self.output(self.layer(x))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            lambda y: {"logits": y},
            r"the network gives a dict, expected a tensor of logits \[n, c\]",
        ),
        (
            lambda y: y[:, 0],
            r"the network gives shape \[2\] for 2 inputs, expected logits \[n, c\]",
        ),
        (lambda y: y[..., None], r"the network gives shape \[2, 3, 1\] for 2 inputs"),
        (lambda y: y[:1], r"the network gives shape \[1, 3\] for 2 inputs"),
        (lambda y: y[:, :0], r"the network gives shape \[2, 0\] for 2 inputs"),
        (lambda y: y.argmax(1, keepdim=True), "the network gives int64, expected real logits"),
        (lambda y: y * 1j, "the network gives complex128, expected real logits"),
        (lambda y: y.detach(), "no output of the network depends on a trainable parameter"),
        (lambda y: y / 0, "the network gives NaN or infinite logits"),
        (lambda y: y.to_sparse(), "the network gives a sparse_coo tensor, expected dense logits"),
        (
            lambda y: y @ torch.ones(2, 2),
            r"cannot take inputs of shape \[2, 2\] and type float64: ",
        ),
    ],
)
def test_outputs_that_are_no_logits_are_refused(output, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        referee(Gives(output).double().eval(), CASES["gain"].x())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(2, 2, dtype=torch.int64), "x: got int64, expected inputs of a floating type"),
        (torch.ones(2, 2, dtype=torch.bool), "x: got bool, expected inputs of a floating type"),
        (torch.ones(2, 2).numpy(), r"x: got a ndarray, expected a tensor of inputs \[n, \.\.\.\]"),
        ([1.0], r"x: got a list, expected a tensor of inputs \[n, \.\.\.\]"),
        (torch.tensor(1.0), r"x: got a single number, expected inputs \[n, \.\.\.\]"),
        (None, r"x: got a NoneType, expected a tensor of inputs \[n, \.\.\.\]"),
        (torch.ones(2, 2).to_sparse(), "x: got a sparse_coo tensor, expected a dense one"),
        (torch.ones(2, 2, device="meta"), "x: got a tensor without values, on the device meta"),
    ],
)
def test_inputs_that_are_no_tensor_of_floating_numbers_are_refused(x: object, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        check_inputs("x", x)


class TakesGradients(nn.Module):
    """Its logits are gradients in its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        energy = torch.tanh(self.layer(x)).sum()
        return torch.autograd.grad(energy, x, create_graph=True)[0]


def test_a_network_that_needs_gradients_is_refused() -> None:
    with pytest.raises(KernelError, match=r"the network fails under no_grad\(\), on other"):
        referee(TakesGradients().double().eval(), CASES["gain"].x())


class PythonRandom(Gives):
    def forward(self, x: Tensor) -> Tensor:
        import random

        return self.layer(x) * random.random()  # noqa: S311


class OwnGenerator(Gives):
    """Draws from a generator that nobody can see."""

    def __init__(self) -> None:
        super().__init__(None)
        self.draw = iter(torch.randn(1000, generator=torch.Generator().manual_seed(0)).tolist())

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + next(self.draw)


def test_all_that_is_drawn_is_found_out() -> None:
    for network in (PythonRandom(None), OwnGenerator()):
        with pytest.raises(KernelError, match=r"the same inputs give logits that are .* apart"):
            referee(network.double().eval(), CASES["gain"].x())


def test_one_sample_is_enough() -> None:
    network, x = make_network("windows", count=1)
    reference = referee(network, x)
    assert len(reference.samples) == 2
    assert not torch.equal(reference.samples[0], reference.samples[1])


def test_logits_of_another_shape_are_not_those_of_the_sample() -> None:
    """They could be broadcast against the right ones."""
    network, x = make_network("mlp")
    frozen = FrozenNetwork(network, is_anchored=False)
    reference = take_reference(frozen, x)
    second = reference.logits[1:]
    assert reference.is_second(second)
    assert not reference.is_second(second.expand(3, 1, -1))
    assert not reference.is_second(reference.logits[:1])


def test_a_network_of_one_type_only_is_compared_in_it() -> None:
    torch.manual_seed(0)
    referee(FloatOnly().eval(), torch.randn(3, 2))


def test_hooks_of_autograd_stay() -> None:
    """By such a hook distributed training shares gradients; a change of type would drop it."""
    network, x = make_network("mlp")
    network.float()
    calls = []
    weight = next(network.parameters())
    node = weight.view_as(weight).grad_fn.next_functions[0][0]
    node.register_hook(lambda *_: calls.append(1))
    referee(network, x.float())
    before = len(calls)
    network(x.float()).sum().backward()
    assert len(calls) == before + 1


def test_kernels_in_threads_leave_the_network_alone() -> None:
    network, x = make_network("mlp")
    expected = empirical_ntk(network, x)
    before = [p.detach().clone() for p in network.parameters()]
    with ThreadPoolExecutor(3) as pool:
        kernels = list(pool.map(lambda _: empirical_ntk(network, x), range(9)))
    assert all(torch.equal(kernel, expected) for kernel in kernels)
    assert all(map(torch.equal, network.parameters(), before))


class CentersSmall(nn.Module):
    """Mixes samples that are small: neither the first nor the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        y, small = self.layer(x), (x.abs().amax(1, keepdim=True) < 1).to(x)
        return y - small * (y * small).sum(0) / small.sum().clamp(min=1)


def test_mixing_that_two_samples_do_not_show_is_refused() -> None:
    torch.manual_seed(0)
    x = torch.tensor([[5.0, 4.0], [0.1, 0.2], [0.3, -0.1], [-5.0, 3.0]]).double()
    for use in (empirical_ntk, lambda network, x: LinearizedModel(network)(x)):
        with pytest.raises(KernelError, match="batches of different samples"):
            use(CentersSmall().double().eval(), x)


@pytest.mark.parametrize("is_reversed", [False, True])
def test_mixing_behind_a_layer_of_zeros_is_refused(is_reversed: bool) -> None:
    # One of the two orders has a last sample that the ReLU cuts off in every batch.
    network = nn.Sequential(
        nn.Linear(1, 1), nn.BatchNorm1d(1, track_running_stats=False), nn.ReLU(), nn.Linear(1, 2)
    )
    nn.init.zeros_(network[0].weight)
    x = torch.linspace(1, 2, 5, dtype=torch.float64)[:, None]
    x = x.flip(0) if is_reversed else x
    for use in (empirical_ntk, lambda network, x: LinearizedModel(network)(x)):
        with pytest.raises(KernelError, match="other samples of its batch"):
            use(network.double().eval(), x)


class Bends(nn.Module):
    """Bends so much that a step of 1e-7 changes its logits by more than rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(3e5 * self.layer(x))


def test_a_network_that_bends_much_mixes_no_samples() -> None:
    torch.manual_seed(0)
    referee(Bends().double().eval(), torch.randn(5, 2, dtype=torch.float64))

"""conebench.entk.kernel against two independent float64 oracles."""

import jaxtyping
import pytest
import torch
from networks import NETWORKS, jacobian_by_differences, jacobian_by_rows, make_network
from torch import nn

from conebench.entk import (
    KernelError,
    MemoryLimitError,
    as_matrix,
    class_views,
    empirical_ntk,
    plan_ntk,
)


@pytest.mark.parametrize("name", NETWORKS)
def test_full_kernel_is_the_gram_matrix_of_the_gradients(name: str) -> None:
    network, x = make_network(name)
    J = jacobian_by_rows(network, x)
    kernel = empirical_ntk(network, x)
    assert kernel.shape == (4, 3, 4, 3)
    torch.testing.assert_close(as_matrix(kernel), J @ J.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_full_kernel_agrees_with_finite_differences(name: str) -> None:
    network, x = make_network(name, count=2)
    J = jacobian_by_differences(network, x)
    torch.testing.assert_close(as_matrix(empirical_ntk(network, x)), J @ J.T, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NETWORKS)
def test_reductions_follow_from_the_full_kernel(name: str) -> None:
    network, x = make_network(name)
    full = empirical_ntk(network, x)
    trace = torch.einsum("icjc->ij", full) / 3
    torch.testing.assert_close(empirical_ntk(network, x, outputs="trace"), trace)
    summed = full.sum((1, 3)) / 3
    torch.testing.assert_close(empirical_ntk(network, x, outputs="sum"), summed)
    views = class_views(full)
    torch.testing.assert_close(views["trace"], trace)
    torch.testing.assert_close(views["sum"], summed)


@pytest.mark.parametrize("outputs", ["trace", "sum"])
def test_views_of_a_float32_kernel_are_as_good_as_kernels_of_their_own(outputs: str) -> None:
    network, x = make_network("batchnorm_cnn")
    exact = empirical_ntk(network, x, outputs=outputs)
    single, x = network.float(), x.float()
    view = class_views(empirical_ntk(single, x))[outputs]
    assert view.dtype == torch.float32
    error = (view.double() - exact).norm() / exact.norm()
    assert error < 1e-5


@pytest.mark.parametrize("memory_limit", [None, 12_000])
def test_a_network_may_be_one_layer(memory_limit: int | None) -> None:
    x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layer = nn.Linear(5, 3).double().eval()
    expected = torch.kron(x @ x.T + 1, torch.eye(3, dtype=torch.float64))
    kernel = empirical_ntk(layer, x, memory_limit=memory_limit)
    torch.testing.assert_close(as_matrix(kernel), expected)


@pytest.mark.parametrize("outputs", ["full", "trace", "sum"])
def test_kernel_between_two_sets_is_a_block_of_the_kernel_of_both(outputs: str) -> None:
    network, x = make_network("batchnorm_cnn", count=5)
    whole = empirical_ntk(network, x, outputs=outputs)
    block = empirical_ntk(network, x[:2], x[2:], outputs=outputs)
    expected = whole[:2, :, 2:] if outputs == "full" else whole[:2, 2:]
    torch.testing.assert_close(block, expected)


@pytest.mark.parametrize("memory_limit", [135_000, 150_000, 10**6])
@pytest.mark.parametrize("name", ["batchnorm_cnn", "vit"])
def test_memory_limit_changes_no_entry(name: str, memory_limit: int) -> None:
    network, x = make_network(name)
    limited = empirical_ntk(network, x, memory_limit=memory_limit)
    torch.testing.assert_close(limited, empirical_ntk(network, x), rtol=1e-12, atol=1e-12)
    assert not limited.requires_grad


def test_same_call_gives_the_same_bits() -> None:
    network, x = make_network("vit")
    network, x = network.float(), x.float()
    assert torch.equal(empirical_ntk(network, x), empirical_ntk(network, x))


def test_the_network_is_left_as_it_was() -> None:
    network, x = make_network("batchnorm_cnn")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    empirical_ntk(network, x)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def _training(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    return network.train(), x


def _no_parameters(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    return network.requires_grad_(False), x


def _no_inputs(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    return network, x[:0]


def _nan_input(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    return network, x * float("nan")


def _infinite_weight(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    next(network.parameters()).data[0] = float("inf")
    return network, x


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_training, "the model is in training mode: call model.eval() first"),
        (_no_parameters, "the model has no trainable parameters"),
        (_no_inputs, "there are no inputs"),
        (_nan_input, "x1 has NaN or infinite entries"),
        (_infinite_weight, "1.weight has NaN or infinite entries"),
    ],
)
def test_what_has_no_kernel_is_refused(spoil, message: str) -> None:
    network, x = spoil(*make_network("mlp"))
    with pytest.raises(KernelError) as caught:
        empirical_ntk(network, x)
    assert str(caught.value) == message


def test_inputs_of_two_shapes_are_refused() -> None:
    network, x = make_network("mlp")
    with pytest.raises(KernelError, match="inputs of two shapes"):
        empirical_ntk(network, x, x[:, :, :1])


def test_inputs_of_two_types_are_refused() -> None:
    network, x = make_network("mlp")
    with pytest.raises(KernelError, match="inputs of two types: float64 on cpu and float32 on cpu"):
        empirical_ntk(network, x, x.float())


@pytest.mark.parametrize("network", [None, nn.Linear, nn.LazyLinear(3).eval()])
def test_what_is_no_network_and_what_is_no_input_is_refused(
    network: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Users have no checks of types.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    x = make_network("mlp")[1]
    with pytest.raises(KernelError, match=r"model: got a|has no shape yet"):
        empirical_ntk(network, x)  # type: ignore[arg-type]
    with pytest.raises(KernelError, match="x1: got a NoneType"):
        empirical_ntk(network, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["transposed_after_norm", "shared_layer"])
def test_one_sample(name: str) -> None:
    network, x = make_network(name, count=3)
    whole = empirical_ntk(network, x)
    torch.testing.assert_close(empirical_ntk(network, x[:1]), whole[:1, :, :1])
    torch.testing.assert_close(empirical_ntk(network, x[:1], x[1:]), whole[:1, :, 1:])


def test_tensors_kept_by_the_network_lose_no_gradient() -> None:
    network, x = make_network("keeps_biases")
    expected = empirical_ntk(network, x)
    with torch.no_grad():
        network(x)
    torch.testing.assert_close(empirical_ntk(network, x), expected)


def test_too_small_a_memory_limit_says_what_is_needed() -> None:
    network, x = make_network("mlp")
    with pytest.raises(MemoryLimitError) as caught:
        empirical_ntk(network, x, memory_limit=1000)
    message = str(caught.value)
    assert message.startswith("memory limit: got 1,000 bytes, this kernel needs at least ")
    needed = int(message.rpartition(" ")[2].replace(",", ""))
    assert empirical_ntk(network, x, memory_limit=needed).shape == (4, 3, 4, 3)


class OutOfMemory(torch.nn.Module):
    """Refuses more than three samples at a time, as a full GPU would."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 3:
            raise torch.OutOfMemoryError("full")
        return self.network(x)


def test_out_of_memory_halves_the_chunk_and_says_so(caplog) -> None:
    network, x = make_network("batchnorm_cnn", count=9)
    expected = empirical_ntk(network, x)
    torch.testing.assert_close(empirical_ntk(OutOfMemory(network).eval(), x), expected)
    assert caplog.messages == [
        "out of memory: going on with 4 samples at a time",
        "out of memory: going on with 2 samples at a time",
    ]


def test_the_plan_is_known_beforehand() -> None:
    network, x = make_network("vit")
    plan = plan_ntk(network, x)
    counted = sum(piece.entries for planned in plan.passes for piece in planned.pieces)
    assert counted == sum(p.numel() for p in network.parameters())
    assert plan.peak_bytes <= plan.memory_limit
    assert plan.multiply_adds > 0


class OftenTwice(torch.nn.Module):
    """Calls a layer twice for more than two samples."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(12, 12)
        self.head = torch.nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.layer(x.flatten(1)))
        return self.head(x + 0 * self.layer(x) if len(x) > 2 else x)


def test_a_layer_called_otherwise_for_other_inputs_is_refused() -> None:
    _, x = make_network("mlp")
    with pytest.raises(KernelError, match="layer layer is not called the same way for all inputs"):
        empirical_ntk(OftenTwice().double().eval(), x)

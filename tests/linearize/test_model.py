"""conebench.linearize against finite differences, plain autograd and the kernel flow."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import jaxtyping
import pytest
import torch
from networks import NETWORKS, jacobian_by_differences, jacobian_by_rows, make_network
from torch import Tensor, nn

from conebench.entk import as_matrix, empirical_ntk
from conebench.errors import KernelError
from conebench.linearize import LinearizedModel, with_recalibrated_batchnorm


def _displaced(network: nn.Module, scale: float, seed: int = 1) -> LinearizedModel:
    linear = LinearizedModel(network)
    generator = torch.Generator().manual_seed(seed)
    for w in linear.displacement:
        w.data = scale * torch.randn(w.shape, generator=generator, dtype=w.dtype)
    return linear


def _flat(linear: LinearizedModel) -> Tensor:
    return torch.cat([w.detach().flatten() for w in linear.displacement])


@pytest.mark.parametrize("name", NETWORKS)
def test_at_zero_displacement_it_is_the_network(name: str) -> None:
    network, x = make_network(name)
    torch.testing.assert_close(LinearizedModel(network)(x), network(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("x", [None, [1.0], torch.ones(2, 4).numpy(), torch.ones(2, 4).long()])
def test_inputs_that_are_no_tensor_of_floating_numbers_are_refused(
    x: object, is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Users have no checks of types.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    linear = LinearizedModel(nn.Linear(4, 3))
    if not is_first:
        linear(torch.ones(2, 4))
    with pytest.raises(KernelError, match=r"x: got .*, expected"):
        linear(x)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_tangent_is_the_jacobian_times_the_displacement(name: str) -> None:
    network, x = make_network(name, count=2)
    linear = _displaced(network, scale=0.1)
    for J, tolerance in (
        (jacobian_by_rows(network, x), 1e-11),
        (jacobian_by_differences(network, x), 1e-6),
    ):
        expected = network(x) + (J @ _flat(linear)).view(2, 3)
        torch.testing.assert_close(linear(x), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_is_the_jacobian_transposed_times_the_loss_gradient(name: str) -> None:
    network, x = make_network(name)
    linear = _displaced(network, scale=0.1)
    logits = linear(x)
    logits.retain_grad()
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
    assert logits.grad is not None
    gradient = torch.cat([w.grad.flatten() for w in linear.displacement])
    expected = jacobian_by_rows(network, x).T @ logits.grad.flatten()
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_affine_in_the_displacement(name: str) -> None:
    network, x = make_network(name)
    once, thrice = _displaced(network, 0.1), _displaced(network, 0.3)
    tangent = once(x) - network(x)
    torch.testing.assert_close(thrice(x) - network(x), 3 * tangent, rtol=1e-9, atol=1e-11)


def test_without_intercept_it_is_the_tangent_alone() -> None:
    network, x = make_network("batchnorm_cnn")
    linear = _displaced(network, 0.1)
    linear.intercept = False
    tangent = linear(x)
    linear.intercept = True
    torch.testing.assert_close(tangent, linear(x) - network(x), rtol=1e-9, atol=1e-11)


def test_training_mode_keeps_batchnorm_and_dropout_frozen() -> None:
    network, x = make_network("batchnorm_cnn")
    linear = _displaced(network.train(), 0.1)
    before = linear(x)
    linear.train()
    torch.testing.assert_close(linear(x), before)
    assert network.training


def test_it_does_not_follow_the_network_it_was_made_of() -> None:
    network, x = make_network("mlp")
    linear = LinearizedModel(network)
    before = linear(x)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1.0)
    assert torch.equal(linear(x), before)


def test_only_the_displacement_is_trained_and_stored() -> None:
    network, x = make_network("frozen_part")
    linear = _displaced(network, 0.1)
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    assert list(linear.names) == names
    assert list(linear.state_dict()) == [f"displacement.{i}" for i in range(len(names))]
    assert all(not anchor.requires_grad for anchor in linear.anchors())
    restored = LinearizedModel(network)
    restored.load_state_dict(linear.state_dict())
    assert torch.equal(restored(x), linear(x))


def test_gradient_descent_follows_the_kernel_flow_of_its_own_ntk() -> None:
    """With MSE and full batches, f_t = y + (I - eta 2/(nC) H)^t (f_0 - y), H from entk."""
    network, x = make_network("batchnorm_cnn")
    y = nn.functional.one_hot(torch.tensor([0, 1, 2, 0]), 3).double()
    H = as_matrix(empirical_ntk(network, x))
    rate = 0.5 * 12 / 2 / float(torch.linalg.eigvalsh(H)[-1])
    linear = LinearizedModel(network)
    optimizer = torch.optim.SGD(linear.parameters(), lr=rate)
    flow = torch.eye(12, dtype=torch.float64) - rate * 2 / 12 * H
    residual = (network(x) - y).detach().flatten()
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.mse_loss(linear(x), y).backward()
        optimizer.step()
        residual = flow @ residual
    torch.testing.assert_close(linear(x), y + residual.view(4, 3), rtol=1e-9, atol=1e-10)


def test_recalibration_averages_the_statistics_of_the_batches() -> None:
    network, _ = make_network("batchnorm_cnn")
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batches = list(torch.randn(3, 8, 3, 2, 2, dtype=torch.float64).unbind())
    fresh = with_recalibrated_batchnorm(network, batches)
    inputs = torch.stack([network[0](b).transpose(0, 1).flatten(1) for b in batches])
    torch.testing.assert_close(fresh[1].running_mean, inputs.mean(2).mean(0).detach())
    torch.testing.assert_close(fresh[1].running_var, inputs.var(2).mean(0).detach())
    assert not fresh.training
    assert network.training
    assert all(torch.equal(before[n], v) for n, v in network.state_dict().items())
    assert fresh[1].momentum == network[1].momentum


def test_recalibration_without_batchnorm_changes_nothing() -> None:
    network, x = make_network("mlp")
    assert torch.equal(with_recalibrated_batchnorm(network, [x])(x), network(x))


def test_a_copy_finds_its_own_folds_and_a_pickle_is_refused() -> None:
    network, x = make_network("batchnorm_cnn")
    linear = _displaced(network, 0.1)
    expected = linear(x)
    assert torch.equal(copy.deepcopy(linear)(x), expected)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(linear)


def test_linearizations_in_threads() -> None:
    network, x = make_network("batchnorm_cnn")
    linear = _displaced(network, 0.1)
    expected = linear(x)
    with ThreadPoolExecutor(3) as pool:
        assert all(torch.equal(y, expected) for y in pool.map(linear, [x] * 9))


def test_a_diverged_network_gives_nan() -> None:
    network, x = make_network("mlp")
    next(network.parameters()).data.fill_(torch.nan)
    assert LinearizedModel(network)(x).isnan().all()


@pytest.mark.parametrize("batches", [[], iter(())])
def test_statistics_of_no_batch_are_refused(batches: object) -> None:
    network = nn.Sequential(nn.BatchNorm2d(1)).eval()
    with pytest.raises(KernelError, match="batches: got none, expected at least one"):
        with_recalibrated_batchnorm(network, batches)
    assert with_recalibrated_batchnorm(nn.Linear(2, 2), []) is not None


class ComplexConvolutions(nn.Module):
    """Two complex convolutions, of which the second has a tangent in its input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1, dtype=torch.complex128)
        self.second = nn.Conv2d(2, 3, 2, dtype=torch.complex128)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x.to(torch.complex128))).abs().flatten(1)


def test_complex_convolutions_are_linearized() -> None:
    torch.manual_seed(0)
    network, x = ComplexConvolutions().eval(), torch.randn(3, 1, 2, 2, dtype=torch.float64)
    h = 1e-6
    linear = LinearizedModel(network)
    torch.manual_seed(1)
    for w in linear.displacement:
        w.data = torch.randn(w.shape, dtype=w.dtype)
    found = (linear(x) - network(x)).detach()
    ends = []
    for sign in (1, -1):
        moved = copy.deepcopy(network)
        with torch.no_grad():
            for p, w in zip(moved.parameters(), linear.displacement, strict=True):
                p.add_(sign * h * w)
            ends.append(moved(x))
    torch.testing.assert_close(found, (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-8)

"""conebench.networks.perturbation: perturbed copies, against hand calculations."""

import math

import pytest
import torch
from torch import Tensor, nn

from conebench.networks.perturbation import (
    cosine_dissimilarity,
    disagreement,
    path,
    perturb,
    weight_spreads,
)


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def vector(*entries: float) -> nn.Linear:
    """A network whose trainable parameters are these numbers."""
    linear = nn.Linear(len(entries), 1, bias=False)
    linear.weight.data = torch.tensor([entries])
    return linear


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_only_weights_that_differ_are_perturbed() -> None:
    initial = network()
    initial.register_parameter("scale", nn.Parameter(torch.ones(2, 3)))
    initial.register_parameter("single", nn.Parameter(torch.full((1, 1), 3.0)))
    initial.register_parameter("fixed", nn.Parameter(torch.eye(2), requires_grad=False))
    assert list(weight_spreads(initial)) == ["0.weight", "3.weight"]
    # Mean 2, squares of the differences 4, 1, 1, 4.
    assert weight_spreads(vector(0.0, 1.0, 3.0, 4.0)) == {"weight": math.sqrt(10 / 4)}


def test_a_perturbation_is_sigma_times_spread_times_a_standard_normal() -> None:
    initial, moved = network(), network(seed=1)
    before = state(moved)
    perturb(moved, weight_spreads(initial), 0.5, torch.Generator().manual_seed(7))
    draws = torch.Generator().manual_seed(7)
    for name, tensor in state(moved).items():
        if name not in ("0.weight", "3.weight"):
            assert torch.equal(tensor, before[name]), name
            continue
        spread = float(initial.state_dict()[name].std(correction=0))
        expected = before[name] + 0.5 * spread * torch.randn(tensor.shape, generator=draws)
        torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-7)


def test_a_path_is_straight_and_ends_at_the_two_networks() -> None:
    one, other = network(), network(seed=1)
    one[1].running_mean.fill_(5.0)
    before = state(one)
    points = list(path(one, other, 5))
    assert len(points) == 5
    for k, point in enumerate(points):
        assert torch.equal(point[1].running_mean, one[1].running_mean)
        for a, b, p in zip(one.parameters(), other.parameters(), point.parameters(), strict=True):
            torch.testing.assert_close(p, (1 - k / 4) * a + k / 4 * b, rtol=0, atol=1e-7)
    for end, point in ((one, points[0]), (other, points[-1])):
        assert all(
            torch.equal(a, b) for a, b in zip(end.parameters(), point.parameters(), strict=True)
        )
    assert all(torch.equal(tensor, before[name]) for name, tensor in state(one).items())


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((1.0, 0.0), (0.0, 2.0), 1.0),
        ((1.0, 2.0), (-2.0, -4.0), 2.0),
        ((1.0, 0.0), (3.0, 3.0), 1 - 1 / math.sqrt(2)),
        ((1.0, 2.0), (2.0, 4.0), 0.0),
        ((1.0, 0.0), (1.0, 2.0**-10), 1 - 1 / math.sqrt(1 + 2.0**-20)),
    ],
)
def test_cosine_dissimilarity_by_hand(
    one: tuple[float, ...], other: tuple[float, ...], expected: float
) -> None:
    found = cosine_dissimilarity(vector(*one), vector(*other))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_cosine_dissimilarity_is_of_all_trainable_parameters_together() -> None:
    one, other = network(), network(seed=1)
    for model in (one, other):
        model[3].weight.requires_grad_(False)
    flat = [
        torch.cat([p.detach().double().flatten() for p in model.parameters() if p.requires_grad])
        for model in (one, other)
    ]
    expected = 1 - float(torch.cosine_similarity(*flat, dim=0))
    assert cosine_dissimilarity(one, other) == pytest.approx(expected, rel=1e-9)


def test_disagreement_is_a_share_of_the_images() -> None:
    predicted = torch.tensor([0, 1, 2, 2, 1])
    assert disagreement(predicted, torch.tensor([0, 2, 2, 0, 1])) == 0.4
    assert disagreement(predicted, predicted) == 0.0

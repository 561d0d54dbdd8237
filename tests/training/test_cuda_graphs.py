"""conebench.training.cuda_graphs: a replayed step has the bits of the step itself."""

from collections.abc import Callable

import pytest
import torch
from reruns import rerun
from small_training import (
    LAMB,
    OPTIMIZERS,
    SGD,
    linear_network,
    make_recipe,
    noisy_network,
    run_to,
)
from torch import Tensor, nn

from conebench.errors import RunError
from conebench.linearize import LinearizedModel
from conebench.training.cuda_graphs import (
    AddGradients,
    Pass,
    RecordedGradients,
    record_cuda_graph,
)
from conebench.training.loop import Recipe

Made = Callable[[], nn.Module]


def unused_parameter() -> nn.Module:
    network = linear_network()
    network.register_parameter("unused", nn.Parameter(torch.ones(2)))
    return network


def lazy(make: Made) -> Made:
    def linearized() -> nn.Module:
        model = LinearizedModel(make())
        model.replays = True
        return model.train()

    return linearized


def state(network: nn.Module) -> list[Tensor]:
    return [tensor.clone() for tensor in network.state_dict().values()]


def trained(make: Made, recipe: Recipe, **options: object) -> tuple[list[Tensor], float | None]:
    """The network's state and the mean loss after 7 steps, in which an epoch ends."""
    network = make()
    checkpoint = run_to(7, network, recipe, **options)
    return state(network), checkpoint.train_loss


@pytest.mark.parametrize("make", [linear_network, noisy_network, lazy(noisy_network)])
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, LAMB], ids=str)
def test_recorded_training_has_the_same_bits(make: Made, optimizer: object) -> None:
    recipe = make_recipe(optimizer)
    assert same(trained(make, recipe, recorder=rerun), trained(make, recipe))


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 12, "keep_last_batch": True},
        {"clip_gradients": 0.01},
        {"images_at_once": 3},
        {"label_smoothing": 0.2},
        {"loss": "mse"},
    ],
    ids=str,
)
def test_recorded_training_has_the_same_bits_in_any_recipe(changes: dict[str, object]) -> None:
    recipe = make_recipe(**changes)
    assert same(trained(noisy_network, recipe, recorder=rerun), trained(noisy_network, recipe))


def test_recorded_training_pulls_to_the_same_origin() -> None:
    origin = [torch.full_like(p, 0.5) for p in linear_network().parameters()]
    recipe = make_recipe(SGD, decay_origin=origin)
    assert same(trained(linear_network, recipe, recorder=rerun), trained(linear_network, recipe))


def same(
    found: tuple[list[Tensor], float | None], expected: tuple[list[Tensor], float | None]
) -> bool:
    return found[1] == expected[1] and all(map(torch.equal, found[0], expected[0]))


def test_each_shape_of_a_batch_is_recorded_once() -> None:
    shapes: list[int] = []

    def counting(compute: Callable[[], Pass]) -> tuple[Pass, Callable[[], None]]:
        shapes.append(1)
        return rerun(compute)

    recipe = make_recipe(batch_size=12, keep_last_batch=True)
    run_to(9, linear_network(), recipe, recorder=counting)
    # Batches of 12, and the last of 4.
    assert len(shapes) == 2


def gradients_of(network: nn.Module) -> AddGradients:
    def add_gradients(x: Tensor, y: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        return loss.detach()

    return add_gradients


BATCH = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0)), torch.arange(4) % 3


def test_a_recording_leaves_buffers_and_random_numbers() -> None:
    network = noisy_network().train()
    before, random = state(network), torch.get_rng_state()
    seen: list[bool] = []

    def add_gradients(x: Tensor, y: Tensor) -> Tensor:
        seen.append(all(map(torch.equal, state(network), before)))
        seen.append(torch.equal(torch.get_rng_state(), random))
        return gradients_of(network)(x, y)

    RecordedGradients(network, add_gradients, rerun)(*BATCH)
    # Recorded, computed, replayed, and then replayed as the step.
    assert seen == [True] * 8


def test_another_result_than_the_steps_is_refused() -> None:
    network = linear_network()

    def frozen(compute: Callable[[], Pass]) -> tuple[Pass, Callable[[], None]]:
        return compute(), lambda: None

    with pytest.raises(RunError, match=r"^--cuda-graphs: a replay gives other numbers than the st"):
        RecordedGradients(network, gradients_of(network), frozen)(*BATCH)


class Averaging(nn.Module):
    """Keeps a new tensor in place of its buffer in each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.layer = linear_network()

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.mean()
        return self.layer(x)


class Moving(torch.optim.SGD):
    def step(self, closure: None = None) -> None:
        super().step(closure)
        for parameter in self.param_groups[0]["params"]:
            parameter.data = parameter.data.clone()


def test_a_buffer_that_moves_is_refused() -> None:
    network = Averaging()
    with pytest.raises(RunError, match=r"^--cuda-graphs: a training step moves a parameter or buf"):
        RecordedGradients(network, gradients_of(network), rerun)(*BATCH)


def test_a_parameter_that_moves_is_refused() -> None:
    network = linear_network()
    recorded = RecordedGradients(network, gradients_of(network), rerun)
    recorded(*BATCH)
    Moving(network.parameters(), lr=0.1).step()
    with pytest.raises(RunError, match=r"^--cuda-graphs: a training step moves a parameter or buf"):
        recorded(*BATCH)


def test_a_diverged_network_is_no_other_result() -> None:
    network = linear_network()
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    assert RecordedGradients(network, gradients_of(network), rerun)(*BATCH).isnan()


def test_a_parameter_without_gradient_stays_without() -> None:
    network = unused_parameter()
    run_to(2, network, make_recipe(), recorder=rerun)
    assert network.get_parameter("unused").grad is None
    assert torch.equal(network.get_parameter("unused"), torch.ones(2))


def test_losses_are_not_overwritten_by_later_replays() -> None:
    recipe = make_recipe()
    plain, recorded = (run_to(3, linear_network(), recipe, recorder=r) for r in (None, rerun))
    assert plain.train_loss == recorded.train_loss


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine with a GPU records")
def test_what_cannot_be_recorded_is_told_in_one_line() -> None:
    with pytest.raises(RunError, match=r"^--cuda-graphs: .* run without --cuda-graphs$"):
        run_to(1, linear_network(), make_recipe(), recorder=record_cuda_graph)

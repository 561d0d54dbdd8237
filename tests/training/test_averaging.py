"""conebench.training.averaging: the mean over updates, whatever is between."""

import torch
from torch import nn

from conebench.training.averaging import WeightAverage


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def moved(model: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    model(torch.randn(5, 2, generator=generator))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_the_mean_is_that_of_every_update_since_the_last() -> None:
    model, average = network(), WeightAverage()
    moved(model, 9)
    average.add(model)
    average.take(model)
    states = []
    for seed in range(4):
        states.append(moved(model, seed))
        average.add(model)
    mean = average.take(model)
    assert average.count == 0
    for name, tensor in mean.items():
        assert tensor.dtype == states[0][name].dtype
        if name == "1.num_batches_tracked":
            assert tensor == states[-1][name]
        else:
            expected = torch.stack([state[name].double() for state in states]).mean(0)
            torch.testing.assert_close(tensor, expected.float())


def test_an_average_that_was_stored_goes_on_exactly() -> None:
    model, straight, stopped = network(), WeightAverage(), WeightAverage()
    for seed in range(4):
        moved(model, seed)
        straight.add(model)
        stopped.add(model)
        again = WeightAverage()
        again.restore(stopped.tensors(), torch.device("cpu"))
        stopped = again
    one, other = straight.take(model), stopped.take(model)
    assert all(torch.equal(one[name], other[name]) for name in one)

"""conebench.training.optimizers: what timm's factory makes, and state that survives a file."""

import pytest
import torch
from torch import nn

from conebench.errors import SpecError
from conebench.spec.optimizers import Adam, OtherOptimizer, Sgd
from conebench.training.optimizers import (
    load_state,
    make_optimizer,
    state_tensors,
    step_depends_on_parameters,
    step_with_decay_origin,
)


def other(name: str, **changes: object) -> OtherOptimizer:
    return OtherOptimizer.model_validate({"name": name, "learning_rate": 0.01, **changes})


# One of each way to keep numbers: none, in a parameter's state, in the group's.
CHOICES = [
    Sgd(name="sgd", learning_rate=0.1),
    Sgd(name="sgd", learning_rate=0.1, momentum=0.9, nesterov=True),
    Adam(name="adam", learning_rate=0.01),
    Adam(name="adamw", learning_rate=0.01),
    other("lion"),
    other("adabelief"),
    other("laprop"),
    other("lamb"),
    other("adan"),
    other("muon"),
    other("rmsprop", options={"momentum": 0.5}),
]


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def take_steps(model: nn.Module, optimizer: torch.optim.Optimizer, first: int, stop: int) -> None:
    for step in range(first, stop):
        x = torch.randn(6, 5, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_stored_state_goes_on_to_the_same_bits(choice: Sgd | Adam | OtherOptimizer) -> None:
    model = network()
    optimizer = make_optimizer(list(model.parameters()), choice, 0.0)
    take_steps(model, optimizer, 0, 3)
    stored = state_tensors(optimizer)
    assert all(isinstance(tensor, torch.Tensor) for tensor in stored.values())
    copied = network()
    copied.load_state_dict(model.state_dict())
    again = make_optimizer(list(copied.parameters()), choice, 0.0)
    load_state(again, stored)
    take_steps(model, optimizer, 3, 6)
    take_steps(copied, again, 3, 6)
    for p, q in zip(model.parameters(), copied.parameters(), strict=True):
        assert torch.equal(p, q)


def test_plain_numbers_are_stored_by_their_type() -> None:
    model = network()
    for name, expected in (
        ("adabelief", "0/step:int"),
        ("laprop", "0/exp_avg_lr_1:float"),
        ("muon", "0/use_muon:bool"),
        ("adan", "group/step:int"),
    ):
        optimizer = make_optimizer(list(model.parameters()), other(name), 0.0)
        take_steps(model, optimizer, 0, 1)
        assert expected in state_tensors(optimizer)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            other("lionn"),
            "training.optimizer.name: got 'lionn', expected an optimizer of timm's; did you mean "
            "'lion'",
        ),
        (
            other("lion", options={"beta": 1}),
            "training.optimizer: timm cannot make 'lion': ",
        ),
    ],
)
def test_what_timm_does_not_make(choice: OtherOptimizer, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_optimizer(list(network().parameters()), choice, 0.0)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_state_that_has_no_file_is_refused() -> None:
    model = network()
    optimizer = make_optimizer(list(model.parameters()), other("lion"), 0.0)
    take_steps(model, optimizer, 0, 1)
    optimizer.state[next(model.parameters())]["history"] = [1, 2]
    with pytest.raises(SpecError, match="the Lion optimizer keeps a list, so its state"):
        state_tensors(optimizer)


def test_without_origins_a_step_is_the_optimizers_own() -> None:
    choice, one, two = other("lion"), network(), network()
    for model, step in ((one, True), (two, False)):
        optimizer = make_optimizer(list(model.parameters()), choice, 0.1)
        model(torch.ones(1, 5)).sum().backward()
        if step:
            optimizer.step()
        else:
            step_with_decay_origin(optimizer, choice, 0.1, ())
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        *((choice, False) for choice in CHOICES),
        (other("lars", options={"always_adapt": True}), True),
        (other("lamb", options={"always_adapt": True}), True),
        (other("adamp"), True),
    ],
    ids=str,
)
def test_steps_that_depend_on_the_parameters_own_size(
    choice: Sgd | Adam | OtherOptimizer, expected: bool
) -> None:
    assert step_depends_on_parameters(choice) is expected

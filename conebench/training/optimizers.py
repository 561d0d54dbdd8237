"""Optimizers by name, their state as tensors, and weight decay towards a point of choice."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from conebench.errors import SpecError
from conebench.networks.timm_models import make_timm_optimizer
from conebench.spec.schema import Adam, OtherOptimizer, Sgd

TensorDict = dict[str, Tensor]
OptimizerChoice = Sgd | Adam | OtherOptimizer

# Some optimizers count in plain numbers, which a file of tensors has no place for.
NUMBERS: dict[type, torch.dtype] = {bool: torch.bool, int: torch.int64, float: torch.float64}
GROUP = "group"


def make_optimizer(
    parameters: Sequence[nn.Parameter], choice: OptimizerChoice, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimizer over the parameters, one group, all of them decayed.

    Raises a SpecError for a name that timm does not know, or options that it does not take.
    """
    if isinstance(choice, OtherOptimizer):
        options = {"lr": choice.learning_rate, "weight_decay": weight_decay, **choice.options}
        return make_timm_optimizer(choice.name, parameters, options)
    if isinstance(choice, Sgd):
        return torch.optim.SGD(
            parameters,
            lr=choice.learning_rate,
            momentum=choice.momentum,
            nesterov=choice.nesterov,
            weight_decay=weight_decay,
        )
    factory = torch.optim.AdamW if choice.name == "adamw" else torch.optim.Adam
    return factory(
        parameters,
        lr=choice.learning_rate,
        betas=choice.betas,
        eps=choice.eps,
        weight_decay=weight_decay,
    )


def depends_on_size(choice: OptimizerChoice) -> bool:
    """Whether the optimizer's steps depend on where its parameters lie, not on gradients alone.

    Then it trains a displacement w = theta - theta_s by another rule than theta itself. Found by
    three steps from 0 and from elsewhere, with the same gradients, orthogonal to the parameters as
    those of weights before a BatchNorm are.
    """
    draws = torch.Generator().manual_seed(0)
    where = torch.randn(6, 36, generator=draws)
    gradients = torch.randn(3, 6, 36, generator=draws)
    gradients -= (
        (gradients * where).sum(-1, keepdim=True) / where.square().sum(-1, keepdim=True) * where
    )
    moved = []
    for start in (torch.zeros(6, 36), where):
        parameter = nn.Parameter(start.view(6, 4, 3, 3).clone())
        optimizer = make_optimizer([parameter], choice, 0.0)
        for gradient in gradients:
            parameter.grad = gradient.view_as(parameter).clone()
            optimizer.step()
        moved.append(parameter.detach().flatten(1) - start)
    return float((moved[0] - moved[1]).norm()) > 1e-3 * float(moved[0].norm())


def step_with_decay_origin(
    optimizer: torch.optim.Optimizer,
    choice: OptimizerChoice,
    weight_decay: float,
    origins: Sequence[Tensor],
) -> None:
    """One update whose weight decay acts on p + origin, for each parameter p.

    Without origins it is the optimizer's own step. Decay is part of the gradient, or decoupled
    from it (AdamW); of another optimizer that is not known, so it takes no origins.
    """
    parameters = optimizer.param_groups[0]["params"] if origins else ()
    decoupled = choice.name == "adamw"
    if not decoupled:
        for parameter, origin in zip(parameters, origins, strict=True):
            parameter.grad.add_(origin, alpha=weight_decay)
    optimizer.step()
    if decoupled:
        rate = optimizer.param_groups[0]["lr"]
        with torch.no_grad():
            for parameter, origin in zip(parameters, origins, strict=True):
                parameter.sub_(origin, alpha=rate * weight_decay)


def state_tensors(optimizer: torch.optim.Optimizer) -> TensorDict:
    """A copy of the optimizer's state on the CPU, as tensors named `<owner>/<key>`.

    The owner is a parameter's index, or `group`; plain numbers are named `<owner>/<key>:<type>`.
    Raises a SpecError for an optimizer that keeps anything else.
    """
    stored = {}
    for owner, key, value in _entries(optimizer):
        if isinstance(value, Tensor):
            stored[f"{owner}/{key}"] = value.detach().cpu().clone()
        elif type(value) in NUMBERS:
            kind = type(value)
            stored[f"{owner}/{key}:{kind.__name__}"] = torch.tensor(value, dtype=NUMBERS[kind])
        elif value is not None:
            raise SpecError(
                f"the {type(optimizer).__name__} optimizer keeps a {type(value).__name__}, so its "
                "state cannot be stored",
                field="training.optimizer.name",
            )
    return stored


def _entries(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, str, Any]]:
    """All that an optimizer keeps between steps: of each parameter, and of its one group."""
    state = optimizer.state_dict()
    for index, entries in state["state"].items():
        for key, value in entries.items():
            yield str(index), key, value
    for key, value in state["param_groups"][0].items():
        if key != "params" and key not in optimizer.defaults:
            yield GROUP, key, value


def load_state(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give the optimizer the state that `state_tensors` stored."""
    groups = optimizer.state_dict()["param_groups"]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        owner, _, entry = name.partition("/")
        key, is_number, _ = entry.partition(":")
        value = tensor.item() if is_number else tensor
        if owner == GROUP:
            groups[0][key] = value
        else:
            state.setdefault(int(owner), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": groups})

"""Optimizers by name, their state as tensors, and weight decay toward any point."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from conebench.errors import SpecError
from conebench.networks.timm_models import make_timm_optimizer
from conebench.spec.optimizers import Adam, OtherOptimizer, Sgd

TensorDict = dict[str, Tensor]
OptimizerChoice = Sgd | Adam | OtherOptimizer

# Some optimizers keep plain numbers, which are stored as tensors of these types.
NUMBERS: dict[type, torch.dtype] = {bool: torch.bool, int: torch.int64, float: torch.float64}
GROUP = "group"


def make_optimizer(
    parameters: Sequence[nn.Parameter], choice: OptimizerChoice, weight_decay: float
) -> torch.optim.Optimizer:
    """Make an optimizer with all parameters in one group, all decayed.

    Raises a SpecError for a name unknown to timm, or options the optimizer does not take.
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


def step_depends_on_parameters(choice: OptimizerChoice) -> bool:
    """Return True if the optimizer's steps depend on the parameters, not only on gradients.

    Such an optimizer trains a displacement w = theta - theta_s by another rule than theta itself.
    """
    # Three steps from 0 and from elsewhere, with the same gradients. These are orthogonal to the
    # parameters, as those of weights before a BatchNorm are.
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
    # Rounding alone is far below this.
    return float((moved[0] - moved[1]).norm()) > 1e-3 * float(moved[0].norm())


def step_with_decay_origin(
    optimizer: torch.optim.Optimizer,
    choice: OptimizerChoice,
    weight_decay: float,
    origins: Sequence[Tensor],
) -> None:
    """Take one step with weight decay acting on p + origin, for each parameter p.

    Without origins, this is the optimizer's own step.
    """
    parameters = optimizer.param_groups[0]["params"] if origins else ()
    # AdamW decays apart from the gradient, SGD and Adam through it. How others do is not known, so
    # specs do not allow origins for them.
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
    """Copy the optimizer's state to the CPU, as tensors named `<owner>/<key>`.

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
    """Yield the state of an optimizer, per parameter and for its group."""
    state = optimizer.state_dict()
    for index, entries in state["state"].items():
        for key, value in entries.items():
            yield str(index), key, value
    for key, value in state["param_groups"][0].items():
        # Defaults are options, which come from the spec again.
        if key != "params" and key not in optimizer.defaults:
            yield GROUP, key, value


def load_state(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load the state that `state_tensors` stored."""
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

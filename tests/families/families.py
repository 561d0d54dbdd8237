"""timm's model families, and what the kernel of each is checked against, in float64."""

import warnings
from collections import defaultdict
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import timm
import torch
from timm.models import _registry
from torch import Tensor, nn

from conebench.entk import KernelError, as_matrix, empirical_ntk, plan_ntk
from conebench.linearize import LinearizedModel

CLASSES = 3
SIDES = (32, 64, 96, 128, 160, 192, 224, 256, 384)
# Larger networks are made with two blocks only: J in float64 must fit into memory.
LARGEST = 90_000_000
MEMORY = 8 * 2**30
SHIFTS = (1e-6, 1e-7, 1e-8, 1e-9)


@dataclass(frozen=True)
class Finding:
    """What was found of one family: relative errors in float64, None where not measured."""

    family: str
    model: str = ""
    side: int = 0
    parameters: int = 0
    autograd_error: float | None = None
    difference_error: float | None = None
    tangent_error: float | None = None
    generic_share: float | None = None
    stale_error: float | None = None
    seconds: float = 0.0
    reason: str = ""

    def dump(self) -> dict[str, Any]:
        return asdict(self)


def families() -> dict[str, list[str]]:
    """Names of timm's own models by the module that defines them."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in timm.list_models():
        module = _registry._model_to_module[name]
        if _registry._model_entrypoints[name].__module__.startswith("timm."):
            found[module].append(name)
    return dict(sorted(found.items()))


def smallest(names: list[str]) -> tuple[str, int]:
    """The model of a family with the fewest parameters."""
    counts = {}
    for name in names:
        try:
            with torch.device("meta"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                network = timm.create_model(name, num_classes=CLASSES)
        except Exception:  # noqa: BLE001, S112  # some models cannot be made without data
            continue
        counts[name] = sum(p.numel() for p in network.parameters())
    name = min(counts, key=counts.__getitem__)
    return name, counts[name]


def small_network(name: str, *, is_uneven: bool = True, **shape: int) -> tuple[nn.Module, int]:
    """The network in float64 for the smallest image it takes, weights and statistics uneven."""
    reasons = []
    for side in SIDES:
        for arguments in ({"img_size": side, **shape}, shape):
            torch.manual_seed(0)
            try:
                network = timm.create_model(name, num_classes=CLASSES, **arguments).double().eval()
                with torch.no_grad():
                    logits = network(torch.randn(2, 3, side, side, dtype=torch.float64))
            except Exception as error:  # noqa: BLE001  # any model file may raise anything
                reasons.append(str(error).splitlines()[0] if str(error) else type(error).__name__)
                continue
            if tuple(getattr(logits, "shape", ())) == (2, CLASSES):
                if is_uneven:
                    _make_uneven(network)
                return network, side
            reasons.append("gives no logits of shape [n, classes]")
    raise KernelError(reasons[-1])


def _make_uneven(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        for module in network.modules():
            if getattr(module, "running_mean", None) is not None:
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    _forget(network)


def check(name: str, family: str, parameters: int) -> Finding:
    """Compare kernel and linearization of one model with three referees."""
    shape = {"depth": 2} if parameters > LARGEST else {}
    network, side = small_network(name, **shape)
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    began = perf_counter()
    kernel = as_matrix(empirical_ntk(network, x, memory_limit=MEMORY))
    seconds = perf_counter() - began
    J = _jacobian(network, x)
    plan = plan_ntk(network, x, memory_limit=MEMORY)
    pieces = [piece for planned in plan.passes for piece in planned.pieces]
    count = sum(piece.entries for piece in pieces)
    generic = sum(piece.entries for piece in pieces if piece.term.route == "generic")
    direction = torch.randn(J.shape[1], dtype=torch.float64)
    tangent = (J @ direction).view(2, CLASSES)
    return Finding(
        family=family,
        model=name + ", depth 2" * bool(shape),
        side=side,
        parameters=count,
        autograd_error=_error(kernel, J @ J.T),
        difference_error=_difference_error(network, x, direction, tangent),
        tangent_error=_tangent_error(network, x, direction, tangent),
        generic_share=generic / count,
        stale_error=_error(_stale_kernel(network, x), J @ J.T),
        seconds=seconds,
    )


def _forget(network: nn.Module) -> None:
    # timm's own way to drop tensors kept between evaluation passes.
    network.train()
    network.eval()


def _jacobian(network: nn.Module, x: Tensor) -> Tensor:
    """J by plain autograd, row by row, nothing kept from an earlier pass."""
    _forget(network)
    return _rows(network, network(x))


def _stale_kernel(network: nn.Module, x: Tensor) -> Tensor:
    """J J^T as plain autograd gives it after a pass that recorded no gradients."""
    _forget(network)
    with torch.no_grad():
        network(x)
    J = _rows(network, network(x))
    _forget(network)
    return J @ J.T


def _rows(network: nn.Module, logits: Tensor) -> Tensor:
    parameters = [p for p in network.parameters() if p.requires_grad]
    rows = []
    for logit in logits.flatten():
        found = torch.autograd.grad(logit, parameters, retain_graph=True, allow_unused=True)
        pairs = zip(found, parameters, strict=True)
        rows.append(
            torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])
        )
    return torch.stack(rows)


def _difference_error(network: nn.Module, x: Tensor, direction: Tensor, expected: Tensor) -> float:
    """Error of central finite differences against J v, for the best of several steps.

    A large step meets kinks, a small one rounding.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in parameters]
    parts = direction.split([p.numel() for p in parameters])

    def logits_at(shift: float) -> Tensor:
        with torch.no_grad():
            for parameter, origin, part in zip(parameters, start, parts, strict=True):
                parameter.copy_(origin + shift * part.view_as(parameter))
            _forget(network)
            return network(x)

    errors = [
        _error((logits_at(shift) - logits_at(-shift)) / (2 * shift), expected) for shift in SHIFTS
    ]
    logits_at(0.0)
    _forget(network)
    return min(errors)


def _tangent_error(
    network: nn.Module, x: Tensor, direction: Tensor, expected: Tensor
) -> float | None:
    """Error of the linearized model's J w, None where it has no forward derivative."""
    _forget(network)
    linear = LinearizedModel(network, intercept=False)
    parts = direction.split([w.numel() for w in linear.displacement])
    with torch.no_grad():
        for w, part in zip(linear.displacement, parts, strict=True):
            w.copy_(part.view_as(w))
    try:
        found = linear(x)
    except KernelError as error:
        if "cannot be linearized" in str(error):
            return None
        raise
    torch.autograd.grad(found.sum(), list(linear.displacement), allow_unused=True)
    return _error(found.detach(), expected)


def _error(found: Tensor, expected: Tensor) -> float:
    return float((found.detach() - expected).norm() / expected.norm())

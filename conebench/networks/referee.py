"""Derivatives of a network against the network itself: finite differences, plain repetition.

Automatic differentiation, layer rules and forward mode may all be wrong at once, where a tensor is
kept between passes, a block is under `no_grad`, or a copy misses a closure. What they say is held
against the network's values alone:

- no random number is drawn, and a sample gives the same logits alone and in a batch;
- for a random direction u of all parameters, J u is (f(theta + h u) - f(theta - h u)) / 2h.

All this on a few samples and at parameters near the network's own, where no unit lies exactly on
the kink of a ReLU and no layer is silent because another one is zero; and in float64, if the
network can. Steps and tolerances are chosen over all of timm's families (docs/model-support.md).
"""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from conebench.errors import KernelError
from conebench.networks.differences import LARGEST_DIFFERENCES, Slopes, difference, logits_at
from conebench.networks.functional import FrozenNetwork
from conebench.networks.reference import Reference, take_reference

DIRECTIONS = (2, 3, 4)
# In float64 an error is real if two steps differ by less than this share of it.
REPEATED = 0.1
ADVICE = "look for detach(), no_grad() or .data in forward and for tensors kept between passes"

Tangents = Callable[[Reference, Mapping[str, Tensor]], Float[Tensor, "m c"]]


def check_derivatives(
    frozen: FrozenNetwork, reference: Reference, tangents: Tangents | None = None
) -> float:
    """Hold gradients, and a linearization's tangents, against the network's own differences.

    Args:
        frozen: the network.
        reference: its gradients, which are freed.
        tangents: a linearization: J w at the parameters of a reference, for w by name.

    Returns:
        How far they were from the differences, relative to ||J^T weights||.

    Raises:
        KernelError: the network mixes samples, gives other logits the second time, or has other
            derivatives.

    """
    x, error = reference.samples, 0.0
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
        for seed in DIRECTIONS:
            if not reference.gradients:
                reference = take_reference(frozen, x)
            slopes = Slopes(frozen, reference.samples, reference.parameters, seed)
            residuals = _residuals(reference, slopes, tangents)
            # As many numbers as all parameters, which the differences need.
            reference.gradients.clear()
            what, error, is_real = _worst(slopes, residuals)
            _check_samples(frozen, reference, slopes.middle)
            if is_real or not error <= slopes.tolerance:
                raise KernelError(
                    f"{what} are not the derivatives of the network: along a random direction of "
                    f"all parameters they are {error:.2g} (relative) from finite differences; "
                    f"{ADVICE}"
                )
            if error <= slopes.clear:
                break
    return error


def _worst(
    slopes: Slopes, residuals: Mapping[str, Callable[[Tensor], Tensor]]
) -> tuple[str, float, bool]:
    """Return the claim whose least error is largest, the error, and if it is real for certain."""
    tried: list[dict[str, Tensor]] = []
    least = dict.fromkeys(residuals, math.inf)
    for slope in slopes:
        tried.append({what: residual(slope) for what, residual in residuals.items()})
        least = {what: min(least[what], float(r.norm())) for what, r in tried[-1].items()}
        if max(least.values()) <= slopes.clear:
            break
    what = max(least, key=lambda what: least[what])
    if slopes.dtype != torch.float64 or len(tried) < 2 or least[what] <= slopes.clear:
        return what, least[what], False
    # Rounding and kinks are not the same for two steps.
    change = float((tried[0][what] - tried[1][what]).norm())
    return what, least[what], change <= REPEATED * least[what]


def _residuals(
    reference: Reference, slopes: Slopes, tangents: Tangents | None
) -> dict[str, Callable[[Float[Tensor, "1 c"]], Tensor]]:
    """Return how a slope differs from each claim, relative to ||J^T weights||."""
    weights, scale = reference.weights[1:].double(), reference.size or 1.0

    def of(gradients: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
        along = slopes.along(gradients)
        return lambda slope: ((slope * weights).sum() - along) / scale

    claims = {"autograd's gradients": of(reference.gradients)}
    if tangents is not None:
        u = {name: d.requires_grad_() for name, d in slopes.direction().items()}
        with torch.enable_grad():
            J_u = tangents(reference, u)
            found = torch.autograd.grad(
                J_u, list(u.values()), reference.weights, allow_unused=True, materialize_grads=True
            )
        tangent = J_u.detach()[1:].double()
        claims["the linearization's tangents"] = lambda slope: (slope - tangent) / scale
        claims["the linearization's gradients"] = of(dict(zip(u, found, strict=True)))
    return claims


def _check_samples(
    frozen: FrozenNetwork, reference: Reference, second: Float[Tensor, "1 c"]
) -> None:
    """Refuse a network whose logits for a sample change with the batch, or from pass to pass."""
    logits, parameters, x = reference.logits, reference.parameters, reference.samples
    allowed = LARGEST_DIFFERENCES.get(logits.dtype, 1e-1)
    apart = difference(second, logits[1:])
    if apart <= allowed:
        return
    repeated = difference(logits_at(frozen, parameters, x), logits)
    if repeated > allowed:
        raise KernelError(
            f"the same inputs give logits that are {repeated:.2g} (relative) apart the second "
            "time: the network draws random numbers or keeps a state"
        )
    raise KernelError(
        f"the logits of a sample depend on the other samples of its batch: {apart:.2g} (relative) "
        "apart in batches of one, two and three"
    )

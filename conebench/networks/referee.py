"""Derivatives of a network against the network itself: finite differences, plain repetition.

Automatic differentiation, layer rules and forward mode may all be wrong at once, where a tensor is
kept between passes or a block is under `no_grad`. What they say is held against the network's
values alone:

- no random number is drawn, and a sample gives the same logits alone and in a batch;
- for a random direction u of all parameters, J u is (f(theta + h u) - f(theta - h u)) / 2h.

All this on two samples and at parameters near the network's own, where no unit lies exactly on the
kink of a ReLU and no layer is silent because another one is zero; and in float64, if the network
can. Steps and tolerances are chosen over all of timm's families (docs/model-support.md).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from conebench.errors import KernelError
from conebench.networks.freed_memory import return_freed_memory
from conebench.networks.functional import FrozenNetwork, converted
from conebench.networks.modes import parameters_at
from conebench.networks.noise import noise_factors, noise_like
from conebench.networks.reference import Reference, difference, largest_difference, take_reference
from conebench.text import first_line

# Tried in turn: small steps meet rounding, large ones curvature and kinks. The last one is between
# both where a network computes in float32 inside.
STEPS = {torch.float64: (1e-7, 1e-8, 1e-6, 1e-4, 1e-5), torch.float32: (1e-5, 1e-4, 1e-3)}
# Largest error, relative to the gradients; of gradients in less precise types it is larger.
TOLERANCES = {torch.float64: 1e-3, torch.float32: 1e-3, torch.float16: 2e-2}
# Of differences that are not in float64.
COARSE_TOLERANCE = 3e-2
# An error so small is rounding. A wrong gradient may be near by chance along one direction, so if
# the first one is no clearer, two more must agree.
CLEAR = {torch.float64: 1e-7}
CLEAR_IN_OTHER_TYPES = 1e-5
DIRECTIONS = (2, 3, 4)
# Of logits in float64 at slightly different parameters.
SUSPICIOUS = 1e-8
# In float64 an error is real if two steps differ by less than this share of it.
REPEATED = 0.1
# Most of the user's samples that are compared in two batches.
MOST_COMPARED = 4
ADVICE = (
    "look in forward for detach(), no_grad(), .data, autocast or an embedding's padding_idx, and "
    "for tensors kept between passes"
)
FORWARD_ADVICE = (
    "forward mode cannot follow autograd.grad in forward, or operators that drop tangents, such as "
    "torchvision's"
)
GRADIENTS, TANGENTS = "autograd's gradients", "the linearization's tangents"

# A linearization: J w at the parameters of a reference, for w by name.
Tangents = Callable[[Reference, Mapping[str, Tensor]], Float[Tensor, "m c"]]


def check_derivatives(
    frozen: FrozenNetwork, reference: Reference, tangents: Tangents | None = None
) -> float:
    """Hold gradients, and a linearization's tangents, against the network's own differences.

    Args:
        frozen: the network.
        reference: its gradients, which are freed.
        tangents: a linearization.

    Returns:
        How far they were from the differences, relative to ||J^T weights||.

    Raises:
        KernelError: the network mixes samples, gives other logits the second time, or has other
            derivatives.

    """
    x, error = reference.samples, math.inf
    clear = CLEAR.get(x.dtype, CLEAR_IN_OTHER_TYPES)
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
        for seed in DIRECTIONS:
            if not reference.gradients:
                reference = take_reference(frozen, x)
            claims, size = _claims(reference, seed, tangents), reference.size or 1.0
            # As many numbers as all parameters, which the differences need.
            reference.gradients.clear()
            return_freed_memory()
            error = _check_claims(frozen, reference, seed, claims, size)
            if error <= clear:
                break
    return error


def _check_claims(
    frozen: FrozenNetwork,
    reference: Reference,
    seed: int,
    claims: Mapping[str, float],
    size: float,
) -> float:
    """Return the largest error of the claimed slopes, relative to `size`; refuse a real one."""
    dtype = reference.samples.dtype
    tolerance, clear = TOLERANCES.get(dtype, 1e-1), CLEAR.get(dtype, CLEAR_IN_OTHER_TYPES)
    tried: list[float] = []
    what, error = "", math.inf
    for slope, middle, taken_in in slopes(frozen, reference, seed):
        if not tried:
            _check_samples(frozen, reference, middle)
        tried.append(slope)
        errors = {w: min(math.inf, *(abs(c - s) for s in tried)) for w, c in claims.items()}
        what = max(errors, key=lambda what: errors[what])
        error = errors[what] / size
        if error <= clear:
            return error
        if taken_in != torch.float64:
            tolerance = max(tolerance, COARSE_TOLERANCE)
    # Rounding and kinks are not the same for two steps.
    is_repeated = abs(tried[0] - tried[1]) <= REPEATED * error * size
    if not error <= tolerance or (dtype == torch.float64 and is_repeated):
        raise KernelError(
            f"{what} are not the derivatives of the network: along a random direction of all "
            f"parameters they are {error:.2g} (relative) from finite differences; "
            f"{FORWARD_ADVICE if what == TANGENTS else ADVICE}"
        )
    return error


def _claims(reference: Reference, seed: int, tangents: Tangents | None) -> dict[str, float]:
    """Return (J u . weights) as each kind of derivative gives it."""

    def along(gradients: Iterable[Tensor]) -> float:
        return math.fsum(_inner(g, *noise_factors(g, seed, k)) for k, g in enumerate(gradients))

    claims = {GRADIENTS: along(reference.gradients.values())}
    if tangents is not None:
        w = {
            name: noise_like(g, seed, number).requires_grad_()
            for number, (name, g) in enumerate(reference.gradients.items())
        }
        with torch.enable_grad():
            J_u = tangents(reference, w)
            found = _gradients_of(J_u, list(w.values()), reference.weights)
        claims[TANGENTS] = float((J_u.detach() * reference.weights).sum())
        claims["the linearization's gradients"] = along(found)
    return claims


def _gradients_of(J_u: Tensor, w: Sequence[Tensor], weights: Tensor) -> Sequence[Tensor]:
    try:
        return torch.autograd.grad(J_u, w, weights, allow_unused=True, materialize_grads=True)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, NotImplementedError) as error:
        # Some operators have a tangent without a derivative of its own.
        raise KernelError(f"the network cannot be linearized: {first_line(error)}") from error


def _inner(gradient: Tensor, rows: Tensor, columns: Tensor) -> float:
    """Return the inner product of a gradient with the direction rows * columns."""
    # Real and imaginary parts of a complex parameter count as two real ones.
    product = (gradient.detach() * columns.conj() * rows.conj()).sum()
    return float(product.real if product.is_complex() else product)


def slopes(
    frozen: FrozenNetwork, reference: Reference, seed: int
) -> Iterator[tuple[float, Float[Tensor, "1 c"], torch.dtype]]:
    """Yield central differences of the second sample along a random direction, by each step.

    Each is the slope of the weighted logits, the logits in its middle, and the type it was taken
    in.
    """
    x, weights = reference.samples[1:], reference.weights[1:].double()
    # Not every device has float64, and a network that sets a type of its own may not run in it.
    types = (x.dtype,) if x.device.type == "mps" else (torch.float64, x.dtype)
    for dtype in dict.fromkeys(types):
        try:
            for step in STEPS.get(dtype, STEPS[torch.float32]):
                plus, minus = _logits_around(frozen, reference, seed, step, dtype)
                value = float(((plus - minus) * weights).sum()) / (2 * step)
                yield value, (plus + minus) / 2, dtype
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            # A network may raise anything in a type that it does not expect.
            if dtype == x.dtype:
                raise KernelError(
                    "the network fails under no_grad(), on other numbers of samples, or with all "
                    f"parameters of one type: {first_line(error)}"
                ) from error
        else:
            return


def _logits_around(
    frozen: FrozenNetwork, reference: Reference, seed: int, step: float, dtype: torch.dtype
) -> Iterator[Float[Tensor, "1 c"]]:
    """Yield f(theta + h u), of the sample alone, and f(theta - h u), of it between two others."""
    x = reference.samples.to(dtype)
    moved = {n: converted(p, dtype, copy=True) for n, p in reference.parameters.items()}

    def move(length: float) -> None:
        for number, name in enumerate(frozen.trainable):
            moved[name].addcmul_(*noise_factors(moved[name], seed, number), value=length)

    move(step)
    yield _alone(frozen, moved, x[1:]).double()
    move(-2 * step)
    yield _among(frozen, moved, x).double()


def _among(
    frozen: FrozenNetwork, parameters: Mapping[str, Tensor], x: Float[Tensor, "2 ..."]
) -> Float[Tensor, "1 c"]:
    """Return the logits of the second sample in a larger batch."""
    try:
        return _logits_at(frozen, parameters, x[[0, 1, 0]])[1:2]
    except (RuntimeError, ValueError, IndexError):
        # A network may take even numbers of samples only.
        # Unequal counts, or a mean over the batch would be that of the pair.
        return _logits_at(frozen, parameters, x[[0, 1, 0, 0]])[1:2]


def _alone(
    frozen: FrozenNetwork, parameters: Mapping[str, Tensor], sample: Float[Tensor, "1 ..."]
) -> Float[Tensor, "1 c"]:
    """Return the logits of one sample alone; twice for a network that takes no lone sample."""
    try:
        logits = _logits_at(frozen, parameters, sample)
        if logits.ndim == 2 and len(logits) == 1:
            return logits
    except (RuntimeError, ValueError, IndexError):
        pass
    return _logits_at(frozen, parameters, torch.cat([sample, sample]))[:1]


def _logits_at(
    frozen: FrozenNetwork, parameters: Mapping[str, Tensor], x: Tensor
) -> Float[Tensor, "m c"]:
    """Return the logits of the network at other values of its own parameters.

    The own parameters themselves have these values, where all that holds on to them sees it. In
    another type they are replaced instead: a parameter whose type was changed loses its hooks in
    autograd, by which distributed training works.
    """
    if any(p.dtype != parameters[name].dtype for name, p in frozen.own.items()):
        with torch.no_grad():
            return frozen(x, parameters, x.dtype)
    with torch.no_grad(), parameters_at(frozen.own, parameters, frozen.trainable):
        return frozen(x, frozen.own, x.dtype)


def _check_samples(
    frozen: FrozenNetwork, reference: Reference, second: Float[Tensor, "1 c"]
) -> None:
    """Refuse a network whose logits for a sample change with the batch, or from pass to pass."""
    logits = reference.logits
    allowed = SUSPICIOUS if logits.dtype == torch.float64 else largest_difference(logits.dtype)
    if difference(second, logits[1:]) <= allowed:
        return
    # Those logits are of slightly different parameters, which matters where a network bends much or
    # rounds. Compare at equal ones.
    at, x = reference.parameters, reference.samples
    apart = max(
        difference(_alone(frozen, at, x[1:]), logits[1:]),
        difference(_among(frozen, at, x), logits[1:]),
    )
    if apart <= allowed:
        return
    repeated = difference(_logits_at(frozen, reference.parameters, reference.samples), logits)
    if repeated > allowed:
        raise KernelError(
            f"the same inputs give logits that are {repeated:.2g} (relative) apart the second "
            "time: the network draws random numbers or keeps a state"
        )
    raise _mixing(apart)


def check_mixing(frozen: FrozenNetwork, reference: Reference, x: Float[Tensor, "n ..."]) -> None:
    """Refuse a network whose logits for some of the user's samples change with the batch.

    Two samples may be alike to the layer that mixes them, so up to four are compared. At the
    network's own parameters a layer of zeros, as initialized, makes all alike.

    Args:
        frozen: the network.
        reference: its parameters, and logits that serve if they are of two of the samples.
        x: its inputs.

    Raises:
        KernelError: the network mixes samples.

    """
    some, two = x[:MOST_COMPARED], x[:MOST_COMPARED:2]
    has_both = torch.equal(two, reference.samples)
    try:
        whole = _logits_at(frozen, reference.parameters, some)
        part = reference.logits if has_both else _logits_at(frozen, reference.parameters, two)
    except (RuntimeError, ValueError, IndexError):
        # A network may take some numbers of samples only.
        return
    apart = difference(part, whole[::2])
    if apart > largest_difference(whole.dtype):
        raise _mixing(apart)


def check_alone(frozen: FrozenNetwork, x: Float[Tensor, "n ..."]) -> None:
    """Refuse a network whose logits for any of these samples change with the batch.

    For networks that treat samples differently, by their values: one sample may change the way that
    the whole batch takes.
    """
    parameters = dict(frozen.named())
    whole = _logits_at(frozen, parameters, x)
    alone = torch.cat([_alone(frozen, parameters, sample) for sample in torch.split(x, 1)])
    apart = difference(alone, whole)
    if apart > largest_difference(whole.dtype):
        raise _mixing(apart)


def _mixing(apart: float) -> KernelError:
    return KernelError(
        f"the logits of a sample depend on the other samples of its batch: {apart:.2g} (relative) "
        "apart in batches of different samples"
    )

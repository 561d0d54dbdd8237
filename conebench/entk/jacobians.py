"""Per-sample Jacobians of parameters that no rule covers.

Each sample gets a copy of the parameters as its own slice, the network is mapped over samples, and
one backward pass per direction gives the gradients of all samples. A network that cannot be mapped,
or whose mapped gradient is not the one that was proved, is taken sample by sample, by plain
autograd in its own parameters.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.func import vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from conebench.networks.functional import FrozenNetwork
from conebench.networks.reference import Reference


def jacobian_rows(
    network: FrozenNetwork,
    parameters: Mapping[str, Tensor],
    x: Float[Tensor, "n ..."],
    basis: Float[Tensor, "r c"],
    *,
    mapped: bool,
) -> Iterator[dict[str, Tensor]]:
    """Yield the gradients of f(x_i) . basis_r for each direction r, [n, entries] by name.

    A complex entry counts as two. `mapped` is for parameters that `find_mapped` names. Source:
    Novak et al. 2022, arXiv 2206.08720, "Jacobian contraction".
    """
    if mapped:
        return _mapped(network, parameters, x, basis)
    return _one_by_one(network, list(parameters), x, basis)


def find_mapped(
    network: FrozenNetwork, reference: Reference, names: Sequence[str]
) -> frozenset[str]:
    """Return the parameters whose gradient is right if the network is mapped over samples."""
    parameters = {name: reference.parameters[name] for name in names}
    if not parameters:
        return frozenset()
    try:
        rows = _mapped(network, parameters, reference.samples, reference.weights[1:])
        found = next(rows)
    except torch.OutOfMemoryError:
        raise
    except Exception:  # noqa: BLE001  # a network may raise anything for a lone sample
        return frozenset()
    return frozenset(name for name in names if reference.agrees(name, found[name][1]))


def real_entries(parameter: Tensor) -> int:
    """Count the entries of a parameter, a complex one as two."""
    return parameter.numel() * (2 if parameter.is_complex() else 1)


def as_row(gradients: Num[Tensor, "n ..."]) -> Float[Tensor, "n entries"]:
    """Return gradients with one real row per sample."""
    real = torch.view_as_real(gradients) if gradients.is_complex() else gradients
    return real.reshape(len(real), -1)


def _mapped(
    network: FrozenNetwork, parameters: Mapping[str, Tensor], x: Tensor, basis: Tensor
) -> Iterator[dict[str, Tensor]]:
    # A view [n, ...] of each parameter, whose gradient has a slice per sample.
    slices = {
        name: p.detach().expand(len(x), *p.shape).requires_grad_() for name, p in parameters.items()
    }

    def of_sample(own: dict[str, Tensor], sample: Tensor) -> Tensor:
        return network(sample[None], own)[0]

    # Fused attention cannot be mapped over samples.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        with warnings.catch_warnings():
            # Some operators are mapped by a loop.
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            logits = vmap(of_sample)(slices, x)  # [n, c]
        for index, direction in enumerate(basis):
            keep = index + 1 < len(basis)
            found = _gradients(logits, direction.expand_as(logits), list(slices.values()), keep)
            yield {name: as_row(g) for name, g in zip(slices, found, strict=True)}


def _one_by_one(
    network: FrozenNetwork, names: Sequence[str], x: Tensor, basis: Tensor
) -> Iterator[dict[str, Tensor]]:
    own = [network.own[name] for name in names]
    rows: list[list[list[Tensor]]] = [[] for _ in basis]
    for sample in x:
        with torch.enable_grad():
            # The same sample twice: see `Request.chunks`.
            logits = network(torch.stack([sample, sample]))[0]  # [c]
        for index, direction in enumerate(basis):
            keep = index + 1 < len(basis)
            rows[index].append(_gradients(logits, direction, own, keep))
    for row in rows:
        # n of [...] -> [n, entries]
        yield {
            name: as_row(torch.stack([found[k] for found in row])) for k, name in enumerate(names)
        }


def _gradients(
    logits: Tensor, weights: Tensor, leaves: Sequence[Tensor], keep: bool
) -> list[Tensor]:
    """Return the gradients of sum(logits * weights)."""
    if not logits.requires_grad:
        # These inputs are routed past all parameters.
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(
        logits, leaves, weights, retain_graph=keep, allow_unused=True, materialize_grads=True
    )
    return [g if g.layout is torch.strided else g.to_dense() for g in found]

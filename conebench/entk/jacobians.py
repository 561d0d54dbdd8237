"""Per-sample Jacobians of parameters that no rule covers.

Each sample gets a copy of the parameters as its own slice, the network is mapped over samples, and
one backward pass per direction gives the gradients of all samples. A network that cannot be mapped,
or whose mapped gradient differs from plain autograd's, is taken sample by sample.
"""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from conebench.entk.routes import agrees, differing_pair, mixed_direction
from conebench.networks.functional import call_with


def jacobian_rows(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    x: Float[Tensor, "n ..."],
    basis: Float[Tensor, "r c"],
    *,
    mapped: bool,
) -> Iterator[dict[str, Tensor]]:
    """Yield the gradients of f(x_i) . basis_r for each direction r, [n, entries] by name.

    `mapped` needs `can_be_mapped`. Source: Novak et al. 2022, arXiv 2206.08720, "Jacobian
    contraction".
    """
    rows = _mapped if mapped else _one_by_one
    return rows(network, parameters, x, basis)


def can_be_mapped(
    network: nn.Module, parameters: Mapping[str, Tensor], x: Float[Tensor, "n ..."]
) -> bool:
    """Return True if mapping over samples gives autograd's gradient."""
    pair = differing_pair(x)
    with torch.no_grad():
        direction = mixed_direction(network(pair).shape[1], x)[None]
    expected = next(_one_by_one(network, parameters, pair, direction))
    try:
        found = next(_mapped(network, parameters, pair, direction))
    except (RuntimeError, NotImplementedError, ValueError):
        return False
    return all(agrees(found[name], expected[name]) for name in parameters)


def _mapped(
    network: nn.Module, parameters: Mapping[str, Tensor], x: Tensor, basis: Tensor
) -> Iterator[dict[str, Tensor]]:
    # A view [n, ...] of each parameter, whose gradient has a slice per sample.
    slices = {
        name: p.detach().expand(len(x), *p.shape).requires_grad_() for name, p in parameters.items()
    }

    def of_sample(own: dict[str, Tensor], sample: Tensor) -> Tensor:
        return call_with(network, own, sample[None])[0]

    # Fused attention cannot be mapped over samples.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        logits = vmap(of_sample)(slices, x)  # [n, c]
        for index, direction in enumerate(basis):
            yield _gradients((logits @ direction).sum(), slices, index + 1 < len(basis))


def _one_by_one(
    network: nn.Module, parameters: Mapping[str, Tensor], x: Tensor, basis: Tensor
) -> Iterator[dict[str, Tensor]]:
    leaves = {name: p.detach()[None].requires_grad_() for name, p in parameters.items()}
    rows: list[list[dict[str, Tensor]]] = [[] for _ in basis]
    for sample in x:
        own = {name: leaf[0] for name, leaf in leaves.items()}
        with torch.enable_grad():
            # The same sample twice: see `Request.chunks`.
            logits = call_with(network, own, torch.stack([sample, sample]))[0]  # [c]
        for index, direction in enumerate(basis):
            scalar = (logits @ direction).sum()
            rows[index].append(_gradients(scalar, leaves, index + 1 < len(basis)))
    for row in rows:
        # n of [1, entries] -> [n, entries]
        yield {name: torch.cat([found[name] for found in row]) for name in parameters}


def _gradients(scalar: Tensor, leaves: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Return gradients [n, entries] in leaves [n, ...]."""
    found = torch.autograd.grad(scalar, list(leaves.values()), retain_graph=keep, allow_unused=True)
    return {
        name: (torch.zeros_like(leaf) if gradient is None else gradient).flatten(1)
        for (name, leaf), gradient in zip(leaves.items(), found, strict=True)
    }

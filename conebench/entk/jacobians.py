"""Per-sample Jacobians of any parameters of any network: where no rule covers a layer.

Each sample gets a copy of the parameters as its own slice, the network is mapped over samples,
and one backward pass a direction gives all samples' gradients at once. A network that cannot be
mapped, or whose mapped gradient differs from plain autograd's, goes sample by sample.
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
    frozen: nn.Module,
    parameters: Mapping[str, Tensor],
    x: Float[Tensor, "n ..."],
    basis: Float[Tensor, "r c"],
    *,
    mapped: bool,
) -> Iterator[dict[str, Tensor]]:
    """Per-sample gradients of f(x_i) . basis_r, for each r in turn as [n, entries] by name.

    Source: Novak et al. 2022, arXiv 2206.08720, "Jacobian contraction".
    """
    rows = _mapped if mapped else _one_by_one
    return rows(frozen, parameters, x, basis)


def can_be_mapped(
    frozen: nn.Module, parameters: Mapping[str, Tensor], x: Float[Tensor, "n ..."]
) -> bool:
    """Whether mapping over samples works for this network and gives autograd's gradient."""
    pair = differing_pair(x)
    with torch.no_grad():
        direction = mixed_direction(frozen(pair).shape[1], x)[None]
    expected = next(_one_by_one(frozen, parameters, pair, direction))
    try:
        found = next(_mapped(frozen, parameters, pair, direction))
    except (RuntimeError, NotImplementedError, ValueError):
        return False
    return all(agrees(found[name], expected[name]) for name in parameters)


def _mapped(
    frozen: nn.Module, parameters: Mapping[str, Tensor], x: Tensor, basis: Tensor
) -> Iterator[dict[str, Tensor]]:
    slices = {
        name: p.detach().expand(len(x), *p.shape).requires_grad_() for name, p in parameters.items()
    }

    def of_sample(own: dict[str, Tensor], sample: Tensor) -> Tensor:
        return call_with(frozen, own, sample[None])[0]

    # Fused attention cannot be mapped over samples.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        logits = vmap(of_sample)(slices, x)
        for index, direction in enumerate(basis):
            yield _gradients((logits @ direction).sum(), slices, index + 1 < len(basis))


def _one_by_one(
    frozen: nn.Module, parameters: Mapping[str, Tensor], x: Tensor, basis: Tensor
) -> Iterator[dict[str, Tensor]]:
    leaves = {name: p.detach()[None].requires_grad_() for name, p in parameters.items()}
    rows: list[list[dict[str, Tensor]]] = [[] for _ in basis]
    for sample in x:
        own = {name: leaf[0] for name, leaf in leaves.items()}
        with torch.enable_grad():
            # Two of the same sample: see `Samples.chunks`.
            logits = call_with(frozen, own, torch.stack([sample, sample]))[0]
        for index, direction in enumerate(basis):
            scalar = (logits @ direction).sum()
            rows[index].append(_gradients(scalar, leaves, index + 1 < len(basis)))
    for row in rows:
        yield {name: torch.cat([found[name] for found in row]) for name in parameters}


def _gradients(scalar: Tensor, leaves: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Gradients of a scalar in leaves [n, ...], each [n, entries]."""
    found = torch.autograd.grad(scalar, list(leaves.values()), retain_graph=keep, allow_unused=True)
    return {
        name: (torch.zeros_like(leaf) if gradient is None else gradient).flatten(1)
        for (name, leaf), gradient in zip(leaves.items(), found, strict=True)
    }

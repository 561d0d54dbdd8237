"""Captured inputs of layers, and gradients of their outputs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from conebench.networks.functional import FrozenNetwork
from conebench.networks.modes import is_transformed


@dataclass
class Captured:
    """Inputs of layers and gradient edges of their outputs, by name."""

    logits: Float[Tensor, "n c"]
    inputs: dict[str, Tensor]
    edges: dict[str, GradientEdge]
    shapes: dict[str, torch.Size]
    expanded: dict[str, Tensor]

    def gradients(self, weights: Float[Tensor, "*n c"], *, keep: bool) -> dict[str, Tensor]:
        """Return the gradients of sum(logits * weights) in layers' outputs, by module name.

        Those in expanded parameters are there under the parameters' names. `keep` is True if more
        gradients follow.
        """
        shapes = {**self.shapes, **{name: p.shape for name, p in self.expanded.items()}}
        if not shapes:
            return {}
        places: list[Any] = [*self.edges.values(), *self.expanded.values()]
        found = torch.autograd.grad(
            self.logits,
            places,
            weights.expand_as(self.logits),
            retain_graph=keep,
            allow_unused=True,
        )
        # An output that the logits do not depend on has no gradient.
        zero = self.logits.new_zeros(())
        return {
            name: zero.expand(shape) if gradient is None else gradient
            for (name, shape), gradient in zip(shapes.items(), found, strict=True)
        }


def capture(
    network: FrozenNetwork,
    modules: Sequence[str],
    x: Float[Tensor, "n ..."],
    parameters: Mapping[str, Tensor],
    expanded: dict[str, Tensor] | None = None,
) -> Captured:
    """Run the network and capture layers' inputs and outputs.

    `parameters` are values of the network's parameters that ask for no gradients, `expanded` are
    tensors with one slice per sample in place of others. Modules not called exactly once with one
    tensor are missing from the result.
    """
    expanded, watch = expanded or {}, LayerWatch(modules)
    with (
        torch.enable_grad(),
        network.entered({**parameters, **expanded}) as root,
        watch.hooks(root),
    ):
        # Inputs that ask for gradients give layers an edge, whatever their parameters. Cloned,
        # since a network may change them in place.
        logits = root(x.detach().requires_grad_().clone())
    usable = watch.usable()
    return Captured(
        logits=logits,
        inputs={name: watch.inputs[name][0] for name in usable},
        edges={name: watch.edges[name] for name in usable},
        shapes={name: watch.shapes[name] for name in usable},
        expanded=expanded,
    )


class LayerWatch:
    """Inputs and outputs of modules as hooks see them, by name."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.inputs: dict[str, list[Tensor]] = {name: [] for name in modules}
        self.edges: dict[str, GradientEdge] = {}
        self.shapes: dict[str, torch.Size] = {}
        # Modules that run inside a transformed function: their tensors belong to it.
        self._transformed: set[str] = set()

    @contextmanager
    def hooks(self, root: nn.Module) -> Iterator[None]:
        """Watch the modules during one forward pass."""
        with ExitStack() as stack:
            for name in self.inputs:
                for hook in self._hooks(name, root.get_submodule(name)):
                    stack.callback(hook.remove)
            yield

    def usable(self) -> list[str]:
        """Return the modules called exactly once with one tensor, with an output in the graph."""
        return [
            name
            for name, seen in self.inputs.items()
            if len(seen) == 1 and name in self.edges and name not in self._transformed
        ]

    def _hooks(self, name: str, module: nn.Module) -> Iterator[RemovableHandle]:

        def before(_: nn.Module, arguments: tuple[object, ...]) -> None:
            if is_transformed():
                self._transformed.add(name)
            elif len(arguments) == 1 and isinstance(arguments[0], Tensor):
                self.inputs[name].append(arguments[0].detach())

        def after(_: nn.Module, __: object, output: object) -> object:
            if isinstance(output, Tensor) and not is_transformed():
                output = _with_edge(output)
            self._see_output(name, output)
            return output

        def before_child(_: nn.Module, arguments: tuple[object, ...]) -> None:
            self._see_output(name, arguments[0] if arguments else None)

        yield module.register_forward_pre_hook(before)
        yield module.register_forward_hook(after)
        # A norm may apply an activation by a child of its own (timm's `BatchNormAct2d`): its output
        # is what the first child receives.
        for child in module.children():
            yield child.register_forward_pre_hook(before_child)

    def _see_output(self, name: str, output: object) -> None:
        if name in self.edges or name in self._transformed:
            return
        if isinstance(output, Tensor) and output.requires_grad:
            # The edge stays right if the output is changed in place later.
            self.edges[name] = get_gradient_edge(output)
            self.shapes[name] = output.shape


def _with_edge(output: Tensor) -> Tensor:
    """Put a layer's output into the graph: its inputs may be integers, or not trained."""
    if output.requires_grad or not output.is_floating_point() or not torch.is_grad_enabled():
        return output
    # Viewed, since a tensor that asks for gradients itself cannot be changed in place.
    return output.requires_grad_().view_as(output)

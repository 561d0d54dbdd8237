"""One forward pass that captures layers' inputs, and backward passes to the layers' outputs."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from conebench.networks.functional import call_with


@dataclass
class Captured:
    """Inputs of layers by module name, and where in the graph their outputs' gradients arrive."""

    logits: Float[Tensor, "n c"]
    inputs: dict[str, Tensor]
    edges: dict[str, GradientEdge]
    shapes: dict[str, torch.Size]
    expanded: dict[str, Tensor]

    def gradients(self, direction: Float[Tensor, " c"], *, keep: bool) -> dict[str, Tensor]:
        """Gradients of logits . direction in layers' outputs and in expanded parameters, by name.

        `keep` says whether more directions follow.
        """
        shapes = {**self.shapes, **{name: p.shape for name, p in self.expanded.items()}}
        if not shapes:
            return {}
        places: list[Any] = [*self.edges.values(), *self.expanded.values()]
        found = torch.autograd.grad(
            (self.logits @ direction).sum(),
            places,
            retain_graph=keep,
            allow_unused=True,
        )
        zero = self.logits.new_zeros(())
        return {
            name: zero.expand(shape) if gradient is None else gradient
            for (name, shape), gradient in zip(shapes.items(), found, strict=True)
        }


def capture(
    frozen: nn.Module,
    modules: Sequence[str],
    x: Float[Tensor, "n ..."],
    expanded: dict[str, Tensor] | None = None,
) -> Captured:
    """Run the network on x, watching the modules named.

    `expanded` replaces parameters by tensors with one slice a sample. Of a norm that applies an
    activation by a child module of its own (timm's `BatchNormAct2d`), the output is what the
    first child receives. Modules that are not called exactly once with one tensor, or whose
    output does not depend on x or an expanded parameter, are missing from the result.
    """
    expanded = expanded or {}
    inputs: dict[str, list[Tensor]] = {name: [] for name in modules}
    edges: dict[str, GradientEdge] = {}
    shapes: dict[str, torch.Size] = {}

    def see_output(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.requires_grad and name not in edges:
            # The edge stays right where the output is changed in place later.
            edges[name] = get_gradient_edge(output)
            shapes[name] = output.shape

    def watch(name: str, module: nn.Module, stack: ExitStack) -> None:
        def before(_: nn.Module, arguments: tuple[object, ...]) -> None:
            if len(arguments) == 1 and isinstance(arguments[0], Tensor):
                inputs[name].append(arguments[0].detach())

        def after(_: nn.Module, __: object, output: object) -> None:
            see_output(name, output)

        def before_child(_: nn.Module, arguments: tuple[object, ...]) -> None:
            see_output(name, arguments[0] if arguments else None)

        stack.callback(module.register_forward_pre_hook(before).remove)
        stack.callback(module.register_forward_hook(after).remove)
        for child in module.children():
            stack.callback(child.register_forward_pre_hook(before_child).remove)

    with ExitStack() as stack, torch.enable_grad():
        for name in modules:
            watch(name, frozen.get_submodule(name), stack)
        logits = call_with(frozen, expanded, x.detach().requires_grad_())
    usable = [name for name in modules if len(inputs[name]) == 1 and name in edges]
    return Captured(
        logits=logits,
        inputs={name: inputs[name][0] for name in usable},
        edges={name: edges[name] for name in usable},
        shapes={name: shapes[name] for name in usable},
        expanded=expanded,
    )

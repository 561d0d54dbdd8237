"""Recorded operators as two functions: a pass, and its gradient."""

from collections.abc import Callable, Iterable
from operator import getitem
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node, map_arg

Passes = tuple[Callable[..., Any], Callable[..., Any], tuple[Tensor, ...]]
# Operators whose numbers or shapes depend on more than the shapes of their inputs.
REFUSED = (
    torch.Tag.nondeterministic_seeded,
    torch.Tag.dynamic_output_shape,
    torch.Tag.data_dependent_output,
)


class ReplayError(Exception):
    """Operators that cannot be replayed."""


def split(recorded: GraphModule) -> Passes:
    """Cut a graph of (*w, x, g) -> [output, *gradients of w] in two.

    Args:
        recorded: the graph, which is changed.

    Returns:
        forward(x, w, constants) -> [output, *kept]; backward(kept, g, constants) -> gradients,
        which takes tensors from the end of the list `kept`; and the constants.

    Raises:
        ReplayError: the operators draw random numbers, or change their inputs.

    """
    graph = recorded.graph
    # Also what nothing needs: a number of rows may have gone into the shapes of others.
    _check_operators(graph)
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.alias.default):
        node.replace_all_uses_with(node.all_input_nodes[0])
    graph.eliminate_dead_code()
    constants = _constants(recorded, _changed(graph))
    *w, x, g = graph.find_nodes(op="placeholder")
    late = _late(graph, g)
    output, *gradients = cast("list[Node | None]", graph.output_node().args[0])
    rest = [node for node in graph.nodes if node.op == "call_function" and node not in constants]
    places: dict[Node, int] = {}
    backward = _Builder("kept", "g", "constants")
    backward.known[g] = backward.inputs["g"]
    kept: list[Node] = []

    def take(node: Node) -> Node:
        if node in constants:
            return backward.item("constants", places.setdefault(node, len(places)))
        kept.append(node)
        return backward.graph.call_method("pop", (backward.inputs["kept"],))

    backward.add([node for node in rest if node in late], take)
    backward_pass = backward.finish(gradients, take)
    forward = _Builder("x", "w", "constants")
    forward.known[x] = forward.inputs["x"]
    numbers = {node: number for number, node in enumerate(w)}

    def read(node: Node) -> Node:
        if node in constants:
            return forward.item("constants", places.setdefault(node, len(places)))
        return forward.item("w", numbers[node])

    forward.add([node for node in rest if node not in late], read)
    forward_pass = forward.finish([output, *reversed(kept)], read)
    return forward_pass, backward_pass, tuple(constants[node] for node in places)


class _Builder:
    """A function made of nodes of another graph."""

    def __init__(self, *inputs: str) -> None:
        self.graph = Graph()
        self.inputs = {name: self.graph.placeholder(name) for name in inputs}
        # Nodes of the other graph, as nodes here.
        self.known: dict[Node, Node] = {}

    def item(self, collection: str, number: int) -> Node:
        """Read an entry of an input."""
        return self.graph.call_function(getitem, (self.inputs[collection], number))

    def add(self, nodes: list[Node], missing: Callable[[Node], Node]) -> None:
        """Copy nodes; `missing` makes an input that no node gives."""
        for node in nodes:
            # First, since these nodes must stand before the copy.
            for needed in node.all_input_nodes:
                self._find(needed, missing)
            self.known[node] = self.graph.node_copy(node, self.known.__getitem__)

    def finish(self, outputs: Any, missing: Callable[[Node], Node]) -> Callable[..., Any]:
        """Return the function of the nodes that its outputs need."""
        found = map_arg(list(outputs), lambda node: self._find(node, missing))
        self.graph.output(found)
        self.graph.eliminate_dead_code()
        run: Callable[..., Any] = GraphModule(nn.Module(), self.graph).forward
        return run

    def _find(self, node: Node, missing: Callable[[Node], Node]) -> Node:
        if node not in self.known:
            self.known[node] = missing(node)
        return self.known[node]


def _changed(graph: Graph) -> set[Node]:
    """Return the nodes whose memory is changed in place; refuse what cannot be replayed."""
    # The node that made a node's memory.
    roots: dict[Node, Node] = {}
    changed: set[Node] = set()
    for node in graph.nodes:
        roots[node] = node
        if node.target is getitem:
            roots[node] = roots[node.args[0]]
        elif node.op == "call_function":
            for argument, value in zip(node.target._schema.arguments, node.args, strict=False):
                if isinstance(value, Node) and argument.alias_info is not None:
                    # A view, or the same tensor.
                    roots[node] = roots[value]
                    if argument.alias_info.is_write:
                        changed.add(roots[value])
    if any(node.op in ("placeholder", "get_attr") for node in changed):
        raise ReplayError("an input or a constant is changed in place")
    return {node for node, root in roots.items() if root in changed}


def _check_operators(graph: Graph) -> None:
    """Raise a ReplayError if a shape or numbers may differ from batch to batch."""
    variable = _after(graph, graph.find_nodes(op="placeholder"))
    for node in graph.nodes:
        if node.op == "call_function" and node.target is not getitem:
            _check(node, variable)


def _check(node: Node, variable: set[Node]) -> None:
    if not isinstance(node.target, torch._ops.OpOverload):
        raise ReplayError(f"{node.target} cannot be replayed")
    if node.target is torch.ops.aten.index.Tensor:
        # The shape follows from constant indices.
        indices = {index for index in node.args[1] if isinstance(index, Node)}  # type: ignore[union-attr]
        if not indices & variable:
            return
    if any(tag in node.target.tags for tag in REFUSED):
        raise ReplayError(f"{node.target} cannot be replayed")


def _constants(recorded: GraphModule, changed: set[Node]) -> dict[Node, Tensor]:
    """Return the values of nodes that depend on no input."""
    found: dict[Node, Any] = {}
    with torch.no_grad():
        for node in recorded.graph.nodes:
            if node.op == "get_attr":
                found[node] = getattr(recorded, node.target)
                continue
            needed = node.all_input_nodes
            if needed and node not in changed and all(other in found for other in needed):
                args, kwargs = map_arg((node.args, node.kwargs), found.__getitem__)
                found[node] = node.target(*args, **kwargs)
    return found


def _after(graph: Graph, starts: Iterable[Node]) -> set[Node]:
    """Return the nodes that depend on some nodes, with these."""
    found = set(starts)
    for node in graph.nodes:
        if not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return found


def _late(graph: Graph, g: Node) -> set[Node]:
    """Return the nodes that are for the backward pass."""
    late = _after(graph, [g])
    # Tensors made of nothing are not kept between the passes.
    made = (n for n in graph.nodes if n.op == "call_function" and not n.all_input_nodes)
    return late | {node for node in made if node.users.keys() <= late}

"""A network as a function of its parameters, by its own modules in a state that stays."""

import copy
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from operator import is_
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from conebench.errors import KernelError
from conebench.networks.containers import Container, Content, find_containers

# Larger tensors that are no buffers are data, not state: passes work on them, not on copies.
LARGEST_COPIED = 2**20
# One pass at a time: it borrows the modules of the user's network.
_LOCK = threading.RLock()


@dataclass(frozen=True)
class Held:
    """A tensor that is no parameter: its value at the start, and the tensor that passes use."""

    start: Tensor
    working: Tensor
    version: int
    is_changed: bool = False

    @classmethod
    def of(cls, tensor: Tensor, *, is_anchored: bool) -> "Held":
        """Keep the value of a tensor, from changes of its owner too if it is anchored."""
        start = tensor.detach()
        start = start.clone() if is_anchored or start.is_inference() else start
        working = start.clone()
        return cls(start, working, working._version)

    def renewed(self) -> "Held":
        """Undo what a pass did to the tensor."""
        if self.working._version == self.version and not self.is_changed:
            return self
        working = self.start.clone()
        return replace(self, working=working, version=working._version, is_changed=True)

    def moved(self, convert: Callable[[Tensor], Tensor]) -> "Held":
        """Convert device or type."""
        start = convert(self.start)
        working = start.clone()
        return replace(self, start=start, working=working, version=working._version)


class FrozenNetwork:
    """A network in the state in which it was given, whatever happens to it afterwards.

    A call runs the network's own modules, since a copy leaves behind what holds on to them:
    closures, hooks, weak references. Before each pass everything that the network's code can reach
    (attributes, collections, buffers) is set to the state kept here, and afterwards to what it
    was. So a pass leaves no trace, in the network or for the next pass.

    Args:
        network: the network; of a compiled one its original modules are used.
        is_anchored: True to keep copies of the parameters and to run in evaluation mode, while the
            network itself may go on training. False to use the network's own parameters.

    """

    def __init__(self, network: nn.Module, *, is_anchored: bool) -> None:
        self.network = original(network)
        _check(self.network)
        self.own = dict(self.network.named_parameters())
        self._trainable = tuple(name for name, p in self.own.items() if p.requires_grad)
        self._buffers = {id(buffer) for buffer in self.network.buffers()}
        self.anchors: dict[str, Tensor] = {}
        self._is_anchored = is_anchored
        self._is_marked = False
        self._held: dict[int, Held] = {}
        self.labels, self.containers = _found(self.network, with_hooks=is_anchored)
        contents = [container.read() for container in self.containers]
        if is_anchored:
            contents = self._evaluated(contents)
        self.set_contents(contents)

    @property
    def contents(self) -> list[Content]:
        """The kept state of each container."""
        return self._contents

    def set_contents(self, contents: Sequence[Content]) -> None:
        """Keep this state from now on."""
        self._contents = list(contents)
        # Entries that hold tensors: number of the container, key, value.
        self.places = [
            (number, key, value)
            for number, content in enumerate(self._contents)
            for key, value in content.items()
            if any(True for _ in tensors_in(value))
        ]
        known = {id(p) for p in self.own.values()} | self._held.keys()
        tensors = (tensor for *_, value in self.places for tensor in tensors_in(value))
        for tensor in tensors:
            is_state = id(tensor) in self._buffers or tensor.numel() <= LARGEST_COPIED
            if id(tensor) not in known and is_state:
                self._held[id(tensor)] = Held.of(tensor, is_anchored=self._is_anchored)

    @property
    def trainable(self) -> tuple[str, ...]:
        """Names of the parameters that asked for gradients at the start."""
        return self._trainable

    @property
    def changes_tensors(self) -> bool:
        """True if passes change some of the tensors in place."""
        return any(held.is_changed for held in self._held.values())

    def named(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the parameters that passes use, with their names."""
        yield from (self.anchors or self.own).items()

    def parameters(self) -> Iterator[Tensor]:
        """Yield the parameters that passes use."""
        yield from (self.anchors or self.own).values()

    def buffers(self) -> Iterator[Tensor]:
        """Yield the other tensors that passes use."""
        yield from (held.working for held in self._held.values())

    def move(self, convert: Callable[[Tensor], Tensor]) -> None:
        """Convert device or type of all tensors kept here."""
        self.anchors = {name: convert(anchor) for name, anchor in self.anchors.items()}
        self._held = {key: held.moved(convert) for key, held in self._held.items()}

    def __deepcopy__(self, memo: dict[int, Any]) -> "FrozenNetwork":
        """Share the modules; only the tensors kept here are copied."""
        copied = copy.copy(self)
        copied.move(torch.clone)
        return copied

    def __call__(
        self,
        x: Tensor,
        replaced: Mapping[str, Tensor] | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Return the output for x; see `entered`."""
        with self.entered(replaced, dtype) as network:
            output: Tensor = network(x)
        return output

    @contextmanager
    def entered(
        self, replaced: Mapping[str, Tensor] | None = None, dtype: torch.dtype | None = None
    ) -> Iterator[nn.Module]:
        """Lend the network in the kept state, for one forward pass.

        Args:
            replaced: tensors in place of the parameters named. A parameter that several modules
                share is replaced in all of them.
            dtype: convert all tensors but parameters to this floating type.

        """
        with ExitStack() as stack:
            stack.enter_context(_LOCK)
            stack.enter_context(plain_mode())
            stack.enter_context(_without_checkpoints())
            self._held = {key: held.renewed() for key, held in self._held.items()}
            before = [container.read() for container in self.containers]
            try:
                write(self.containers, before, self._state(replaced or {}, dtype))
                yield self.network
                if not self._is_marked:
                    self._mark_changed()
            finally:
                write(self.containers, [c.read() for c in self.containers], before)

    def _mark_changed(self) -> None:
        """Find the tensors that a pass changes, past torch's own count of changes too."""
        self._is_marked = True
        self._held = {
            key: replace(held, is_changed=held.is_changed or not _equal(held.start, held.working))
            for key, held in self._held.items()
        }

    def _evaluated(self, before: list[Content]) -> list[Content]:
        """Keep copies of the parameters, and return the state in evaluation mode."""
        containers = self.containers
        self.anchors = {name: p.detach().clone() for name, p in self.own.items()}
        try:
            # A network may change its weights on the way (`eval` merges some adapters).
            with parameters_at(self.own, self.anchors):
                self.network.eval()
                self.anchors = {name: p.data for name, p in self.own.items()}
            # Or its collections.
            self.labels, self.containers = _found(self.network, with_hooks=True)
            return [container.read() for container in self.containers]
        finally:
            write(containers, [c.read() for c in containers], before)

    def _state(self, replaced: Mapping[str, Tensor], dtype: torch.dtype | None) -> list[Content]:
        """Return the kept state, with the tensors that a pass uses in it."""
        used = {key: converted(held.working, dtype) for key, held in self._held.items()}
        used |= {id(self.own[name]): t for name, t in {**self.anchors, **replaced}.items()}
        state = list(self._contents)
        for number in {number for number, *_ in self.places}:
            state[number] = dict(state[number])
        for number, key, value in self.places:
            state[number][key] = map_tensors(value, lambda t: used.get(id(t), t))
        return state


def _found(network: nn.Module, *, with_hooks: bool) -> tuple[list[str], list[Container]]:
    """Return the labels of all containers, and the containers."""
    found = find_containers(network, with_hooks=with_hooks)
    return [label for label, _ in found], [container for _, container in found]


def _check(network: nn.Module) -> None:
    """Refuse a network whose parameters cannot be moved."""
    for name, module in network.named_modules():
        # Its compiled code may leave gradients out: seen with torch 2.14.
        if isinstance(module, torch.jit.ScriptModule):
            raise KernelError(f"{name or 'the network'} is scripted: give the module it is of")
    for name, p in network.named_parameters():
        if isinstance(p, nn.parameter.UninitializedParameter):
            raise KernelError(f"{name} has no shape yet: call the network once")
        if p.is_inference():
            raise KernelError(f"{name} was made in inference mode: make the network outside of it")


def original(network: nn.Module) -> nn.Module:
    """Return the modules of a compiled network, any other network as it is."""
    compiled = getattr(network, "_orig_mod", None)
    return compiled if isinstance(compiled, nn.Module) else network


@contextmanager
def parameters_at(
    own: Mapping[str, nn.Parameter], values: Mapping[str, Tensor], trainable: Collection[str] = ()
) -> Iterator[None]:
    """Give a network's own parameters other values, which all that holds on to them sees.

    Only the `trainable` ones ask for gradients meanwhile.
    """
    before = {name: (own[name].data, own[name].requires_grad) for name in values}
    try:
        for name, value in values.items():
            own[name].data = value
            own[name].requires_grad_(name in trainable)
        yield
    finally:
        for name, (value, asked) in before.items():
            own[name].data = value
            own[name].requires_grad_(asked)


def write(
    containers: Sequence[Container], now: Sequence[Content], state: Sequence[Content]
) -> None:
    """Give containers another state, where it is not what they have now."""
    for container, old, new in zip(containers, now, state, strict=True):
        if not (old.keys() == new.keys() and all(map(is_, old.values(), new.values()))):
            container.write(new)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield a tensor, or the tensors of a tuple."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for entry in value:
            yield from tensors_in(entry)


def map_tensors(value: Any, convert: Callable[[Tensor], Tensor]) -> Any:
    """Convert a tensor, or the tensors of a tuple."""
    if isinstance(value, Tensor):
        return convert(value)
    if not isinstance(value, tuple):
        return value
    entries = [map_tensors(entry, convert) for entry in value]
    return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)


@contextmanager
def plain_mode() -> Iterator[None]:
    """Switch off inference mode, autocast and compilation."""
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(mode=False))
            stack.enter_context(torch.no_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


@contextmanager
def _without_checkpoints() -> Iterator[None]:
    """Run checkpointed functions once, at once.

    A backward pass would run them a second time, when the parameters are no longer replaced.
    """
    module = torch.utils.checkpoint
    stand_ins = {
        "CheckpointFunction": _NoCheckpoint,
        "_checkpoint_without_reentrant_generator": _no_checkpoint,
        "_checkpoint_without_reentrant_generator_impl": _no_checkpoint,
    }
    before = {name: getattr(module, name) for name in stand_ins if hasattr(module, name)}
    try:
        for name in before:
            setattr(module, name, stand_ins[name])
        yield
    finally:
        for name, function in before.items():
            setattr(module, name, function)


class _NoCheckpoint:
    """Stands for torch's function of a checkpoint that is run a second time by autograd."""

    @staticmethod
    def apply(function: Callable[..., Any], _: bool, *arguments: Any) -> Any:
        """Run the function."""
        return function(*arguments)


def _no_checkpoint(*_: Any, **__: Any) -> Iterator[None]:
    """Stand for what torch does before and after a checkpointed function: nothing."""
    yield


def converted(tensor: Tensor, dtype: torch.dtype | None, *, copy: bool = False) -> Tensor:
    """Return a floating or complex tensor in another floating type, any other as it is."""
    if dtype is None or not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor
    target = dtype.to_complex() if tensor.is_complex() else dtype
    return tensor.to(target, copy=copy).contiguous() if copy else tensor.to(target)


def _equal(one: Tensor, other: Tensor) -> bool:
    return torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))

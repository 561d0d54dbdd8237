"""A network as a function of its parameters, by its own modules in a state that stays."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import is_
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from conebench.errors import KernelError
from conebench.networks.containers import Container, Content, find_containers
from conebench.networks.modes import parameters_at, plain_mode, without_checkpoints
from conebench.text import first_line

# Larger arrays, and tensors that are no buffers, are data, not state: passes work on them, not on
# copies.
LARGEST_COPIED = 2**20
# Most bytes of one memory, of which several tensors are parts, to copy as a whole.
LARGEST_SHARED = 2**26
Array = npt.NDArray[Any]
# One kernel or pass at a time: it borrows the modules of the user's network.
LOCK = threading.RLock()


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

    Raises:
        KernelError: a network whose parameters cannot be moved.

    """

    def __init__(self, network: nn.Module, *, is_anchored: bool) -> None:
        self.network = original(network)
        _check(self.network)
        self.own = dict(self.network.named_parameters())
        # Names of the parameters that asked for gradients at the start.
        self.trainable = tuple(name for name, p in self.own.items() if p.requires_grad)
        self.anchors: dict[str, Tensor] = {}
        # True once passes have changed some of the tensors in place.
        self.changes_tensors = False
        self._is_anchored = is_anchored
        # Other tensors by id: their values at the start, and the tensors that passes use.
        self._start: dict[int, Tensor] = {}
        self._working: dict[int, Tensor] = {}
        # Values of numpy arrays at the start, by id.
        self._arrays: dict[int, Array] = {}
        self._find()
        contents = [container.read() for container in self.containers]
        self.set_contents(self._evaluated(contents) if is_anchored else contents)

    def set_contents(self, contents: Sequence[Content]) -> None:
        """Keep this state of the containers from now on."""
        self.contents = list(contents)
        # Entries that hold tensors: number of the container, key, value.
        self.places = [
            (number, key, value)
            for number, content in enumerate(self.contents)
            for key, value in content.items()
            if isinstance(value, Tensor | tuple) and any(True for _ in tensors_in(value))
        ]
        self._array_places = [
            (number, key, value)
            for number, content in enumerate(self.contents)
            for key, value in content.items()
            if _is_array_of_state(value)
        ]
        for *_, array in self._array_places:
            self._arrays.setdefault(id(array), array.copy())
        known = {id(p) for p in self.own.values()} | self._start.keys()
        buffers = {id(buffer) for buffer in self.network.buffers()}
        new: dict[int, Tensor] = {}
        for tensor in (tensor for *_, value in self.places for tensor in tensors_in(value)):
            is_state = id(tensor) in buffers or tensor.numel() <= LARGEST_COPIED
            if is_state and id(tensor) not in known and tensor.layout is torch.strided:
                new[id(tensor)] = tensor.detach()
        if new:
            # The owner may change them, or they cannot be saved for gradients.
            copied = {k: t for k, t in new.items() if self._is_anchored or t.is_inference()}
            self._start |= {**new, **copies(copied)}
            self._working = copies(self._start)

    def named(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the parameters that passes use, with their names."""
        yield from (self.anchors or self.own).items()

    def tensors(self) -> Iterator[Tensor]:
        """Yield all tensors that passes use."""
        yield from (self.anchors or self.own).values()
        yield from self._working.values()

    def move(self, convert: Callable[[Tensor], Tensor]) -> None:
        """Convert device or type of all tensors kept here."""
        self.anchors = {name: convert(anchor) for name, anchor in self.anchors.items()}
        self._start = {key: convert(start) for key, start in self._start.items()}
        self._working = copies(self._start)

    def __reduce__(self) -> str:
        """Refuse to be pickled: its state is that of live modules."""
        raise TypeError("a linearized network cannot be pickled: keep the network and state_dict()")

    def __deepcopy__(self, memo: dict[int, Any]) -> "FrozenNetwork":
        """Share the modules; only the tensors kept here are copied."""
        copied = object.__new__(FrozenNetwork)
        vars(copied).update(vars(self))
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
            # A network may change its inputs in place.
            output: Tensor = network(x.clone())
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
        with LOCK, plain_mode(), without_checkpoints():
            before = [container.read() for container in self.containers]
            try:
                write(self.containers, before, self._state(replaced or {}, dtype))
                yield self.network
            finally:
                write(self.containers, [c.read() for c in self.containers], before)
                self._renew()

    def _renew(self) -> None:
        """Undo what a pass did to the tensors."""
        if not all(_are_equal(start, self._working[k]) for k, start in self._start.items()):
            self._working = copies(self._start)
            self.changes_tensors = True

    def _find(self) -> None:
        # While it goes on training, its owner may add modules and parameters.
        found = find_containers(self.network, may_grow=self._is_anchored)
        self.labels = [label for label, _ in found]
        self.containers = [container for _, container in found]

    def _evaluated(self, before: list[Content]) -> list[Content]:
        """Keep copies of the parameters, and return the state in evaluation mode."""
        containers = self.containers
        self.anchors = {name: p.detach().clone() for name, p in self.own.items()}
        try:
            # A network may change its weights on the way (`eval` merges some adapters).
            with parameters_at(self.own, self.anchors):
                _evaluate(self.network)
                self.anchors = {name: p.data for name, p in self.own.items()}
            # Or its collections.
            self._find()
            return [container.read() for container in self.containers]
        finally:
            write(containers, [c.read() for c in containers], before)

    def _state(self, replaced: Mapping[str, Tensor], dtype: torch.dtype | None) -> list[Content]:
        """Return the kept state, with the tensors that a pass uses in it."""
        used = {key: converted(tensor, dtype) for key, tensor in self._working.items()}
        used |= {id(self.own[name]): t for name, t in {**self.anchors, **replaced}.items()}

        def lend(tensor: Tensor) -> Tensor:
            # Large and sparse ones have no copies.
            return used[id(tensor)] if id(tensor) in used else converted(tensor, dtype)

        state = list(self.contents)
        # Arrays of their own for each pass, since gradients may be taken through them later.
        arrays = {key: array.copy() for key, array in self._arrays.items()}
        for number in {number for number, *_ in (*self.places, *self._array_places)}:
            state[number] = dict(state[number])
        for number, key, value in self.places:
            state[number][key] = map_tensors(value, lend)
        for number, key, array in self._array_places:
            state[number][key] = arrays[id(array)]
        return state


def _is_array_of_state(value: object) -> TypeGuard[Array]:
    """Return True for an array that a pass may change."""
    return (
        isinstance(value, np.ndarray)
        and value.size <= LARGEST_COPIED
        and value.flags.writeable
        and not value.dtype.hasobject
    )


def copies(tensors: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """Return copies of tensors, which share memory where the tensors do."""
    # By device and address. Empty tensors and those on the device meta have the address 0.
    places = {key: (t.device, t.untyped_storage().data_ptr()) for key, t in tensors.items()}
    owners = Counter(place for place in places.values() if place[1])
    memory: dict[tuple[torch.device, int], torch.UntypedStorage] = {}
    made = {}
    for key, tensor in tensors.items():
        storage, place = tensor.untyped_storage(), places[key]
        is_plain = not (tensor.is_conj() or tensor.is_neg())
        if owners[place] > 1 and is_plain and storage.nbytes() <= LARGEST_SHARED:
            if place not in memory:
                memory[place] = storage.clone()  # type: ignore[no-untyped-call]
            made[key] = tensor.new_empty(0).set_(
                memory[place], tensor.storage_offset(), tensor.size(), tensor.stride()
            )
        else:
            made[key] = tensor.clone()
    return made


def _are_equal(start: Tensor, now: Tensor) -> bool:
    try:
        return torch.equal(start, now)
    except RuntimeError:
        # While operators are recorded, a tensor that they changed cannot be read.
        return False


def _check(network: nn.Module) -> None:
    """Refuse a network whose parameters cannot be moved."""
    for name, module in network.named_modules():
        # Its compiled code may leave gradients out: seen with torch 2.14.
        if isinstance(module, torch.jit.ScriptModule):
            raise KernelError(f"{name or 'the network'} is scripted: give the module it is of")
        if getattr(module, "scale_grad_by_freq", False):
            raise KernelError(f"{name}: scale_grad_by_freq makes gradients depend on the batch")
    for name, p in network.named_parameters():
        if isinstance(p, nn.parameter.UninitializedParameter):
            raise KernelError(f"{name} has no shape yet: call the network once")
        if p.is_meta:
            raise KernelError(f"{name} has no values: it is on the device meta")
        if p.layout is not torch.strided:
            raise KernelError(f"{name} is sparse: use a dense parameter")
        if p.is_inference():
            raise KernelError(f"{name} was made in inference mode: make the network outside of it")
    _check_memory(network)


def _evaluate(network: nn.Module) -> None:
    try:
        network.eval()
    except Exception as error:
        # Of an exported program, or the network's own.
        raise KernelError(
            f"the network cannot be put into evaluation mode: {first_line(error)}"
        ) from error


def _check_memory(network: nn.Module) -> None:
    """Refuse a parameter that shares memory with another one or with a buffer."""
    named: list[tuple[str, Tensor, bool]] = [
        *((name, p, True) for name, p in network.named_parameters()),
        *((name, buffer, False) for name, buffer in network.named_buffers()),
    ]
    dense = [
        (tensor.data_ptr(), tensor.numel() * tensor.element_size(), name, is_parameter)
        for name, tensor, is_parameter in named
        if tensor.layout is torch.strided and tensor.numel() and tensor.is_contiguous()
    ]
    # Where the memory of parameters (True) and buffers (False) seen so far ends, and whose it is.
    ends = {True: (0, ""), False: (0, "")}
    for start, size, name, is_parameter in sorted(dense):
        # A step along one of the two would move both. Two buffers may share memory.
        for end, other in (ends[True], ends[False]) if is_parameter else (ends[True],):
            if start < end:
                raise KernelError(
                    f"{other} and {name} share memory: make them one parameter, as in "
                    "b.weight = a.weight, not b.weight.data = a.weight.data"
                )
        ends[is_parameter] = max(ends[is_parameter], (start + size, name))


def original(network: nn.Module) -> nn.Module:
    """Return the modules of a compiled network, any other network as it is."""
    if not isinstance(network, nn.Module):
        raise KernelError(f"model: got a {type(network).__name__}, expected a torch.nn.Module")
    # Not by attribute: a wrapper may pass those of the network in it on.
    compiled = dict(network.named_children()).get("_orig_mod")
    return compiled if isinstance(compiled, nn.Module) else network


def write(
    containers: Sequence[Container], now: Sequence[Content], state: Sequence[Content]
) -> None:
    """Give containers another state, where it is not what they have now."""
    for container, old, new in zip(containers, now, state, strict=True):
        if not (old.keys() == new.keys() and all(map(is_, old.values(), new.values()))):
            container.write(new)


def tensors_in(value: Any, depth: int = 4) -> Iterator[Tensor]:
    """Yield a tensor, or the tensors in a tuple."""
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, tuple):
        for entry in tuple.__iter__(value):
            yield from tensors_in(entry, depth - 1)


def map_tensors(value: Any, convert: Callable[[Tensor], Tensor]) -> Any:
    """Convert a tensor, or the tensors of a tuple."""
    if isinstance(value, Tensor):
        return convert(value)
    if not isinstance(value, tuple):
        return value
    entries = [map_tensors(entry, convert) for entry in tuple.__iter__(value)]
    if type(value).__module__ == "torch.return_types":
        return type(value)(entries)
    # Of its own kind, without its constructor, and with its attributes.
    made = tuple.__new__(type(value), entries)
    if hasattr(value, "__dict__"):
        vars(made).update(vars(value))
    return made


def converted(tensor: Tensor, dtype: torch.dtype | None, *, copy: bool = False) -> Tensor:
    """Return a floating or complex tensor in another floating type, any other as it is."""
    if dtype is None or not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor
    return tensor.to(dtype.to_complex() if tensor.is_complex() else dtype, copy=copy)

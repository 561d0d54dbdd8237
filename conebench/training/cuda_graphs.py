"""Gradients of batches recorded as CUDA graphs, so that a GPU need not wait for Python.

A graph launches the operators that were recorded, with the same random numbers as without it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from conebench.errors import RunError
from conebench.text import first_line

# Passes before the recording, in which libraries choose and load what cannot be recorded.
WARM_UPS = 3

AddGradients = Callable[[Tensor, Tensor], Tensor]


class Pass(NamedTuple):
    """Loss and gradients of a batch; None where the loss does not depend on a parameter."""

    loss: Tensor
    gradients: tuple[Tensor | None, ...]


# Takes a computation, and returns its results and what computes them again in the same memory.
Recorder = Callable[[Callable[[], Pass]], tuple[Pass, Callable[[], None]]]


def record_cuda_graph(compute: Callable[[], Pass]) -> tuple[Pass, Callable[[], None]]:
    """Record a computation as a CUDA graph.

    Raises:
        RunError: the computation cannot be recorded, for example if it reads a value back from
            the GPU.

    """
    try:
        # As torch asks: on a stream of its own, so that no later pass waits for the first stream.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = compute()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = f"the training step cannot be recorded as a CUDA graph: {first_line(error)}"
        raise _refused(reason) from error
    return result, graph.replay


@dataclass(frozen=True)
class Recorded:
    """A computation on the batch that stands in `x` and `y`."""

    x: Tensor
    y: Tensor
    # Of the parameters, in memory.
    addresses: list[int]
    result: Pass
    replay: Callable[[], None]


class RecordedGradients:
    """Gradients of a model's batches, recorded once for each shape and replayed.

    Each recording is checked once: its replay must have the bits of the step itself.

    Args:
        model: the model. A recording restores its buffers and the random numbers.
        add_gradients: adds the gradients of a batch to those of the parameters, and returns the
            loss. It takes images [b, ...] and labels [b], or shares of each class [b, c].
        record: records a computation.

    Raises:
        RunError: when called, if the step cannot be recorded, if its replay differs, or if a
            parameter or buffer has moved in memory.

    Source: torch's documentation of `torch.cuda.graph`.

    """

    def __init__(self, model: nn.Module, add_gradients: AddGradients, record: Recorder) -> None:
        self._model = model
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._add_gradients = add_gradients
        self._record = record
        self._recorded: dict[tuple[object, ...], Recorded] = {}

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Set the gradients of a batch, and return its loss."""
        key = (x.shape, x.stride(), x.dtype, y.shape, y.dtype)
        if key not in self._recorded:
            self._recorded[key] = self._recording(x, y)
        recorded = self._recorded[key]
        # Only an optimizer moves them between replays.
        _check_addresses(self._parameters, recorded.addresses)
        recorded.x.copy_(x)
        recorded.y.copy_(y)
        recorded.replay()
        for parameter, gradient in zip(self._parameters, recorded.result.gradients, strict=True):
            parameter.grad = gradient
        # The next replay overwrites it.
        return recorded.result.loss.clone()

    def _recording(self, x: Tensor, y: Tensor) -> Recorded:
        x, y = x.clone(), y.clone()
        # Held to the end, so that no other tensor gets their memory.
        buffers = list(self._model.buffers())

        def compute() -> Pass:
            # A backward pass adds to a gradient that is there; a replay must overwrite it.
            for parameter in self._parameters:
                parameter.grad = None
            loss = self._add_gradients(x, y)
            return Pass(loss, tuple(parameter.grad for parameter in self._parameters))

        with self._undone(x.device):
            result, replay = self._record(compute)
            _check_addresses(self._model.buffers(), _addresses(buffers))
        recorded = Recorded(x, y, _addresses(self._parameters), result, replay)
        self._check(recorded, compute)
        return recorded

    def _check(self, recorded: Recorded, compute: Callable[[], Pass]) -> None:
        """Raise a RunError unless a replay has the bits of the step itself, for another batch."""
        # Every image with the label of another.
        recorded.x.copy_(recorded.x.flip(0))
        with self._undone(recorded.x.device):
            expected = self._copies(compute())
        with self._undone(recorded.x.device):
            recorded.replay()
            found = self._copies(recorded.result)
        # Of a diverged network all are NaN.
        exactly = partial(torch.allclose, rtol=0.0, atol=0.0, equal_nan=True)
        if len(found) != len(expected) or not all(map(exactly, found, expected)):
            raise _refused("a replay gives other numbers than the step itself")

    def _copies(self, result: Pass) -> list[Tensor]:
        held = (result.loss, *result.gradients, *self._model.buffers())
        return [tensor.clone() for tensor in held if tensor is not None]

    @contextmanager
    def _undone(self, device: torch.device) -> Iterator[None]:
        """Restore buffers and random numbers at the end."""
        before = [buffer.clone() for buffer in self._model.buffers()]
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
        with torch.no_grad():
            for buffer, value in zip(self._model.buffers(), before, strict=True):
                buffer.copy_(value)


def _addresses(tensors: Iterable[Tensor]) -> list[int]:
    """Return the addresses of tensors in memory."""
    return [tensor.data_ptr() for tensor in tensors]


def _check_addresses(tensors: Iterable[Tensor], addresses: list[int]) -> None:
    if _addresses(tensors) != addresses:
        raise _refused("a training step moves a parameter or buffer in memory")


def _refused(reason: str) -> RunError:
    return RunError(f"--cuda-graphs: {reason}; run without --cuda-graphs")

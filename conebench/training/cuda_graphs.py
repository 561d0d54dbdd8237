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
        RunError: it cannot be recorded, for example because it reads a value back from the GPU.

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
    # Of the parameters.
    places: list[int]
    result: Pass
    replay: Callable[[], None]


class RecordedGradients:
    """Gradients of a model's batches, recorded once for each shape and replayed.

    A recording is checked once: its replay must have the bits of the step itself.

    Args:
        model: the model. Its buffers and the random numbers are as before after a recording.
        add_gradients: adds the gradients of a batch (x, y) to the parameters', returns the loss.
        record: records a computation.

    Raises:
        RunError: the step cannot be recorded, its replay differs, or a parameter or buffer has
            moved to other memory since.

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
        _check_places(self._parameters, recorded.places)
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
            # Without a gradient to add to, a replay sets it anew.
            for parameter in self._parameters:
                parameter.grad = None
            loss = self._add_gradients(x, y)
            return Pass(loss, tuple(parameter.grad for parameter in self._parameters))

        with self._undone(x.device):
            result, replay = self._record(compute)
            _check_places(self._model.buffers(), _places(buffers))
        recorded = Recorded(x, y, _places(self._parameters), result, replay)
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
        if not all(map(exactly, found, expected)):
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


def _places(tensors: Iterable[Tensor]) -> list[int]:
    """Return where in memory tensors are."""
    return [tensor.data_ptr() for tensor in tensors]


def _check_places(tensors: Iterable[Tensor], places: list[int]) -> None:
    if _places(tensors) != places:
        raise _refused("a parameter or buffer moves to other memory in a training step")


def _refused(reason: str) -> RunError:
    return RunError(f"--cuda-graphs: {reason}; run without --cuda-graphs")

"""Gradients of batches recorded as CUDA graphs, so that a GPU need not wait for Python.

A graph launches the operators that were recorded, with the same random numbers as without it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
        raise RunError(
            "--cuda-graphs: the training step cannot be recorded as a CUDA graph: "
            f"{first_line(error)}; run without --cuda-graphs"
        ) from error
    return result, graph.replay


@dataclass(frozen=True)
class Recorded:
    """A computation on the batch that stands in `x` and `y`."""

    x: Tensor
    y: Tensor
    result: Pass
    replay: Callable[[], None]


class RecordedGradients:
    """Gradients of a model's batches, recorded once for each shape and replayed.

    The model must compute every batch of a shape by the same operators, and its parameters must
    stay where they are in memory.

    Args:
        model: the model. Its buffers and the random numbers are as before after a recording.
        add_gradients: adds the gradients of a batch (x, y) to the parameters', returns the loss.
        record: records a computation.

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
        recorded.x.copy_(x)
        recorded.y.copy_(y)
        recorded.replay()
        for parameter, gradient in zip(self._parameters, recorded.result.gradients, strict=True):
            parameter.grad = gradient
        # The next replay overwrites it.
        return recorded.result.loss.clone()

    def _recording(self, x: Tensor, y: Tensor) -> Recorded:
        x, y = x.clone(), y.clone()

        def compute() -> Pass:
            # Without a gradient to add to, a replay sets it anew.
            for parameter in self._parameters:
                parameter.grad = None
            loss = self._add_gradients(x, y)
            return Pass(loss, tuple(parameter.grad for parameter in self._parameters))

        buffers = [buffer.clone() for buffer in self._model.buffers()]
        with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []):
            result, replay = self._record(compute)
        _restore(self._model.buffers(), buffers)
        return Recorded(x, y, result, replay)


@torch.no_grad()
def _restore(buffers: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)

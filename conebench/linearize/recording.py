"""A linearized pass as recorded operators, replayed without the network's modules.

With small tensors a forward-mode pass waits for Python: for modules, rules of tangents, the state
around the network. For one shape of a batch the operators are always the same, so they are recorded
once, with those of the gradient in w, and replayed in the same order. The numbers are the same too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

from conebench.linearize.recorded_graph import ReplayError, split
from conebench.networks.freed_memory import return_freed_memory
from conebench.networks.modes import plain_mode
from conebench.networks.noise import noise_like

# f_lin(x; w), for w as tensors.
Pass = Callable[[Sequence[Tensor], Tensor], Float[Tensor, "b c"]]
# Largest difference of a replay from the pass itself, relative to the size. On a CPU there is none.
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4}
# What reads values.
VALUES = (Tensor.numpy, Tensor.__array__, Tensor.tolist, Tensor.__dlpack__, Tensor.data_ptr)


@dataclass(frozen=True)
class Recording:
    """A pass and its gradient in w, for one shape of x.

    `forward(x, w, constants)` returns the output, followed by what `backward(kept, g, constants)`
    needs, which returns the gradients of w. `kept` is a list, in the order in which the backward
    pass takes from its end.
    """

    forward: Callable[..., Sequence[Tensor]]
    backward: Callable[..., Sequence[Tensor | None]]
    constants: tuple[Tensor, ...]

    def replay(self, x: Tensor, w: Sequence[Tensor]) -> Float[Tensor, "b c"]:
        """Return the output, with a gradient in w."""
        output: Tensor = _Replay.apply(self, x, *w)
        return output


class _Replay(torch.autograd.Function):
    """The recorded pass, for autograd one operator."""

    @staticmethod
    def forward(ctx: Any, recording: Recording, x: Tensor, *w: Tensor) -> Tensor:
        with plain_mode():
            output, *kept = recording.forward(x, w, recording.constants)
        ctx.recording = recording
        # No tensor here is an output, so nothing holds itself alive.
        ctx.kept, ctx.versions = kept, [tensor._version for tensor in kept]
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        recording, kept, ctx.kept = ctx.recording, ctx.kept, None
        if kept is None:
            raise RuntimeError("a recorded pass has one backward pass")
        if [tensor._version for tensor in kept] != ctx.versions:
            raise RuntimeError("a batch or a displacement was changed before the backward pass")
        # The list is emptied on the way, so tensors are freed as soon as they are used.
        with plain_mode():
            g = gradients[0].contiguous()
            return None, None, *recording.backward(kept, g, recording.constants)


def record(run: Pass, w: Sequence[Tensor], x: Float[Tensor, "b ..."]) -> Recording | None:
    """Record a pass for batches in the shape of x.

    Args:
        run: the pass. Its operators may depend on shapes, but not on values.
        w: in which gradients are taken.
        x: a batch.

    Returns:
        The recording; None if the pass cannot be recorded, or if its replay differs from the pass
        for another batch.

    """
    leaves = [p.detach().clone().requires_grad_() for p in w]

    def joint(w: Sequence[Tensor], x: Tensor, g: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        output = run(w, x)
        # A new tensor, never one that the backward pass needs.
        return output.clone(), torch.autograd.grad(output, w, g, allow_unused=True)

    with torch.no_grad():
        # Before the recording, which so finds the folds of this batch made.
        output = run(w, x)
    g = output.new_ones(output.shape)
    try:
        with torch.enable_grad(), _RefuseValues():
            recording = Recording(*split(make_fx(joint)(leaves, x, g)))
        return_freed_memory()
        return recording if _agrees(recording, run, w, x) else None
    except torch.OutOfMemoryError:
        raise
    except Exception:  # noqa: BLE001  # whatever cannot be recorded is computed as before
        return None


class _RefuseValues(TorchFunctionMode):
    """Mode in which tensors' values cannot be read past the recorder."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in VALUES:
            raise ReplayError(f"{func} cannot be replayed")
        return func(*args, **(kwargs or {}))


def _agrees(recording: Recording, run: Pass, w: Sequence[Tensor], x: Tensor) -> bool:
    """Return True if a replay equals the pass for another batch and another w."""
    other = noise_like(x, 1)
    leaves = [noise_like(p, 1, number).requires_grad_() for number, p in enumerate(w)]
    with torch.enable_grad():
        # One after the other, so that only one pass keeps its tensors.
        found = _with_gradients(recording.replay(other, leaves), leaves)
        return_freed_memory()
        expected = _with_gradients(run(leaves, other), leaves)
    return all(map(_is_close, found, expected))


def _with_gradients(output: Tensor, leaves: Sequence[Tensor]) -> list[Tensor | None]:
    g = noise_like(output.detach(), 2)
    return [output.detach(), *torch.autograd.grad(output, leaves, g, allow_unused=True)]


def _is_close(found: Tensor | None, expected: Tensor | None) -> bool:
    if found is None or expected is None:
        return found is expected
    allowed = TOLERANCES.get(expected.dtype, 1e-2) * float(expected.norm())
    return found.shape == expected.shape and float((found - expected).norm()) <= allowed

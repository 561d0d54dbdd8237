"""A network's linearization as an ordinary module."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from conebench.errors import KernelError
from conebench.linearize.batchnorm_folding import Fold, PathError, find_folds, folded
from conebench.linearize.fast_tangents import ShortTangents, make_dual, unpack_dual
from conebench.linearize.recording import Recording, record
from conebench.networks.functional import LOCK, FrozenNetwork
from conebench.networks.kept import forget_kept
from conebench.networks.modes import plain_mode
from conebench.networks.referee import check_alone, check_derivatives, check_mixing
from conebench.networks.reference import Reference, check_inputs, take_reference
from conebench.networks.routing import RoutingObserver
from conebench.text import first_line

# Shapes of batches that are recorded; others are run as before.
MOST_RECORDINGS = 8
# Samples whose paths are checked, in a network that treats samples differently.
MOST_PATHS = 8


class LinearizedModel(nn.Module):
    """Linearization of a network at its current parameters theta_s.

    f_lin(x; w) = f(x; theta_s) + J(x; theta_s) w, trained in w, which starts at 0. J w is one
    forward-mode pass, which the first call holds against finite differences of the network.

    Args:
        model: network. Its parameters and buffers are copied, and its evaluation mode is used
            (BatchNorm statistics frozen, dropout and drop-path off), so it may be trained on. Its
            modules are not copied: each call runs them, with the copied tensors in place.
        intercept: False leaves J w alone.

    Set `replays` for training: in training mode the operators of each shape of a batch are then
    recorded once, which takes as long as tens of steps, and replayed without the network's modules.
    The numbers are the same. Each output has one backward pass. A network that cannot be recorded
    is run as before.

    Raises:
        KernelError: at the first call, if the network has no linearization: it draws random
            numbers, mixes samples, or J w is not its derivative.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
        >>> lazy, x = LinearizedModel(network), torch.ones(1, 1, 2, 2)
        >>> torch.equal(lazy(x), network(x))
        True
        >>> with torch.no_grad():
        ...     _ = lazy.displacement[1].add_(0.5)  # the bias
        >>> torch.allclose(lazy(x), network(x) + 0.5)
        True

    Source: C2, section on linearized training; Lee et al. 2019, arXiv 1902.06720, eq. 5.

    """

    def __init__(self, model: nn.Module, *, intercept: bool = True) -> None:
        super().__init__()
        # In a tuple, the frozen network's tensors are not part of this module's state: anchors are
        # in the checkpoint they come from.
        # Not while a kernel in another thread has its parameters elsewhere.
        with LOCK, plain_mode():
            self._frozen = (FrozenNetwork(model, is_anchored=True),)
        # By shape of a batch: a network may compute another shape another way.
        self._folds: dict[torch.Size, tuple[Fold, ...]] = {}
        # By all of a batch that operators may depend on.
        self._recordings: dict[tuple[object, ...], Recording | None] = {}
        self._is_checked = False
        self.replays = False
        self.intercept = intercept
        self.names = self.network.trainable
        # w as tensors of its own: theta - theta_s in float32 would lose small updates.
        with plain_mode():
            self.displacement = nn.ParameterList(torch.zeros_like(a) for a in self.anchors())

    @property
    def network(self) -> FrozenNetwork:
        """The frozen network at theta_s, in evaluation mode."""
        return self._frozen[0]

    def anchors(self) -> list[Tensor]:
        """Return theta_s, in the order of the displacement tensors."""
        return [self.network.anchors[name] for name in self.names]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is found again: folds and recordings belong to these very tensors."""
        return {**vars(self), "_folds": {}, "_recordings": {}}

    def forward(self, x: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b c"]:
        """Return the logits of the linearized model."""
        check_inputs("x", x)
        if torch.is_inference_mode_enabled() or x.is_inference():
            # Inference mode has no tangents.
            with plain_mode():
                return self.forward(x.clone())
        if not self._is_checked:
            with LOCK, plain_mode():
                self._check(x)
            self._is_checked = True
        w = list(self.displacement)
        if self.replays and self.training and torch.is_grad_enabled() and not x.requires_grad:
            recording = self._recording(w, x)
            if recording is not None:
                return recording.replay(x, w)
        return self._run(w, x)

    def _recording(self, w: Sequence[Tensor], x: Tensor) -> Recording | None:
        key = (x.shape, x.stride(), x.dtype, x.device, self.intercept)
        if key not in self._recordings:
            if len(self._recordings) >= MOST_RECORDINGS:
                return None
            self._recordings[key] = record(self._run, w, x)
        return self._recordings[key]

    def _run(self, w: Sequence[Tensor], x: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b c"]:
        """Return the logits by a pass through the network's modules."""
        anchors, tangents = self.network.anchors, dict(zip(self.names, w, strict=True))
        if x.shape not in self._folds:
            self._folds[x.shape] = find_folds(self.network, anchors, x)
        try:
            value, tangent = self._push(x, anchors, tangents, self._folds[x.shape])
        except PathError:
            # The path depends on values.
            self._folds[x.shape] = ()
            value, tangent = self._push(x, anchors, tangents, ())
        return value + tangent if self.intercept else tangent

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "LinearizedModel":
        """Convert the frozen network too, when `to`, `double` or `half` convert this module."""
        self.network.move(fn)
        self._folds.clear()
        self._recordings.clear()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _check(self, x: Tensor) -> None:
        """Raise a KernelError unless J w and its gradient are right."""
        if not all(bool(anchor.isfinite().all()) for anchor in self.network.anchors.values()):
            # Of a diverged network: its logits are NaN, here too.
            return
        forget_kept(self.network, x)
        observer = RoutingObserver()
        reference = take_reference(self.network, x, observer)
        check_derivatives(self.network, reference, self._tangents_near)
        check_mixing(self.network, reference, x)
        if observer.routing.is_found:
            check_alone(self.network, x)
            # Each sample may take a path of its own.
            for first in range(1, min(len(x), MOST_PATHS)):
                reference = take_reference(self.network, x.roll(-first, 0))
                check_derivatives(self.network, reference, self._tangents_near)

    def _tangents_near(self, reference: Reference, w: Mapping[str, Tensor]) -> Float[Tensor, "m c"]:
        """Return J w at the reference's parameters."""
        try:
            folds = find_folds(self.network, reference.parameters, reference.samples)
            return self._push(reference.samples, reference.parameters, w, folds)[1]
        except (RuntimeError, NotImplementedError) as error:
            raise KernelError(f"the network cannot be linearized: {first_line(error)}") from error

    def _push(
        self,
        x: Float[Tensor, "b ..."],
        anchors: Mapping[str, Tensor],
        tangents: Mapping[str, Tensor],
        folds: Sequence[Fold],
    ) -> tuple[Float[Tensor, "b c"], Float[Tensor, "b c"]]:
        """Return f and J w by a pass with anchors as values and w as tangents."""
        # Fused attention has no forward-mode derivative. Torch has one dual level for all threads.
        with LOCK, sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level():
            duals = {name: make_dual(anchors[name], w) for name, w in tangents.items()}
            with (
                self.network.entered({**anchors, **duals}) as modules,
                ShortTangents(),
                folded(folds, duals, tangents, len(x)),
            ):
                dual = modules(x.clone())
            value, tangent = unpack_dual(dual)
        if tangent is None:
            raise KernelError("no output of the network depends on a trainable parameter")
        return value, tangent

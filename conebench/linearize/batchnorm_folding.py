"""BatchNorm in evaluation mode, folded into the convolution before it.

With fixed statistics BatchNorm is an affine map of each channel. So a convolution and its BatchNorm
are one convolution, whose weights depend on those of both, and BatchNorm's passes over the
activations and their tangents are saved.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.overrides import TorchFunctionMode

from conebench.linearize.fast_tangents import make_dual
from conebench.networks.functional import FrozenNetwork
from conebench.networks.modes import is_transformed

CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)
# Names of the arguments, in order.
CONVOLUTION = ("input", "weight", "bias")
BATCH_NORM = (
    *("input", "running_mean", "running_var", "weight", "bias"),
    *("training", "momentum", "eps"),
)
# Results of calls that only look at a tensor, such as `x.shape`.
NO_TENSOR = (int, float, bool, torch.Size, torch.dtype, torch.device)
Arguments = tuple[Any, ...]


class PathError(RuntimeError):
    """A pass that takes another path than the one by which folds were found."""


@dataclass(frozen=True, eq=False)
class Fold:
    """A convolution and the one BatchNorm that follows it.

    The convolution's output goes nowhere else. With tangents W', b', gamma', beta' and
    s = gamma / sigma, the two are one convolution with

        weight  s W                and tangent  s W' + gamma' W / sigma
        bias    s (b - mu) + beta  and tangent  s b' + gamma' (b - mu) / sigma + beta'

    `names` are those of the parameters W, b, gamma, beta, None for one that is missing; `variance`
    is sigma^2, and `entries` counts the numbers of the output per image.
    """

    names: tuple[str | None, str | None, str | None, str | None]
    W: Tensor
    b: Tensor | None
    gamma: Tensor | None
    beta: Tensor | None
    mu: Tensor
    variance: Tensor
    entries: int

    def is_worth(self, images: int) -> bool:
        """Return True if folding pays for this batch size."""
        # It saves passes over the output, and costs passes over the weight.
        return self.entries * images > self.W.numel()

    def duals(self, tangents: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the folded weight and bias with their tangents."""
        # Terms of the tangents [q, p, ...] and [q]; a parameter that is not trained has none.
        W, b, gamma, beta = (tangents.get(name or "") for name in self.names)
        weight, bias = [], []
        if W is not None:
            weight.append(W * _by_channel(self._s, W))
        if b is not None:
            bias.append(b * self._s)
        if gamma is not None:
            weight.append(self._W_over_sigma * _by_channel(gamma, self.W))
            bias.append(self._offset * self._inverse_sigma * gamma)
        if beta is not None:
            bias.append(beta)
        return _dual(self._weight, weight), _dual(self._bias, bias)

    @cached_property
    def _inverse_sigma(self) -> Tensor:
        return torch.rsqrt(self.variance)

    @cached_property
    def _s(self) -> Tensor:
        return self._inverse_sigma if self.gamma is None else self.gamma * self._inverse_sigma

    @cached_property
    def _offset(self) -> Tensor:
        return -self.mu if self.b is None else self.b - self.mu

    @cached_property
    def _W_over_sigma(self) -> Tensor:
        return self.W * _by_channel(self._inverse_sigma, self.W)

    @cached_property
    def _weight(self) -> Tensor:
        return self.W * _by_channel(self._s, self.W)

    @cached_property
    def _bias(self) -> Tensor:
        bias = self._offset * self._s
        return bias if self.beta is None else bias + self.beta


def _by_channel(values: Tensor, weight: Tensor) -> Tensor:
    return values.view(-1, *[1] * (weight.dim() - 1))


def _dual(value: Tensor, tangents: Sequence[Tensor]) -> Tensor:
    if not tangents:
        return value
    return make_dual(value, reduce(torch.add, tangents))


def find_folds(
    network: FrozenNetwork, parameters: Mapping[str, Tensor], x: Float[Tensor, "n ..."]
) -> tuple[Fold, ...]:
    """Find the convolutions that can be folded.

    The parameters must not change afterwards. A weight or a BatchNorm used more than once is left
    alone, and so is a weight that is not a parameter.
    """
    if network.changes_tensors:
        # Statistics are told apart by their tensors, which are new ones in each pass.
        return ()
    watch = _Watch()
    with torch.no_grad(), network.entered(parameters) as modules, watch:
        modules(x.clone())
    names: dict[int, str | None] = {id(p): name for name, p in parameters.items()}
    # A missing bias, gamma or beta.
    names[id(None)] = None
    return tuple(
        Fold(
            names=(names[id(W)], names[id(b)], names[id(gamma)], names[id(beta)]),
            W=W,
            b=b,
            gamma=gamma,
            beta=beta,
            mu=mu,
            variance=variance,
            entries=size // max(1, len(x)),
        )
        for (W, b, gamma, beta), mu, variance, size in watch.pairs()
        if {id(W), id(b), id(gamma), id(beta)} <= names.keys()
    )


@contextmanager
def folded(
    folds: Sequence[Fold],
    duals: Mapping[str, Tensor],
    tangents: Mapping[str, Tensor],
    images: int,
) -> Iterator[None]:
    """Fold BatchNorms while the context is active, for a batch of `images`.

    `duals` stand for the network's parameters; their `tangents` go into the folded convolutions.
    Raises a PathError if the call takes another path than the one by which folds were found.
    """
    mode = _Folded(
        {id(duals.get(f.names[0] or "", f.W)): f for f in folds if f.is_worth(images)}, tangents
    )
    with mode:
        yield
    if mode.waiting:
        raise PathError("a convolution's output did not reach the BatchNorm folded into it")


class _Folded(TorchFunctionMode):
    """Mode with folded weights in convolutions, and BatchNorms that do nothing."""

    def __init__(self, folds: Mapping[int, Fold], tangents: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._folds = folds
        self._tangents = tangents
        # Outputs of folded convolutions: by their BatchNorm, and all by their own id.
        self.waiting: dict[int, Tensor] = {}
        self._outputs: dict[int, Tensor] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Arguments = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._folds and is_transformed():
            raise PathError("a function transform hides where a convolution's output goes")
        if func is F.batch_norm:
            mu = id(_argument(args, kwargs, 1, "running_mean"))
            if mu in self.waiting and self.waiting[mu] is _argument(args, kwargs, 0, "input"):
                # This BatchNorm is in the convolution's output already. Another tensor, by which
                # later uses of that output are told apart.
                folded_output = self.waiting.pop(mu)
                return folded_output.view_as(folded_output)
        elif func in CONVOLUTIONS:
            fold = self._folds.get(id(_argument(args, kwargs, 1, "weight")))
            if fold is not None:
                self._check(args, kwargs)
                image = _argument(args, kwargs, 0, "input")
                others = {k: v for k, v in kwargs.items() if k not in CONVOLUTION}
                output: Tensor = func(image, *fold.duals(self._tangents), *args[3:], **others)
                self.waiting[id(fold.mu)] = self._outputs[id(output)] = output
                return output
        found = func(*args, **kwargs)
        if not isinstance(found, NO_TENSOR):
            self._check(args, kwargs)
        return found

    def _check(self, args: Arguments, kwargs: Mapping[str, Any]) -> None:
        if any(id(tensor) in self._outputs for tensor in _tensors((args, kwargs))):
            raise PathError("a convolution's output goes elsewhere than to its BatchNorm")


class _Watch(TorchFunctionMode):
    """Mode that follows convolutions' outputs to the operators that take them."""

    def __init__(self) -> None:
        super().__init__()
        self._outputs: dict[int, tuple[Tensor, Sequence[Any]]] = {}
        self._takers: dict[int, Sequence[Any]] = {}
        self._uses: Counter[int] = Counter()
        # A transformed function sees other tensors, so that uses there are not counted.
        self._is_transformed = False

    def pairs(self) -> Iterator[tuple[Sequence[Any], Tensor, Tensor, int]]:
        """Yield a convolution and its BatchNorm, pair by pair.

        Tensors (W, b, gamma, beta), mu, sigma^2 + eps, and the size of the output between.
        """
        takers = {} if self._is_transformed else self._takers
        for identity, (mu, variance, gamma, beta) in takers.items():
            output, (W, b) = self._outputs[identity]
            # Used once: the output by this BatchNorm alone, statistics and weight by this pair.
            if all(self._uses[used] == 1 for used in (identity, id(mu), id(W))):
                yield (W, b, gamma, beta), mu, variance, output.numel()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Arguments = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        self._is_transformed = self._is_transformed or is_transformed()
        if not isinstance(found, NO_TENSOR):
            self._uses.update(id(tensor) for tensor in _tensors((args, kwargs)))
        if func is F.batch_norm:
            self._normalized(args, kwargs)
        elif func in CONVOLUTIONS:
            parameters = [_argument(args, kwargs, i, CONVOLUTION[i]) for i in (1, 2)]
            # Kept, so that no later tensor gets its id; an earlier tensor's uses are forgotten.
            self._outputs[id(found)] = (found, parameters)
            self._uses[id(found)] = 0
        return found

    def _normalized(self, args: Arguments, kwargs: Mapping[str, Any]) -> None:
        image, mu, variance, gamma, beta, training, _, eps = (
            _argument(args, kwargs, position, name) for position, name in enumerate(BATCH_NORM)
        )
        if id(image) in self._outputs and not training and mu is not None:
            self._takers[id(image)] = (mu, variance + (1e-5 if eps is None else eps), gamma, beta)


def _argument(args: Arguments, kwargs: Mapping[str, Any], position: int, name: str) -> Any:
    return args[position] if len(args) > position else kwargs.get(name)


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from _tensors(tuple(values.values()))
    elif isinstance(values, tuple | list):
        for value in values:
            yield from _tensors(value)

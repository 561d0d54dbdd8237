"""BatchNorm in evaluation mode, folded into the convolution before it.

With fixed statistics it is an affine map of each channel, so conv then BatchNorm is one convolution
whose weights depend on those of both: no pass over the activations is left, nor over their
tangents.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)
Arguments = tuple[Any, ...]


class Fold(NamedTuple):
    """A convolution's weight and the running mean of the BatchNorm that alone takes its output.

    It saves passes over the output, `entries` numbers an image, for passes over the weight.
    """

    weight: str
    running_mean: str
    entries: int


def find_folds(network: nn.Module, x: Tensor) -> tuple[Fold, ...]:
    """Every convolution whose output goes into one BatchNorm in evaluation mode and nowhere else.

    Found by one pass of x [n, ...]. A weight or a BatchNorm used more than once is left alone.
    """
    watch = _Watch()
    with torch.no_grad(), watch:
        network(x)
    names = {id(tensor): name for name, tensor in network.named_parameters()}
    names |= {id(tensor): name for name, tensor in network.named_buffers()}
    return tuple(
        Fold(names[weight], names[mean], entries // len(x))
        for weight, mean, entries in watch.pairs()
        if weight in names and mean in names
    )


@contextmanager
def folded(folds: tuple[Fold, ...], network: nn.Module, images: int) -> Iterator[None]:
    """A call of the network, its parameters as they now are, with these BatchNorms folded in.

    Only those are whose convolution's output for so many images is larger than its weight. Raises
    a RuntimeError where the call takes another way than that by which the folds were found.
    """
    # Not get_parameter: it refuses the dual tensors that stand in a parameter's place.
    modules = dict(network.named_modules())
    norms = {}
    for fold in folds:
        path, _, name = fold.weight.rpartition(".")
        weight = modules[path]._parameters[name]
        if weight is not None and fold.entries * images > weight.numel():
            norms[id(weight)] = modules[fold.running_mean.rpartition(".")[0]]
    mode = _Folded(norms)
    with mode:
        yield
    if mode.waiting:
        raise RuntimeError("a convolution's output did not reach the BatchNorm folded into it")


def _fused(weight: Tensor, bias: Tensor | None, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of conv then BatchNorm: W s and beta + (b - mu) s, s = gamma / sigma."""
    gamma, beta = norm._parameters.get("weight"), norm._parameters.get("bias")
    mean: Tensor = norm._buffers["running_mean"]  # type: ignore[assignment]
    scale = torch.rsqrt(norm._buffers["running_var"] + norm.eps)  # type: ignore[operator]
    if gamma is not None:
        scale = scale * gamma
    shift = (-mean if bias is None else bias - mean) * scale
    if beta is not None:
        shift = shift + beta
    return weight * scale.view(-1, *[1] * (weight.dim() - 1)), shift


def _argument(args: Arguments, kwargs: Mapping[str, Any], position: int, name: str) -> Any:
    return args[position] if len(args) > position else kwargs.get(name)


class _Watch(TorchFunctionMode):
    """Follows the outputs of convolutions to whatever takes them."""

    def __init__(self) -> None:
        super().__init__()
        self._outputs: dict[int, tuple[Tensor, int]] = {}
        self._takers: dict[int, int] = {}
        self._uses: Counter[int] = Counter()

    def pairs(self) -> Iterator[tuple[int, int, int]]:
        """Ids of weight and running mean, each used once, and the size of the output between."""
        for identity, mean in self._takers.items():
            output, weight = self._outputs[identity]
            if all(self._uses[used] == 1 for used in (identity, mean, weight)):
                yield weight, mean, output.numel()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Arguments = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if func is F.batch_norm:
            self._normalized(args, kwargs)
        elif not isinstance(found, int | float | bool | torch.Size | torch.dtype | torch.device):
            self._uses.update(id(tensor) for tensor in _tensors((args, kwargs)))
        if func in CONVOLUTIONS:
            # Kept, so that no later tensor is given its id; what an earlier one did is forgotten.
            self._outputs[id(found)] = (found, id(_argument(args, kwargs, 1, "weight")))
            self._uses[id(found)] = 0
        return found

    def _normalized(self, args: Arguments, kwargs: Mapping[str, Any]) -> None:
        image, mean = args[0], _argument(args, kwargs, 1, "running_mean")
        self._uses.update((id(image), id(mean)))
        training = _argument(args, kwargs, 5, "training")
        if id(image) in self._outputs and not training and mean is not None:
            self._takers[id(image)] = id(mean)


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from _tensors(tuple(values.values()))
    elif isinstance(values, tuple | list):
        for value in values:
            yield from _tensors(value)


class _Folded(TorchFunctionMode):
    """Convolutions with the weights of conv and BatchNorm; their BatchNorms do nothing."""

    def __init__(self, norms: dict[int, nn.Module]) -> None:
        super().__init__()
        self._norms = norms
        self.waiting: dict[int, Tensor] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Arguments = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            mean = id(_argument(args, kwargs, 1, "running_mean"))
            if mean in self.waiting and self.waiting[mean] is args[0]:
                return self.waiting.pop(mean)
        if func in CONVOLUTIONS:
            weight = _argument(args, kwargs, 1, "weight")
            norm = self._norms.get(id(weight))
            if norm is not None:
                fused = _fused(weight, _argument(args, kwargs, 2, "bias"), norm)
                others = {k: v for k, v in kwargs.items() if k not in ("weight", "bias")}
                output = func(args[0], *fused, *args[3:], **others)
                self.waiting[id(norm.running_mean)] = output
                return output
        return func(*args, **kwargs)

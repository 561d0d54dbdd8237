"""Finite differences of a network's logits, and how far two logits are apart."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from conebench.networks.functional import FrozenNetwork, converted, parameters_at
from conebench.networks.noise import as_vector, noise

# Tried in turn until all is clear: small steps meet rounding, large ones curvature and kinks.
STEPS = {torch.float64: (1e-7, 1e-8, 1e-6, 1e-4), torch.float32: (1e-5, 1e-4, 1e-3)}
# Largest error, relative to the gradients; of gradients in less precise types it is larger.
TOLERANCES = {torch.float64: 1e-3, torch.float32: 1e-3, torch.float16: 2e-2}
# Of differences that are not in float64.
COARSE_TOLERANCE = 3e-2
# An error so small is rounding. A wrong gradient may be near by chance along one direction, so if
# the first one is no clearer, two more must agree.
CLEAR = {torch.float64: 1e-7}
CLEAR_IN_OTHER_TYPES = 1e-5
# Of logits that should be equal, relative.
LARGEST_DIFFERENCES = {torch.float64: 1e-6, torch.float32: 1e-3}


class Slopes:
    """Central differences of a sample's logits along one random direction of the parameters.

    Args:
        frozen: the network, whose own parameters are moved, where all that holds on to them sees
            it.
        samples: two of its inputs; the differences are those of the second.
        parameters: the middle of each difference.
        seed: draws the direction.

    """

    def __init__(
        self,
        frozen: FrozenNetwork,
        samples: Tensor,
        parameters: Mapping[str, Tensor],
        seed: int,
    ) -> None:
        self._frozen = frozen
        self._samples = samples
        self._parameters = parameters
        self._noise = noise(seed)
        self.dtype = samples.dtype
        self.tolerance = TOLERANCES.get(self.dtype, 1e-1)
        self.clear = CLEAR.get(self.dtype, CLEAR_IN_OTHER_TYPES)
        # Mean of the last two values.
        self.middle = samples.new_empty(0)

    def along(self, gradients: Mapping[str, Tensor]) -> float:
        """Return the inner product of gradients with the direction."""
        product, start = 0.0, 0
        for name in self._frozen.trainable:
            vector = as_vector(gradients[name])
            product += self._noise.dot(vector, start)
            start += len(vector)
        return product

    def direction(self) -> dict[str, Tensor]:
        """Return the direction itself."""
        found = {
            n: torch.zeros_like(self._parameters[n], memory_format=torch.contiguous_format)
            for n in self._frozen.trainable
        }
        self._shift(found, 1.0)
        return found

    def __iter__(self) -> Iterator[Float[Tensor, "1 c"]]:
        """Yield the difference by one step after another."""
        own = self._samples.dtype
        if self._samples.device.type != "mps":
            try:
                for step in STEPS[torch.float64]:
                    yield self._difference(step, torch.float64)
            except (RuntimeError, TypeError):
                # A network that sets a type of its own may not run in float64.
                if own == torch.float64:
                    raise
            else:
                return
        self.tolerance = max(self.tolerance, COARSE_TOLERANCE)
        for step in STEPS[torch.float32]:
            yield self._difference(step, own)

    def _difference(self, step: float, dtype: torch.dtype) -> Float[Tensor, "1 c"]:
        """Return (f(theta + h u) - f(theta - h u)) / 2h of the second sample, alone."""
        views, x = self._moved(step, dtype), self._samples.to(dtype)
        plus = alone(self._frozen, views, x[1:])
        self._shift(views, -2 * step)
        minus = alone(self._frozen, views, x[1:])
        self.middle = (plus + minus).double() / 2
        return (plus - minus).double() / (2 * step)

    def _moved(self, step: float, dtype: torch.dtype) -> dict[str, Tensor]:
        """Return copies of the parameters, moved by a step."""
        copies = {name: converted(p, dtype, copy=True) for name, p in self._parameters.items()}
        self._shift(copies, step)
        return copies

    def _shift(self, tensors: Mapping[str, Tensor], step: float) -> None:
        start = 0
        for name in self._frozen.trainable:
            vector = as_vector(tensors[name])
            self._noise.add(vector, step, start)
            start += len(vector)


def logits_at(
    frozen: FrozenNetwork, parameters: Mapping[str, Tensor], x: Tensor
) -> Float[Tensor, "m c"]:
    """Return the logits of the network at other values of its own parameters."""
    with torch.no_grad(), parameters_at(frozen.own, parameters, frozen.trainable):
        return frozen(x, frozen.own, x.dtype)


def alone(
    frozen: FrozenNetwork, parameters: Mapping[str, Tensor], sample: Float[Tensor, "1 ..."]
) -> Float[Tensor, "1 c"]:
    """Return the logits of one sample alone; twice for a network that takes no lone sample."""
    try:
        logits = logits_at(frozen, parameters, sample)
        if logits.ndim == 2 and len(logits) == 1:
            return logits
    except (RuntimeError, ValueError, IndexError):
        pass
    return logits_at(frozen, parameters, torch.cat([sample, sample]))[:1]


def difference(found: Float[Tensor, "n c"], expected: Float[Tensor, "n c"]) -> float:
    """Return how far logits are apart, relative to their size."""
    size = float(expected.double().norm())
    apart = float((found.double() - expected.double()).norm())
    return apart / size if size else apart

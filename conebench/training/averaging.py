"""Running average of a network's weights."""

from dataclasses import dataclass, field

import torch
from torch import nn

from conebench.training.optimizers import TensorDict

COUNT = "count"


@dataclass
class WeightAverage:
    """Mean of a network's state over updates, statistics of BatchNorm included."""

    count: int = 0
    sums: TensorDict = field(default_factory=dict)

    def add(self, network: nn.Module) -> None:
        """Count the network as it is now."""
        self.count += 1
        for name, tensor in network.state_dict().items():
            # Whole numbers, such as BatchNorm's count of batches, stay those of the last update.
            if not tensor.is_floating_point():
                self.sums[name] = tensor.clone()
            elif name in self.sums:
                self.sums[name] += tensor
            else:
                # In float64: a float32 sum of thousands of weights loses the last digits.
                self.sums[name] = tensor.double()

    def take(self, like: nn.Module) -> TensorDict:
        """Return the mean in the network's own types, on the CPU, and begin again."""
        state = like.state_dict()
        mean = {
            name: (total / self.count if total.is_floating_point() else total).to(state[name]).cpu()
            for name, total in self.sums.items()
        }
        self.count, self.sums = 0, {}
        return mean

    def tensors(self) -> TensorDict:
        """Return all that it holds, on the CPU."""
        held = {name: total.cpu() for name, total in self.sums.items()}
        return {**held, COUNT: torch.tensor(self.count)}

    def restore(self, tensors: TensorDict, device: torch.device) -> None:
        """Continue from what `tensors` returned."""
        self.sums = {name: t.to(device) for name, t in tensors.items() if name != COUNT}
        self.count = int(tensors[COUNT])

"""What a stage that trains stores on its way, so that little is lost when it is stopped."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from conebench.storage.atomic_files import found_whole, remove
from conebench.storage.store import Stage, Store, read_tensors
from conebench.training.loop import Checkpoint
from conebench.training.optimizers import TensorDict


def stopwatch(store: Store, stage: Stage) -> Callable[[], float]:
    """Seconds spent on a stage until now: since this call, and in the parts before that it kept."""
    spent, began = store.seconds_spent(stage), time.monotonic()
    return lambda: spent + time.monotonic() - began


@dataclass(frozen=True)
class Taken:
    """Where training is taken up: all that the next step depends on."""

    step: int
    model: TensorDict
    optimizer: TensorDict
    losses: tuple[Tensor, ...]


@dataclass
class Midway:
    """The latest state of one stage's training, stored every so many seconds."""

    store: Store
    stage: Stage
    seconds: float
    _stored_at: float = field(default_factory=time.monotonic)
    _spent: Callable[[], float] = field(init=False)

    def __post_init__(self) -> None:
        self._spent = stopwatch(self.store, self.stage)

    def is_due(self) -> bool:
        """Whether it is time to store the state."""
        return time.monotonic() - self._stored_at >= self.seconds

    def save(self, checkpoint: Checkpoint) -> None:
        """Store the state in place of the one before."""
        tensors = {f"model/{name}": t for name, t in checkpoint.model_tensors().items()}
        tensors |= {f"optimizer/{name}": t for name, t in checkpoint.optimizer_tensors().items()}
        losses = checkpoint.losses
        tensors["losses"] = torch.stack(list(losses)).cpu() if losses else torch.empty(0)
        path = self.store.unfinished_path(self.stage, checkpoint.step)
        self.store.write_tensors(path, tensors, {"seconds": self._spent()})
        for other in path.parent.glob("*.safetensors"):
            if other != path:
                remove(other)
        self._stored_at = time.monotonic()

    def load(self) -> Taken | None:
        """The latest state, None where there is no whole one."""
        for step in reversed(self.store.stored_steps(self.stage, "unfinished")):
            path = self.store.unfinished_path(self.stage, step)
            if found_whole(path):
                return _taken(step, read_tensors(path))
        return None


def _taken(step: int, tensors: TensorDict) -> Taken:
    losses = tensors.pop("losses")
    parts: dict[str, TensorDict] = {"model": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, own_name = name.partition("/")
        parts[part][own_name] = tensor
    return Taken(step, parts["model"], parts["optimizer"], losses.unbind())

"""Training that can be stopped at any time, since it stores its state."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from conebench.interrupts import stop_if_terminated, termination_asked
from conebench.runner.stages.base import Stage
from conebench.runner.stages.context import Context
from conebench.runner.stages.work import Work
from conebench.storage.atomic_files import remove
from conebench.storage.store import StageKey, Store, read_facts, read_tensors
from conebench.training.averaging import WeightAverage
from conebench.training.cuda_graphs import record_cuda_graph
from conebench.training.loop import Checkpoint, Recipe, train
from conebench.training.optimizers import TensorDict


@dataclass(frozen=True)
class State:
    """State of training between two steps: all that the next step depends on."""

    step: int
    # None where a stage begins, with the network as it is given.
    model: TensorDict | None = None
    optimizer: TensorDict | None = None
    # Losses since the last checkpoint.
    losses: tuple[Tensor, ...] = ()
    # Results that the stage had by then, as plain JSON data.
    results: tuple[Any, ...] = ()
    # What a `WeightAverage` held.
    average: TensorDict | None = None


def stopwatch(store: Store, key: StageKey) -> Callable[[], float]:
    """Return a function that gives the seconds spent on a stage."""
    # Earlier processes that worked on it count too.
    spent, began = store.seconds_spent(key), time.monotonic()
    return lambda: spent + time.monotonic() - began


def load_state(context: Context, stage: Stage[Any]) -> State | None:
    """Read the last stored state of a stage. None if there is no whole one."""
    key = stage.key(context)
    for step in reversed(context.store.stored_steps(key, "unfinished")):
        path = context.store.unfinished_path(key, step)
        facts = read_facts(path)
        if facts is not None:
            return _state(step, read_tensors(path), facts)
    return None


def train_resumably(
    context: Context,
    stage: Stage[Any],
    network: nn.Module,
    recipe: Recipe,
    begin: State,
    *,
    checkpoints: Sequence[int],
    results: Sequence[BaseModel] = (),
    stores_each: bool = True,
    average: WeightAverage | None = None,
) -> Iterator[Checkpoint]:
    """Train a network from a state on. Yield at each checkpoint still to come.

    Once the caller is done with a checkpoint, the state is stored with the `results` so far, if
    `save_every` seconds have passed, or if `stores_each` and they have grown. If the process is
    told to end, the state is stored after the current step. Raises a DivergedError, or Terminated.
    """
    store, key = context.store, stage.key(context)
    first, _ = stage.steps(context.spec)
    kind = stage.work(context.sizes).step
    if begin.model is not None:
        network.load_state_dict(begin.model)
        checkpoints = [step for step in checkpoints if step > begin.step]
        # Work of an earlier process counts as done.
        context.advance(Work(kind, begin.step - first))
    if average is not None and begin.average is not None:
        average.restore(begin.average, context.device)
    spent, stored_at, kept = stopwatch(store, key), time.monotonic(), len(results)

    def is_due() -> bool:
        return termination_asked() or time.monotonic() - stored_at >= context.save_every

    last = begin.step
    for checkpoint in train(
        network,
        context.data,
        recipe,
        start=begin.step,
        checkpoints=checkpoints,
        optimizer_state=begin.optimizer,
        losses_before=begin.losses,
        wants_pause=is_due,
        average=average,
        recorder=record_cuda_graph if context.cuda_graphs else None,
    ):
        yield checkpoint
        if is_due() or (stores_each and len(results) > kept):
            averaged = average.tensors() if average else {}
            _save_state(store, key, checkpoint, results, averaged, spent())
            stored_at, kept = time.monotonic(), len(results)
            stop_if_terminated()
        context.advance(Work(kind, checkpoint.step - last))
        last = checkpoint.step


def _save_state(
    store: Store,
    key: StageKey,
    checkpoint: Checkpoint,
    results: Sequence[BaseModel],
    average: TensorDict,
    seconds: float,
) -> None:
    """Store a state in place of the last one."""
    tensors = {f"model/{name}": t for name, t in checkpoint.model_tensors().items()}
    tensors |= {f"optimizer/{name}": t for name, t in checkpoint.optimizer_tensors().items()}
    tensors |= {f"average/{name}": t for name, t in average.items()}
    losses = checkpoint.losses
    tensors["losses"] = torch.stack(list(losses)).cpu() if losses else torch.empty(0)
    path = store.unfinished_path(key, checkpoint.step)
    facts = {"seconds": seconds, "results": [result.model_dump() for result in results]}
    store.write_tensors(path, tensors, facts)
    # Only now the older ones, so that one whole state is always there.
    for other in path.parent.glob("*.safetensors"):
        if other != path:
            remove(other)


def _state(step: int, tensors: TensorDict, facts: dict[str, Any]) -> State:
    losses = tensors.pop("losses")
    parts: dict[str, TensorDict] = {"model": {}, "optimizer": {}, "average": {}}
    for name, tensor in tensors.items():
        part, _, own_name = name.partition("/")
        parts[part][own_name] = tensor
    # Files of older versions hold no results.
    results = tuple(facts.get("results", ()))
    average = parts["average"] or None
    return State(step, parts["model"], parts["optimizer"], losses.unbind(), results, average)

"""Stages handed to the workers of a Ray cluster, and what these report."""

import pickle
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import torch

from conebench.runner.executors.ray_connection import RemoteParts
from conebench.runner.executors.resources import Resources
from conebench.runner.executors.schedule import AnyStage, Schedule
from conebench.runner.prepared import Run
from conebench.runner.stages.context import RunOptions
from conebench.runner.stages.device import device_name
from conebench.runner.stages.progress import Message

SECONDS_TO_END = 10.0


@dataclass
class SpecRun:
    """One spec on the cluster: its checked run, its workers' options, its seeds' locks."""

    index: int
    run: Run
    resources: Resources
    options: RunOptions
    locks: ExitStack
    schedule: Schedule


@dataclass
class Attempt:
    """One try at a stage; `work` is the progress that its worker reported."""

    spec_run: SpecRun
    stage: AnyStage
    number: int
    work: float = 0.0


@dataclass
class Attempts:
    """All stages that workers are computing, by Ray's reference."""

    ray: Any
    parts: RemoteParts
    _running: dict[Any, Attempt] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def submit(self, spec_run: SpecRun, stages: Sequence[AnyStage]) -> None:
        """Hand out stages of a spec."""
        spec, needed, options = spec_run.run.context.spec, spec_run.resources, spec_run.options
        device, threads = device_name(options.device), torch.get_num_threads()
        for stage in stages:
            number = next(self._numbers)
            work = pickle.dumps((spec, options, threads, device, stage))
            reference = self.parts.compute.options(
                name=f"{spec.name}: {stage.label}",
                num_cpus=needed.cpus,
                num_gpus=needed.gpus,
                memory=needed.memory,
                # The driver tries again itself, a few times and not in silence.
                max_retries=0,
            ).remote(self.parts.own, self.parts.mailbox, number, work)
            self._running[reference] = Attempt(spec_run, stage, number)

    def of(self, spec_run: SpecRun) -> list[Attempt]:
        """List the attempts of a spec that are running."""
        return [attempt for attempt in self._running.values() if attempt.spec_run is spec_run]

    def ended(self, timeout: float) -> Iterator[tuple[Any, Attempt]]:
        """Wait for attempts to end. Yield each with its reference."""
        ended: list[Any] = []
        if self._running:
            ended, _ = self.ray.wait(list(self._running), timeout=timeout)
        self._show_progress()
        for reference in ended:
            # Stopped in the meantime if its spec has failed.
            if reference in self._running:
                yield reference, self._running.pop(reference)

    def _show_progress(self) -> None:
        """Pass on what workers reported. A mailbox lost with its node starts again."""
        messages: list[tuple[int, Message]] = []
        with suppress(self.ray.exceptions.RayError):
            messages = self.ray.get(self.parts.mailbox.take.remote(), timeout=SECONDS_TO_END)
        attempts = {attempt.number: attempt for attempt in self._running.values()}
        for number, (method, args, kwargs) in messages:
            attempt = attempts.get(number)
            if attempt is None:
                continue
            if method == "advance":
                attempt.work += args[0]
            getattr(attempt.spec_run.run.context.progress, method)(*args, **kwargs)

    def stop(self, attempts: Iterable[Attempt] | None = None) -> None:
        """End attempts, by default all, and their processes."""
        ended = self._running.values() if attempts is None else attempts
        numbers = {attempt.number for attempt in ended}
        references = [r for r, attempt in self._running.items() if attempt.number in numbers]
        for reference in references:
            self.ray.cancel(reference, force=True)
            del self._running[reference]
        if references:
            self.ray.wait(references, num_returns=len(references), timeout=SECONDS_TO_END)

"""Stages on a Ray cluster: the tasks of several specs in flight together, on any of its nodes.

The driver, this process, holds the locks of all seeds, hands out tasks and writes the records; it
computes no stage. Results go through run directories on a file system that all nodes share.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from conebench.data.datasets import Data, load_data
from conebench.errors import ConebenchError, RunError, StageFailedError, UnmetNeedError
from conebench.networks.timm_models import first_line
from conebench.record import Record
from conebench.runner.executors.ray_connection import (
    RemoteParts,
    check_fits,
    check_nodes,
    connected,
    node_problem,
    token_file,
)
from conebench.runner.executors.ray_worker import wait_to_see
from conebench.runner.executors.resources import Needs, needs_of
from conebench.runner.executors.schedule import Schedule, Task
from conebench.runner.prepared import Run, prepared, threads_shared_by
from conebench.runner.stages.context import RunOptions
from conebench.runner.stages.device import device_name
from conebench.runner.stages.progress import Message, Progress
from conebench.runner.stages.results import NotFinishedError, Stages
from conebench.spec import Spec

# A task whose worker died is tried again so often. Not Ray's own retries: these are silent, and
# without end where memory runs out.
RETRIES = 3
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_END = 10.0

Outcome = tuple[Record, Path] | ConebenchError


def run_on_ray(
    specs: Sequence[Spec],
    options: RunOptions,
    progress_of: Callable[[str], Progress],
    address: str | None,
) -> Iterator[tuple[int, Outcome]]:
    """Run specs on the cluster at this address; without one, on this machine as a cluster.

    Yields the index of each spec when it is through, with its record and path or with why it has
    none. Raises an UnmetNeedError where the cluster cannot be reached or used.
    """
    with (
        threads_shared_by(options.jobs),
        token_file(options.run_dir) as token,
        connected(address) as ray,
        ExitStack() as stack,
    ):
        driver = _Driver(ray, token)
        check_nodes(ray, driver.parts)
        stack.callback(driver.stop)
        data: dict[str, Data] = {}
        # In one order, or two drivers could wait for each other's seeds.
        for index in sorted(range(len(specs)), key=lambda i: specs[i].name):
            try:
                driver.begin(index, specs[index], options, progress_of(specs[index].name), data)
            except ConebenchError as error:
                yield index, error
            yield from driver.look(0.0)
        while driver.flights:
            yield from driver.look(SECONDS_BETWEEN_LOOKS)


@dataclass
class _Flight:
    """One spec on its way: the options of its workers, and the seeds' locks."""

    index: int
    run: Run
    needs: Needs
    options: RunOptions
    locks: ExitStack
    schedule: Schedule
    aloft: int = 0

    @property
    def progress(self) -> Progress:
        """Where its progress is shown."""
        return self.run.context.progress

    @property
    def stored(self) -> Stages:
        """Its stages as far as they are stored."""
        return Stages(self.run.context, compute_missing=False)


@dataclass
class _Try:
    """One task handed out; how far its worker said it is."""

    flight: _Flight
    task: Task
    label: str
    work: float = 0.0


@dataclass
class _Driver:
    """Hands out the tasks of all specs and takes in how they ended."""

    ray: Any
    token: Path
    parts: RemoteParts = field(init=False)
    flights: dict[int, _Flight] = field(default_factory=dict)
    _tries: dict[int, _Try] = field(default_factory=dict)
    _numbers: dict[Any, int] = field(default_factory=dict)
    _deaths: dict[tuple[int, Task], int] = field(default_factory=dict)
    _next: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.parts = RemoteParts(self.ray, str(self.token))

    def begin(
        self, index: int, spec: Spec, options: RunOptions, progress: Progress, data: dict[str, Data]
    ) -> None:
        """Check a spec, lock its seeds and hand out its first tasks.

        `data` are those that earlier specs read: a hundred specs may be of the same images.
        """
        key = spec.dataset.model_dump_json()
        if key not in data:
            data[key] = load_data(spec.dataset, options.data_root, options.device)
        with ExitStack() as locks:
            run = locks.enter_context(prepared(spec, options, progress, data[key]))
            needs = needs_of(run.context, run.facts.kernel_plan.peak_bytes)
            check_fits(self.ray, needs)
            elsewhere = replace(
                options,
                run_dir=options.run_dir.resolve(),
                data_root=options.data_root.resolve(),
                kernel_memory=run.context.kernel_memory,
            )
            kept = locks.pop_all()
        flight = _Flight(index, run, needs, elsewhere, kept, Schedule(run.seeds))
        self.flights[index] = flight
        if not run.is_finished():
            self._hand_out(flight, flight.schedule.first())

    def _hand_out(self, flight: _Flight, tasks: Sequence[Task]) -> None:
        for task in tasks:
            number, needs, spec = next(self._next), flight.needs, flight.run.context.spec
            device = device_name(flight.options.device)
            reference = self.parts.perform.options(
                name=f"{spec.name}: {task.label}",
                num_cpus=needs.cpus,
                num_gpus=needs.gpus,
                memory=needs.memory,
                max_retries=0,
            ).remote(
                self.parts.own,
                self.parts.mailbox,
                number,
                pickle.dumps((spec, flight.options, torch.get_num_threads(), device, task)),
            )
            self._numbers[reference] = number
            self._tries[number] = _Try(flight, task, task.label)
            flight.aloft += 1

    def look(self, timeout: float) -> Iterator[tuple[int, Outcome]]:
        """Take in what came within so many seconds; yields the specs that are through."""
        ended: list[Any] = []
        if self._numbers:
            ended, _ = self.ray.wait(list(self._numbers), timeout=timeout)
        self._pass_on()
        for reference in ended:
            # Gone where its spec has failed meanwhile.
            if reference in self._numbers:
                tried = self._tries.pop(self._numbers.pop(reference))
                tried.flight.aloft -= 1
                try:
                    self._take_in(reference, tried)
                except ConebenchError as error:
                    yield self._land(tried.flight, error)
        for flight in [flight for flight in self.flights.values() if not flight.aloft]:
            yield self._land(flight)

    def _take_in(self, reference: Any, tried: _Try) -> None:
        """How a task ended; raises what ends the whole spec."""
        flight, exceptions = tried.flight, self.ray.exceptions
        try:
            facts, following, error = self.ray.get(reference)
        except exceptions.RayTaskError as raised:
            raise RunError(f"{tried.label}: {first_line(raised.cause or raised)}") from None
        except exceptions.RayError as died:
            self._try_again(tried, first_line(died))
            return
        problem = node_problem(facts, self.parts.own)
        if problem is not None:
            raise UnmetNeedError(problem)
        if error is not None and not isinstance(error, StageFailedError):
            raise error
        if error is None:
            outputs = [stage for _, stage in tried.task.outputs(flight.stored)]
            wait_to_see(flight.run.context.store, outputs)
        self._hand_out(flight, flight.schedule.after(tried.task, following))

    def _try_again(self, tried: _Try, why: str) -> None:
        flight, task = tried.flight, tried.task
        deaths = self._deaths[flight.index, task] = self._deaths.get((flight.index, task), 0) + 1
        if tried.work:
            # The next try tells of it again.
            flight.progress.advance(-tried.work)
        if deaths <= RETRIES:
            note = f"its worker died, try {deaths + 1} of {RETRIES + 1}: {why}"
            flight.progress.stage(tried.label, note=note)
            self._hand_out(flight, [task])
            return
        store = flight.run.context.store
        with suppress(StageFailedError, NotFinishedError):
            label, stage = next(
                (label, stage)
                for label, stage in task.outputs(flight.stored)
                if not store.has_result(stage)
            )
            store.save_failure(stage, f"{label}: its worker died {deaths} times: {why}")
        self._hand_out(flight, flight.schedule.after(task))

    def _land(self, flight: _Flight, error: ConebenchError | None = None) -> tuple[int, Outcome]:
        """The outcome of a spec: of its record, or an error that stops what is left of it."""
        self._stop(number for number, found in self._tries.items() if found.flight is flight)
        del self.flights[flight.index]
        with flight.locks:
            try:
                return flight.index, error or flight.run.finish(compute_missing=False)
            except ConebenchError as found:
                return flight.index, found
            except NotFinishedError:
                folder = flight.run.context.store.folder
                return flight.index, RunError(f"{folder}: lost a result; the same command goes on")

    def _pass_on(self) -> None:
        """Show what workers told; a mailbox that died with its node begins anew."""
        messages: list[tuple[int, Message]] = []
        with suppress(self.ray.exceptions.RayError):
            messages = self.ray.get(self.parts.mailbox.take.remote(), timeout=SECONDS_TO_END)
        for number, (method, args, kwargs) in messages:
            found = self._tries.get(number)
            if found is None:
                continue
            if method == "stage":
                found.label, found.work = args[0], 0.0
            else:
                found.work += args[0]
            getattr(found.flight.progress, method)(*args, **kwargs)

    def _stop(self, numbers: Iterable[int]) -> None:
        """End tasks, and the processes that are at work on them."""
        numbers = set(numbers)
        references = [found for found, number in self._numbers.items() if number in numbers]
        for reference in references:
            self.ray.cancel(reference, force=True)
            del self._tries[self._numbers.pop(reference)]
        if references:
            self.ray.wait(references, num_returns=len(references), timeout=SECONDS_TO_END)

    def stop(self) -> None:
        """End all tasks; the locks are given back when no worker writes any more."""
        self._stop(self._tries)
        for flight in self.flights.values():
            flight.locks.close()

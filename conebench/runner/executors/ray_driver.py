"""Runs of several specs on a Ray cluster.

The driver is this process. It holds the locks of all seeds, hands out stages to any node and writes
the records; it computes no stage. Results go through run folders on a file system that all nodes
share.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conebench.data.datasets import Data, load_data
from conebench.errors import ConebenchError, RunError, StageFailedError
from conebench.record import Record
from conebench.runner.executors.ray_attempts import Attempt, Attempts, SpecRun
from conebench.runner.executors.ray_connection import (
    RemoteParts,
    check_fits,
    check_node,
    check_nodes,
    connected,
    token_file,
)
from conebench.runner.executors.ray_worker import wait_for
from conebench.runner.executors.resources import resources_of
from conebench.runner.executors.schedule import AnyStage, Schedule
from conebench.runner.prepared import prepared, threads_shared_by
from conebench.runner.stages.context import RunOptions
from conebench.runner.stages.progress import Progress
from conebench.runner.stages.results import NotFinishedError
from conebench.spec import Spec
from conebench.text import first_line

# How often a stage whose worker died is tried again. Ray's own retries are silent, and never end if
# memory runs out.
RETRIES = 3
SECONDS_BETWEEN_LOOKS = 0.2

Outcome = tuple[Record, Path] | ConebenchError


def run_on_ray(
    specs: Sequence[Spec],
    options: RunOptions,
    progress_of: Callable[[str], Progress],
    address: str | None,
) -> Iterator[tuple[int, Outcome]]:
    """Run specs on the cluster at this address. Without one, on this machine as a cluster.

    Yields the index of each spec that has ended, with its record and path, or with its error.
    Raises an UnmetNeedError if the cluster cannot be reached or used.
    """
    with (
        threads_shared_by(options.jobs),
        token_file(options.run_dir) as token,
        connected(address) as ray,
        ExitStack() as stack,
    ):
        parts = RemoteParts(ray, str(token))
        check_nodes(ray, parts)
        driver = _Driver(ray, Attempts(ray, parts))
        stack.callback(driver.stop)
        # In one order, or two drivers could wait for each other's seeds.
        for index in sorted(range(len(specs)), key=lambda i: specs[i].name):
            try:
                driver.begin(index, specs[index], options, progress_of(specs[index].name))
            except ConebenchError as error:
                yield index, error
            yield from driver.poll(0.0)
        while driver.runs:
            yield from driver.poll(SECONDS_BETWEEN_LOOKS)


@dataclass
class _Driver:
    """Hands out the stages of all specs, and ends each spec."""

    ray: Any
    attempts: Attempts
    runs: dict[int, SpecRun] = field(default_factory=dict)
    _deaths: Counter[tuple[int, AnyStage]] = field(default_factory=Counter)
    # A hundred specs may be of the same images.
    _data: dict[str, Data] = field(default_factory=dict)

    def begin(self, index: int, spec: Spec, options: RunOptions, progress: Progress) -> None:
        """Check a spec, lock its seeds and hand out its first stages."""
        dataset = spec.dataset.model_dump_json()
        if dataset not in self._data:
            self._data[dataset] = load_data(spec.dataset, options.data_root, options.device)
        with ExitStack() as locks:
            run = locks.enter_context(prepared(spec, options, progress, self._data[dataset]))
            resources = resources_of(run.context, run.network.kernel_plan.peak_bytes)
            check_fits(self.ray, resources)
            elsewhere = replace(
                options,
                run_dir=options.run_dir.resolve(),
                data_root=options.data_root.resolve(),
                kernel_memory=run.context.kernel_memory,
            )
            schedule = Schedule(run.context)
            first = [stage for seed in run.seeds for stage in schedule.ready(seed)]
            kept = locks.pop_all()
        spec_run = SpecRun(index, run, resources, elsewhere, kept, schedule)
        self.runs[index] = spec_run
        self.attempts.submit(spec_run, first)

    def poll(self, timeout: float) -> Iterator[tuple[int, Outcome]]:
        """Wait for stages to end. Yield the specs that have ended."""
        for reference, attempt in self.attempts.ended(timeout):
            try:
                self._take(reference, attempt)
            except ConebenchError as error:
                yield self._finish(attempt.spec_run, error)
        for spec_run in list(self.runs.values()):
            if not self.attempts.of(spec_run):
                yield self._finish(spec_run)

    def _take(self, reference: Any, attempt: Attempt) -> None:
        """Take the end of an attempt, and hand out what may begin. Raise what ends the spec."""
        exceptions, spec_run, stage = self.ray.exceptions, attempt.spec_run, attempt.stage
        try:
            node, error = self.ray.get(reference)
        except exceptions.RayTaskError as raised:
            raise RunError(f"{stage.label}: {first_line(raised.cause or raised)}") from None
        except exceptions.RayError as died:
            self._retry(attempt, first_line(died))
            return
        check_node(node, self.attempts.parts.own)
        if error is not None and not isinstance(error, StageFailedError):
            raise error
        wait_for(spec_run.run.context, [stage])
        self.attempts.submit(spec_run, spec_run.schedule.after(stage))

    def _retry(self, attempt: Attempt, why: str) -> None:
        """Hand out a stage whose worker died. Fail it after RETRIES."""
        spec_run, stage = attempt.spec_run, attempt.stage
        context = spec_run.run.context
        self._deaths[spec_run.index, stage] += 1
        deaths = self._deaths[spec_run.index, stage]
        if attempt.work:
            # The next worker reports it again.
            context.progress.advance(-attempt.work)
        if deaths <= RETRIES:
            note = f"its worker died, try {deaths + 1} of {RETRIES + 1}: {why}"
            context.progress.stage(stage.label, note=note)
            self.attempts.submit(spec_run, [stage])
            return
        key = stage.key(context)
        # It may have died after the stage ended.
        if not context.store.has_result(key):
            reason = f"{stage.label}: its worker died {deaths} times: {why}"
            context.store.save_failure(key, reason)
        self.attempts.submit(spec_run, spec_run.schedule.after(stage))

    def _finish(
        self, spec_run: SpecRun, error: ConebenchError | None = None
    ) -> tuple[int, Outcome]:
        """End a spec with its record, or with the error that stopped it."""
        self.attempts.stop(self.attempts.of(spec_run))
        del self.runs[spec_run.index]
        with spec_run.locks:
            try:
                return spec_run.index, error or spec_run.run.finish(compute_missing=False)
            except ConebenchError as found:
                return spec_run.index, found
            except NotFinishedError:
                folder = spec_run.run.context.store.folder
                lost = f"{folder}: a result was lost; run the same command to continue"
                return spec_run.index, RunError(lost)

    def stop(self) -> None:
        """End all attempts, then release the locks: no worker writes any more."""
        self.attempts.stop()
        for spec_run in self.runs.values():
            spec_run.locks.close()

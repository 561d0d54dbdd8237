"""The end of ordinary training: which test images it gets right."""

import math
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from conebench.errors import RunError
from conebench.record import pack_bits
from conebench.runner.stages.base import stored_result
from conebench.runner.stages.context import Context
from conebench.runner.stages.training import LaterStage
from conebench.runner.stages.work import Sizes, Work
from conebench.spec import Spec
from conebench.storage.store import StageKey
from conebench.training.loop import evaluate

# Bump when the stage's output changes; stored results of older versions are then ignored.
FULL_END_VERSION = 1


class FullEnd(BaseModel):
    """Result of testing the last network; all None if training diverged."""

    model_config = ConfigDict(frozen=True)

    test_accuracy: float | None = None
    test_loss: float | None = None
    correct: str | None = None


@dataclass(frozen=True)
class FullEndStage(LaterStage[FullEnd]):
    """Ordinary training's last network on all test images."""

    result_type = FullEnd
    kind = "full"
    name = "full on all test images"

    def key(self, context: Context) -> StageKey:
        inputs = self.training.key(context).inputs
        return StageKey(
            f"{self.kind}-seed{self.seed}", {**inputs, "full_end_version": FULL_END_VERSION}
        )

    def steps(self, spec: Spec) -> tuple[int, int]:
        return spec.total_steps, spec.total_steps

    def work(self, sizes: Sizes) -> Work:
        return Work(tested_images=sizes.test_images)

    def compute(self, context: Context) -> FullEnd:
        """Test the last network."""
        stored = stored_result(context, self.training)
        if stored is None:
            raise RunError(f"{self.label}: no result of {self.training.label}")
        if stored[0].status == "diverged":
            return FullEnd()
        data, step = context.data, context.spec.total_steps
        network = self.training.network_at(context, step)
        found = evaluate(network, data, data.test, context.spec.training.loss)
        if not math.isfinite(found.loss):
            raise RunError(f"{self.label}: the test loss is not finite")
        context.advance(self.work(context.sizes))
        return FullEnd(
            test_accuracy=found.accuracy,
            test_loss=found.loss,
            correct=pack_bits(found.correct.numpy()),
        )

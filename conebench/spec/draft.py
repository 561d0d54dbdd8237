"""Write the text of a new spec, with comments that guide its author."""

import json
import math
from collections.abc import Mapping
from typing import Any

from conebench.spec.checks import MIN_UNIFORM_INTERVALS
from conebench.spec.datasets import DATASETS
from conebench.spec.schema import Kernel
from conebench.spec.yaml_text import yaml_text

SCHEMA_FILE = "spec.schema.json"
# Fields of the dataset that only its user knows.
NEEDED = {"imagefolder": ("folder", "image_size"), "hf": ("repo", "revision", "image_size")}
OUTPUTS = "  outputs: full  # with more than 10 classes: trace\n"
INTERVALS = 50
WINDOW: float = Kernel.model_fields["window"].default

DRAFT = """\
# yaml-language-server: $schema={schema_file}
# Say here what this spec asks, where its settings come from, and which of them are your choice.
# To change a few fields of another spec, write `extends: that.yaml` and only those fields.
name: {name}
title: {title}

model:
  name: {model}
  # kwargs: {{}}  # keyword arguments of timm's create_model, such as img_size

{dataset}  # augmentation: {{flip: true, crop_padding: 4}}

training:
  steps: {steps}
  batch_size: {batch_size}
  optimizer: {{name: sgd, learning_rate: {learning_rate}, momentum: 0.9, weight_decay: 1e-4}}
  # schedule: {{name: multistep, milestones: [0.5, 0.75]}}  # the cone is read before the first drop

linearization:
  point: init
  # learning_rate: [0.1, 0.01]  # the best one is kept; needs dataset.validation_size

switching:
  steps: {switches}  # {w} is w, the start of the late window; all are checkpoints
  add_t_star: false

kernel:
  samples: {samples}  # probe images; memory and time grow with samples x classes
{outputs}  # window: {window}  # share of the constant-learning-rate stretch before the late window
  checkpoints: {{every: {every}, extra: {extra}}}

seeds: [0, 1, 2, 3, 4]  # a rank needs five
"""


def draft_spec(
    name: str,
    title: str,
    model: str,
    dataset: str,
    steps: int,
    batch_size: int,
    learning_rate: float,
    fields: Mapping[str, Any] | None = None,
) -> str:
    """Return the YAML of a spec. Its checkpoints follow from the number of steps.

    `fields` are further ones of the dataset, with those in `NEEDED`.

    Raises a ValueError if `checkpoint_interval` finds no interval for `steps`.
    """
    every = checkpoint_interval(steps)
    quoted = [json.dumps(text, ensure_ascii=False) for text in (name, title, model)]
    # As `window_start` does, which allows for the same rounding.
    w = every * math.ceil(steps * WINDOW / every - 1e-6)
    switches = {w, *(every * max(1, round(steps * part / every)) for part in (0.05, 0.5))}
    return DRAFT.format(
        schema_file=SCHEMA_FILE,
        name=quoted[0],
        title=quoted[1],
        model=quoted[2],
        dataset=yaml_text({"dataset": {"name": dataset, **(fields or {})}}),
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        switches=sorted(switches),
        w=w,
        window=WINDOW,
        samples=max(50, 2 * (DATASETS[dataset].classes or 0)),
        outputs=OUTPUTS if dataset in NEEDED else "",
        every=every,
        extra=[step for step in (5, 10, 20) if step < every],
    )


def checkpoint_interval(steps: int) -> int:
    """Return the divisor of `steps` that gives closest to 50 intervals, from 8 to 100.

    Raises a ValueError if there is none.
    """
    counts = [n for n in range(MIN_UNIFORM_INTERVALS, 2 * INTERVALS + 1) if steps % n == 0]
    if not counts:
        raise ValueError(
            f"got {steps}, expected a multiple of some number from {MIN_UNIFORM_INTERVALS} to "
            f"{2 * INTERVALS}"
        )
    return steps // min(counts, key=lambda n: abs(n - INTERVALS))

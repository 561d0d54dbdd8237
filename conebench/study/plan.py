"""Cells, contrasts and hypotheses of the first study, as docs/study.md registers them.

The one table that maps records to cells, by the names of their specs.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from conebench.study.responses import (
    ALIGNMENT,
    ALPHA,
    BY_KEY,
    CONE,
    DRIFT_FROM_1,
    LAZY_GAP,
    MOTION,
    PRIMARY,
    TURN,
    Response,
)

# The commit that added docs/study.md and specs/study-*.yaml, and the last change before a run.
REGISTERED = "3b30b0147ae932b7f2aa4cea1822dee382f8f790"
CENTER = "study-center"

# Block A: factor, then its two levels by their part of the name.
A_FACTORS: dict[str, tuple[str, str]] = {
    "normalization": ("bn", "none"),
    "learning rate": ("lr0.01", "lr0.04"),
    "batch size": ("b16", "b128"),
    "width": ("w4", "w16"),
}
# Block C; the number of training images is the product of the others.
C_FACTORS: dict[str, tuple[str, str]] = {
    "normalization": ("bn", "gn"),
    "learning rate": ("lr0.02", "lr0.1"),
    "batch size": ("b32", "b128"),
    "augmentation": ("plain", "aug"),
    "training images": ("n2000", "n20000"),
}


def _signs(count: int) -> list[tuple[int, ...]]:
    return list(itertools.product((-1, 1), repeat=count))


def _factorial(
    prefix: str, factors: Mapping[str, tuple[str, str]], rows: Iterable[tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Return the signs of each cell of a factorial."""
    return {
        "-".join(
            [prefix, *(pair[sign > 0] for pair, sign in zip(factors.values(), row, strict=True))]
        ): row
        for row in rows
    }


A_DESIGN = _factorial("study-a", A_FACTORS, _signs(4))
C_DESIGN = _factorial(
    "study-c", C_FACTORS, [(*row, row[0] * row[1] * row[2] * row[3]) for row in _signs(4)]
)


def _b(*names: str) -> tuple[str, ...]:
    return tuple(name if name == CENTER else f"study-b-{name}" for name in names)


def _d(*names: str) -> tuple[str, ...]:
    return tuple(f"study-d-{name}" for name in names)


def _e(*names: str) -> tuple[str, ...]:
    return tuple(name if name == CENTER else f"study-e-{name}" for name in names)


RATES = _b("lr-0.0025", "lr-0.005", "lr-0.01", CENTER, "lr-0.05", "lr-0.1", "lr-0.2")
BATCHES = _b("batch-16", "batch-32", CENTER, "batch-128", "batch-256")
EQUAL_RATIO = _b("lr-0.005-batch-16", CENTER, "lr-0.08-batch-256")
EQUAL_IMAGES = _b("batch-16-steps-4000", "batch-256-steps-250")
WIDTHS = _b("width-4", CENTER, "width-16", "width-32")
DEPTHS = _b(CENTER, "depth-20", "depth-32")
NORMS = _b("group-norm", "no-norm")
SCALES = _b("output-scale-0.3", CENTER, "output-scale-3", "output-scale-10")
DECAYS = _b("weight-decay-0", CENTER, "weight-decay-1e-3", "weight-decay-5e-3")
DECAYS_PLAIN = _b("no-norm-weight-decay-0", "no-norm-weight-decay-5e-3")
SIZES = _b("train-size-180", "train-size-500", CENTER)
OTHERS_B = _b(
    *("no-skips", "momentum-0", "momentum-0-lr-0.2", "adam", "adamw", "mse"),
    *("label-smoothing-0.1", "crops-1", "random-labels"),
)
RATES_D = _d("lr-0.01", "center", "lr-0.15")
C2_CELL = "resnet20-c2-jpeg"

BLOCKS: dict[str, tuple[str, ...]] = {
    "center": (CENTER,),
    "A": tuple(A_DESIGN),
    "B": tuple(
        dict.fromkeys(
            name
            for group in (
                *(RATES, BATCHES, EQUAL_IMAGES, EQUAL_RATIO, WIDTHS, DEPTHS, NORMS),
                *(SCALES, DECAYS, DECAYS_PLAIN, SIZES, OTHERS_B),
            )
            for name in group
            if name != CENTER
        )
    ),
    "C": tuple(C_DESIGN),
    "D": (
        *RATES_D,
        *_d("group-norm", "no-norm-lr-0.01", "batch-256", "width-8", "steps-3000"),
        C2_CELL,
    ),
    "E": _e(
        *("mlp-32", "mlp-128", "mlp-512", "mlp-128-depth-4", "mlp-128-adamw"),
        *("vit-sgd", "vit-adamw", "vit-adamw-lr-3e-4"),
        *("resnet8-adamw", "convnext-adamw", "mixer-adamw"),
    ),
    "F": tuple(
        f"study-f-{name}"
        for name in (
            *("probe-seed-1", "probe-seed-2", "probe-seed-3"),
            *("samples-25", "samples-100", "samples-200", "batchnorm-recalibrated"),
            *("every-10", "every-40", "float64", "steps-500", "steps-2000"),
        )
    ),
}
# Block R, exploratory: cells with BatchNorm, and those that repeat them at recalibrated statistics.
RECALIBRATED = {
    name: name.replace("study-", "study-r-")
    for name in (
        *(CENTER, *(name for name, signs in A_DESIGN.items() if signs[0] < 0)),
        *(*EQUAL_RATIO, *DEPTHS, *SCALES, DECAYS[0], DECAYS[3], *SIZES),
        *(*_b("mse", "crops-1", "random-labels"), "study-e-resnet8-adamw"),
    )
}
BLOCK_OF = {name: block for block, names in BLOCKS.items() for name in names}
BLOCK_OF |= dict.fromkeys(RECALIBRATED.values(), "R")
# Cells that differ from the center in the probe set alone.
PROBE_CELLS = (CENTER, "study-f-probe-seed-1", "study-f-probe-seed-2", "study-f-probe-seed-3")
# Blocks whose cells the claim is tested in; F measures the center again.
CLAIM_BLOCKS = ("center", "A", "B", "C", "D", "E")


@dataclass(frozen=True)
class Contrast:
    """Cells to compare within a seed, in one block."""

    block: str
    kind: Literal["pairs", "sides", "slope", "interaction"]
    # Pairs: first minus second, one by one. Sides: high and low. Slope: the cells in order.
    # Interaction: the first pair's difference minus the second's.
    first: tuple[str, ...]
    second: tuple[str, ...] = ()
    # True if the cells have probe images of their own, one set on each side, or in each cell.
    own_probe_sets: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All cells, each once."""
        return tuple(dict.fromkeys((*self.first, *self.second)))


def _pair(block: str, first: str, second: str, **more: bool) -> Contrast:
    return Contrast(block, "pairs", (first,), (second,), **more)


def _main_effect_A(factor: str) -> Contrast:
    """Return the pairs of block A for a factor."""
    at = list(A_FACTORS).index(factor)
    names = {signs: name for name, signs in A_DESIGN.items()}
    high = [signs for signs in names if signs[at] > 0]
    low = [(*signs[:at], -1, *signs[at + 1 :]) for signs in high]
    return Contrast("A", "pairs", tuple(names[s] for s in high), tuple(names[s] for s in low))


def _main_effect_C(factor: str) -> Contrast:
    """Return both sides of block C."""
    at = list(C_FACTORS).index(factor)
    high, low = (
        tuple(name for name, signs in C_DESIGN.items() if signs[at] == sign) for sign in (1, -1)
    )
    return Contrast("C", "sides", high, low, own_probe_sets=factor == "training images")


@dataclass(frozen=True)
class Hypothesis:
    """A row of the table of hypotheses."""

    row: str
    factor: str
    # The contrast in words, as the subject of a sentence, and as a label.
    subject: str
    label: str
    test: Contrast
    # Sign predicted, by response: 1 up, -1 down, 0 no effect.
    predicted: Mapping[str, int]
    source: str
    replications: tuple[Contrast, ...] = ()
    per_doubling: bool = False
    not_tested: frozenset[str] = field(default=frozenset())

    @property
    def unit(self) -> str:
        """The unit of its effects."""
        return " per doubling" if self.per_doubling else ""

    @property
    def responses(self) -> tuple[Response, ...]:
        """Responses of its row. They are the primary ones, and what it predicts."""
        also = [BY_KEY[key] for key in self.predicted if not BY_KEY[key].primary]
        return tuple(r for r in (*PRIMARY, *also) if r.key not in self.not_tested)


TURN_AND_GAP_DOWN = {TURN.key: -1, LAZY_GAP.key: -1}
OF_ACCURACY = frozenset(
    {*("benefit_early", "benefit", "loss_benefit_early", "loss_benefit"), LAZY_GAP.key}
)
ADAMW_PAIRS = Contrast(
    "E",
    "pairs",
    _e("mlp-128-adamw", "vit-adamw", "resnet8-adamw"),
    _e("mlp-128", "vit-sgd", CENTER),
)

HYPOTHESES = (
    Hypothesis(
        "H1a",
        "normalization",
        "no normalization instead of BatchNorm",
        "no normalization",
        _main_effect_A("normalization"),
        {ALPHA.key: 1},
        "pilot: 0.70 against 0.30",
        (
            _pair("B", NORMS[1], CENTER),
            _pair("D", "study-d-no-norm-lr-0.01", "study-d-lr-0.01"),
        ),
    ),
    Hypothesis(
        "H1b",
        "normalization",
        "GroupNorm instead of BatchNorm",
        "GroupNorm",
        _pair("B", NORMS[0], CENTER),
        {ALPHA.key: 1},
        "pilot: 0.74 against 0.30",
        (_main_effect_C("normalization"), _pair("D", "study-d-group-norm", "study-d-center")),
    ),
    Hypothesis(
        "H2",
        "learning rate",
        "a larger learning rate",
        "learning rate",
        _main_effect_A("learning rate"),
        {ALIGNMENT.key: 1},
        "arXiv 2507.12837",
        (
            Contrast("B", "slope", RATES),
            _main_effect_C("learning rate"),
            Contrast("D", "slope", RATES_D),
        ),
        per_doubling=True,
    ),
    Hypothesis(
        "H3a",
        "batch size",
        "a larger batch",
        "batch size",
        _main_effect_A("batch size"),
        {MOTION.key: -1, CONE.key: -1},
        "noise of SGD; pilot: 5.9, 3.0, 2.3 deg at 16, 64, 256",
        (
            Contrast("B", "slope", BATCHES),
            _main_effect_C("batch size"),
            _pair("D", "study-d-batch-256", "study-d-center"),
        ),
        per_doubling=True,
    ),
    Hypothesis(
        "H3b",
        "batch size",
        "a larger batch at equal learning rate / batch",
        "batch, equal lr / batch",
        Contrast("B", "slope", EQUAL_RATIO),
        {MOTION.key: 0, CONE.key: 0},
        "arXiv 1711.04623; the pilot is against it (5.4 and 3.2 deg)",
        per_doubling=True,
    ),
    Hypothesis(
        "H4a",
        "output scale",
        "a larger output scale",
        "output scale",
        Contrast("B", "slope", SCALES),
        TURN_AND_GAP_DOWN,
        "arXiv 1812.07956",
        per_doubling=True,
    ),
    Hypothesis(
        "H4b",
        "width",
        "a wider network",
        "width",
        _main_effect_A("width"),
        TURN_AND_GAP_DOWN,
        "arXiv 2507.05035",
        (Contrast("B", "slope", WIDTHS), _pair("D", "study-d-center", "study-d-width-8")),
        per_doubling=True,
    ),
    Hypothesis(
        "H5a",
        "training images",
        "more training images",
        "training images",
        Contrast("B", "slope", SIZES, own_probe_sets=True),
        {MOTION.key: 1, LAZY_GAP.key: 1},
        "arXiv 2409.17858",
        (_main_effect_C("training images"),),
        per_doubling=True,
    ),
    Hypothesis(
        "H5b",
        "labels",
        "random labels instead of true ones",
        "random labels",
        _pair("B", "study-b-random-labels", CENTER, own_probe_sets=True),
        {MOTION.key: 1},
        "arXiv 2409.17858",
        not_tested=OF_ACCURACY,
    ),
    Hypothesis(
        "H6a",
        "weight decay",
        "weight decay 5e-3 instead of 0, with BatchNorm",
        "weight decay, BatchNorm",
        _pair("B", DECAYS[3], DECAYS[0]),
        {MOTION.key: 1},
        "effective learning rate, arXiv 1706.05350",
    ),
    Hypothesis(
        "H6b",
        "weight decay",
        "weight decay 5e-3 instead of 0, without normalization",
        "weight decay, no norm.",
        _pair("B", DECAYS_PLAIN[1], DECAYS_PLAIN[0]),
        {MOTION.key: 0},
        "effective learning rate, arXiv 1706.05350",
    ),
    Hypothesis(
        "H7",
        "augmentation",
        "augmentation",
        "augmentation",
        _pair("B", "study-b-crops-1", CENTER),
        {MOTION.key: 1, DRIFT_FROM_1.key: -1},
        "none published; our guess",
        (_main_effect_C("augmentation"),),
    ),
    Hypothesis(
        "H8",
        "depth",
        "a deeper network",
        "depth",
        Contrast("B", "slope", DEPTHS),
        {TURN.key: 1},
        "none published; our guess",
        per_doubling=True,
    ),
    Hypothesis(
        "H9",
        "loss",
        "MSE instead of cross-entropy",
        "MSE",
        _pair("B", "study-b-mse", CENTER),
        {LAZY_GAP.key: -1},
        "none published; our guess",
    ),
    Hypothesis(
        "H10a",
        "architecture",
        "ViT instead of ResNet-8, both with AdamW",
        "ViT, not ResNet-8",
        _pair("E", "study-e-vit-adamw", "study-e-resnet8-adamw"),
        {ALPHA.key: 1},
        "C1: a counterexample is shown, not named",
    ),
    Hypothesis(
        "H10b",
        "optimizer",
        "AdamW instead of SGD, mean over MLP, ViT and ResNet-8",
        "AdamW, not SGD",
        ADAMW_PAIRS,
        {},
        "none: is it the architecture or the optimizer?",
    ),
)

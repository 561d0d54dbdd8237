"""Exploratory tests: questions asked after the runs, adjusted as a family of their own."""

from conebench.study.effects import Cells
from conebench.study.findings import Finding, find_family
from conebench.study.plan import CENTER, EQUAL_IMAGES, Contrast, Hypothesis

SOURCE = "asked after the runs"
VIT, MLP, RESNET = (
    ("study-e-vit-adamw", "study-e-vit-sgd"),
    ("study-e-mlp-128-adamw", "study-e-mlp-128"),
    ("study-e-resnet8-adamw", CENTER),
)


def _interaction(first: tuple[str, str], second: tuple[str, str]) -> Contrast:
    """Return how much more AdamW, instead of SGD, does in the first network."""
    return Contrast("E", "interaction", (first[0], second[0]), (first[1], second[1]))


EXPLORATORY = (
    Hypothesis(
        "X1",
        "batch size",
        "a larger batch at an equal number of images",
        "batch, equal images",
        Contrast("B", "slope", (EQUAL_IMAGES[0], CENTER, EQUAL_IMAGES[1])),
        {},
        SOURCE,
        per_doubling=True,
    ),
    Hypothesis(
        "X2a",
        "optimizer",
        "AdamW instead of SGD, in ViT more than in ResNet-8",
        "AdamW, ViT - ResNet-8",
        _interaction(VIT, RESNET),
        {},
        SOURCE,
    ),
    Hypothesis(
        "X2b",
        "optimizer",
        "AdamW instead of SGD, in MLP more than in ResNet-8",
        "AdamW, MLP - ResNet-8",
        _interaction(MLP, RESNET),
        {},
        SOURCE,
    ),
)


def exploratory_findings(cells: Cells) -> tuple[Finding, ...]:
    """Test what was asked after the runs."""
    return find_family(EXPLORATORY, cells)

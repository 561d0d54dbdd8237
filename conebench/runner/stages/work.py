"""Work of stages: what they do, counted, and what it costs."""

from dataclasses import dataclass
from typing import Literal

from conebench.spec import Spec

Step = Literal["ordinary", "linear", "probe"]

# Forward passes that cost as much as one training step. Counted by torch's FlopCounterMode:
# ResNet-20 2.99, 4.99, 1.00; ViT-Tiny 3.00, 5.28, 1.00. A linear step is the network's own pass,
# two more for the tangents, and two back through these; its anchors need no gradient. A probe
# trains the last layer alone. Measured times agree: docs/performance.md has 1.5 to 1.8 ordinary
# steps for a linear one.
PASSES: dict[Step, int] = {"ordinary": 3, "linear": 5, "probe": 1}
# A rough figure for one output of a kernel: a pass back, and about two more to contract the
# gradients. The kernel's plan has the exact one, but only once the network is known.
KERNEL_PASSES = 3


@dataclass(frozen=True)
class Sizes:
    """Numbers that the work of a spec depends on."""

    spec: Spec
    classes: int
    test_images: int

    @property
    def kernel_passes(self) -> float:
        """Cost of one kernel and those of its groups, in passes of one image."""
        kernel = self.spec.kernel
        directions = self.classes
        if kernel.outputs == "sum":
            directions = 1 + (self.classes if kernel.by else 0)
        return float(KERNEL_PASSES * kernel.samples * directions)


@dataclass(frozen=True)
class Work:
    """Training steps of one kind, kernels and test images of a stage, or of a part of it."""

    step: Step = "ordinary"
    steps: int = 0
    kernels: int = 0
    tested_images: int = 0

    def passes(self, sizes: Sizes) -> float:
        """Cost in passes of one image through the network."""
        trained = PASSES[self.step] * sizes.spec.training.batch_size * self.steps
        return trained + self.kernels * sizes.kernel_passes + self.tested_images

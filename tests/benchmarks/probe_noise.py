"""Cost and noise of kernels over probe sets: `python tests/benchmarks/probe_noise.py [SEED]`.

Trains specs/digits.yaml's network, then measures its kernels with six probe sets of several sizes
and reductions. Prints seconds per kernel, and turn, cone angle and alpha of the trace view with
their standard deviation over the probe sets. Takes about ten minutes of one thread.
"""

import copy
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from conebench.analysis.distance import FloatArray
from conebench.analysis.window import measure_window
from conebench.data.datasets import Data, load_data
from conebench.entk import as_matrix, empirical_ntk, unit_gram
from conebench.linearize import with_recalibrated_batchnorm
from conebench.networks.timm_models import make_model
from conebench.seeding import counter_seed
from conebench.spec import load_spec
from conebench.training.loop import Recipe, train

SPEC = load_spec(Path(__file__).parents[2] / "specs" / "digits.yaml")
PROBES = 6
KERNELS = ((50, "full"), (50, "trace"), (100, "trace"), (200, "trace"))


def trained(data: Data, seed: int) -> dict[int, nn.Module]:
    """Train the spec's network; return its checkpoints by step."""
    init = counter_seed(seed, "init")
    model, optimizer = SPEC.model, SPEC.training.optimizer
    network = make_model(
        model.name, model.kwargs, pretrained=False, classes=10, channels=1, seed=init
    )
    recipe = Recipe(
        seed=seed,
        batch_size=SPEC.training.batch_size,
        optimizer=optimizer,
        learning_rate=lambda _: optimizer.learning_rate,
        weight_decay=optimizer.weight_decay,
        loss=SPEC.training.loss,
        augment=True,
    )
    checkpoints = train(network, data, recipe, start=0, checkpoints=SPEC.checkpoint_steps)
    return {point.step: copy.deepcopy(point.model).eval() for point in checkpoints}


def gram(kernels: list[Tensor]) -> FloatArray:
    """Return the Gram matrix of unit kernels [n, n]."""
    norms = [float(kernel.double().norm()) for kernel in kernels]
    size = len(kernels[0])
    return unit_gram(len(kernels), size, lambda i, a, b: kernels[i][a:b], norms).numpy()


def trace_view(kernel: Tensor, samples: int) -> Tensor:
    """Return the trace view [n, n] of a full or trace kernel."""
    if len(kernel) == samples:
        return kernel
    blocks = kernel.view(samples, 10, samples, 10)  # [n, c, n, c]
    return torch.einsum("icjc->ij", blocks).contiguous() / 10


def measure(networks: dict[int, nn.Module], x: Tensor, outputs: str) -> list[float]:
    """Return turn, cone angle, alpha and seconds per kernel."""
    steps, start = np.array(list(networks)), time.process_time()
    kernels = [as_matrix(empirical_ntk(n, x, outputs=outputs)) for n in networks.values()]
    seconds = (time.process_time() - start) / len(kernels)
    G = gram([trace_view(kernel, len(x)) for kernel in kernels])
    every, last = SPEC.kernel.checkpoints.every, SPEC.total_steps
    found = measure_window(G, steps, every, (0, last), np.full(last, 1.0))
    return [found.turn_deg or np.nan, found.cone_deg or np.nan, found.alpha or np.nan, seconds]


def main(seed: int) -> None:
    """Print one line per BatchNorm mode, size and reduction."""
    torch.set_num_threads(1)
    data = load_data(SPEC.dataset, Path(), torch.device("cpu"))
    networks = trained(data, seed)
    pixels = data.balanced_subset(SPEC.kernel.calibration_samples, 0, "calibration").pixels
    batches = [data.normalize(part) for part in pixels.tensor_split(2)]
    recalibrated = {s: with_recalibrated_batchnorm(n, batches) for s, n in networks.items()}
    for mode, chosen in (("eval", networks), ("recalibrated", recalibrated)):
        for samples, outputs in KERNELS:
            rows = []
            for probe in range(PROBES):
                images = data.balanced_subset(samples, probe, "probe")
                rows.append(measure(chosen, data.normalize(images.pixels), outputs))
            mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
            angles = ", ".join(f"{m:.2f} ± {s:.2f}" for m, s in zip(mean, spread, strict=True))
            print(f"{mode}, {outputs}, n = {samples}: turn, cone, alpha, s: {angles}")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

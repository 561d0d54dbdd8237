"""conebench.runner.stages.work: costs as counted, and work as done."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tiny_runs import TINY, RecordingProgress, run, tiny_spec
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from conebench.linearize import LinearizedModel
from conebench.networks.timm_models import classifier_parameters, make_model
from conebench.runner.stages.work import PASSES, Sizes, Work


def flops(model: nn.Module, x: torch.Tensor, *, step: bool = True) -> int:
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(step):
        logits = model(x)
        if step:
            torch.autograd.backward(F.cross_entropy(logits, torch.arange(len(x))))
    return counter.get_total_flops()


def test_a_step_costs_as_many_passes_as_torch_counts() -> None:
    make = {"pretrained": False, "classes": 10, "channels": 3, "seed": 0}
    network, x = make_model("cifar_resnet20", {}, **make).eval(), torch.randn(4, 3, 32, 32)
    forward = flops(network, x, step=False)
    linear = LinearizedModel(network)
    # It looks for foldable BatchNorms at the first pass.
    linear(x)
    counted = {"ordinary": flops(network, x), "linear": flops(linear, x)}
    head = classifier_parameters(network)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in head)
    counted["probe"] = flops(network, x)
    for kind, passes in PASSES.items():
        assert counted[kind] / forward == pytest.approx(passes, rel=0.01)


def test_work_is_counted_in_passes_of_one_image() -> None:
    sizes = Sizes(tiny_spec(), classes=10, test_images=50)
    assert sizes.kernel_passes == 3 * 10 * 10
    assert Work("linear", steps=2, kernels=1, tested_images=7).passes(sizes) == 2 * 5 * 20 + 307
    summed = {**TINY["kernel"], "outputs": "sum"}
    by = {**summed, "by": "stage"}
    for kernel, directions in ((summed, 1), (by, 11)):
        assert Sizes(tiny_spec(kernel=kernel), 10, 50).kernel_passes == 3 * 10 * directions


@pytest.mark.parametrize(
    ("stage", "moves"),
    [("ordinary training", 6), ("kernels", 3), ("control(4)", 3), ("perturbed copy(4)", 7)],
)
def test_a_resumed_run_does_all_the_work_it_plans(tmp_path: Path, stage: str, moves: int) -> None:
    spec = tiny_spec(
        chaos={"pairs": [[4, 16], [4, 8]], "points": 3},
        dataset={**TINY["dataset"], "validation_size": 40},
        linearization={"learning_rate": [0.05, 1e-6]},
        switching={"steps": [4], "add_t_star": False},
        seeds=[0],
    )
    with pytest.raises(KeyboardInterrupt):
        run(spec, tmp_path, RecordingProgress(f"seed 0: {stage}", moves), save_every=0)
    progress = RecordingProgress()
    run(spec, tmp_path, progress)
    assert progress.done == pytest.approx(progress.planned)
    assert progress.notes[f"seed 0: {stage}"].startswith("resumed at step ")

"""conebench.runner.stages.copies on a tiny spec: perturbed copies against the test's own loop."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_runs import TINY, RecordingProgress, content, run, tiny_spec
from torch import Tensor, nn

from conebench.entk import empirical_ntk
from conebench.linearize import with_recalibrated_batchnorm
from conebench.networks.timm_models import make_model
from conebench.record import ChaosResult, Record, recompute
from conebench.runner import RunOptions, SilentProgress
from conebench.runner.estimate import estimate
from conebench.runner.stages.context import Context, open_context
from conebench.runner.stages.copies import CopyStage
from conebench.runner.stages.training import TrainStage
from conebench.seeding import counter_generator, counter_seed
from conebench.spec import Spec
from conebench.spec.arms import plan_copies
from conebench.storage.store import read_tensors

PAIRS = [[4, 16], [0, 16], [4, 8]]
SIGMA = 0.05
Finished = tuple[Record, Path, RecordingProgress]


def chaos_spec(pairs: list[list[int]] = PAIRS, **changes: Any) -> Spec:
    """One seed without arms but `lazy`, whose pairs share training up to step 4."""
    chaos = {"pairs": pairs, "sigma": SIGMA, "points": 5, **changes.pop("chaos", {})}
    fixed = {
        "seeds": [0],
        "switching": {"steps": [], "add_t_star": False},
        "kernel": {**TINY["kernel"], "batchnorm": "recalibrated"},
    }
    return tiny_spec(**{**fixed, "chaos": chaos, **changes})


def context_of(spec: Spec, folder: Path) -> Context:
    options = RunOptions(folder / "data", folder / "runs", torch.device("cpu"))
    return open_context(spec, options, SilentProgress())


def results(record: Record) -> list[ChaosResult]:
    found = record.seeds[0].chaos
    assert found is not None
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("chaos")
    progress = RecordingProgress()
    return run(chaos_spec(), folder, progress), folder, progress


def test_every_pair_has_its_figures_in_the_order_of_the_spec(finished: Finished) -> None:
    record, _, progress = finished
    assert [[pair.t0, pair.t1] for pair in results(record)] == PAIRS
    assert all(pair.status == "finished" for pair in results(record))
    assert recompute(record) == record
    # Both t1 of step 4 are stops of one copy's training.
    names = [name for name, _ in progress.stages]
    assert names[-3:-1] == ["seed 0: perturbed copy(0)", "seed 0: perturbed copy(4)"]
    assert progress.done == pytest.approx(progress.planned)


def trained_by_hand(context: Context, t0: int | None, t1: int) -> nn.Module:
    """Theta at t1 by a loop of this test; perturbed at t0 if there is one."""
    spec = context.spec
    make = {"pretrained": False, "classes": 10, "channels": 1, "seed": counter_seed(0, "init")}
    network = make_model(spec.model.name, spec.model.kwargs, **make)
    spread = {
        name: p.detach().std(correction=0) for name, p in network.named_parameters() if p.ndim > 1
    }
    buffers: dict[str, Tensor] = {}
    for step in range(t1):
        if step == t0:
            draws = counter_generator(0, "chaos", t0)
            for name, p in network.named_parameters():
                if name in spread:
                    p.data += SIGMA * spread[name] * torch.randn(p.shape, generator=draws)
        x, y = context.data.batch(0, step, 20)
        network.zero_grad()
        F.cross_entropy(network(x), y).backward()
        for name, p in network.named_parameters():
            gradient = p.grad + 1e-3 * p.data
            buffers[name] = 0.9 * buffers.get(name, torch.zeros_like(p)) + gradient
            p.data -= 0.05 * buffers[name]
    return network


def flat(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().double().flatten() for p in network.parameters()])


@pytest.mark.parametrize("t0", [0, 4])
def test_a_loop_of_its_own_finds_the_same_copy(finished: Finished, t0: int) -> None:
    context = context_of(finished[0].spec, finished[1])
    copy = next(copy for copy in plan_copies(context.spec, 16) if copy.t0 == t0)
    stage = CopyStage(0, copy)
    for checkpoint in stage.train(context, stage.first_state(context), []):
        if checkpoint.step in copy.ends:
            for name, p in trained_by_hand(context, t0, checkpoint.step).named_parameters():
                found = checkpoint.model.get_parameter(name)
                torch.testing.assert_close(found, p, rtol=1e-4, atol=1e-6)
    assert checkpoint.step == 16


def kernel_by_hand(network: nn.Module, x: Tensor) -> Tensor:
    rows = []
    for f in network(x).flatten():
        gradients = torch.autograd.grad(f, list(network.parameters()), retain_graph=True)
        rows.append(torch.cat([g.double().flatten() for g in gradients]))
    J = torch.stack(rows)
    return J @ J.T


@pytest.mark.parametrize("pair", [0, 1, 2])
def test_the_figures_are_those_of_the_two_networks(finished: Finished, pair: int) -> None:
    context, found = context_of(finished[0].spec, finished[1]), results(finished[0])[pair]
    assert found.losses is not None
    one, other = (trained_by_hand(context, t0, found.t1) for t0 in (None, found.t0))
    cosine = torch.cosine_similarity(flat(one), flat(other), dim=0)
    assert found.parameter_dissimilarity == pytest.approx(1 - float(cosine), rel=1e-3)
    x = context.data.normalize(context.data.test.pixels)
    predicted, losses = [], []
    middle = trained_by_hand(context, None, 0)
    for a in (0.0, 0.25, 0.5, 0.75, 1.0):
        for p, p0, p1 in zip(*(n.parameters() for n in (middle, one, other)), strict=True):
            p.data = (1 - a) * p0.data + a * p1.data
        with torch.no_grad():
            logits = with_recalibrated_batchnorm(middle, context.calibration_batches)(x)
        losses.append(float(F.cross_entropy(logits, context.data.test.labels)))
        predicted.append(logits.argmax(1))
    assert found.losses == pytest.approx(losses, rel=1e-4)
    assert found.disagreement == float((predicted[0] != predicted[-1]).double().mean())
    excess = [losses[k] - (losses[0] * (4 - k) + losses[4] * k) / 4 for k in range(5)]
    assert found.barrier == pytest.approx(max(0.0, *excess), abs=1e-5)
    probe = context.data.normalize(context.probe.pixels)
    H, H_other = (
        kernel_by_hand(with_recalibrated_batchnorm(network, context.calibration_batches), probe)
        for network in (one, other)
    )
    cosine = (H * H_other).sum() / (H.norm() * H_other.norm())
    assert pytest.approx(1 - float(cosine), rel=1e-3) == found.S


@pytest.fixture
def started(finished: Finished, tmp_path: Path) -> Path:
    """A copy of the finished run's folder."""
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_tiny_perturbation_changes_nothing_to_speak_of(started: Path) -> None:
    progress = RecordingProgress()
    for pair in results(run(chaos_spec(chaos={"sigma": 1e-7}), started, progress)):
        assert pair.disagreement == 0
        assert max(pair.barrier or 0, pair.S or 0, pair.parameter_dissimilarity or 0) < 1e-5
    new = [name for name, cached in progress.stages if not cached]
    assert new == ["seed 0: perturbed copy(0)", "seed 0: perturbed copy(4)"]


def test_ordinary_training_is_what_an_unperturbed_copy_would_give(started: Path) -> None:
    # So small that no float32 weight changes: bit for bit the same, with nothing in between.
    pair = results(run(chaos_spec([[4, 8]], chaos={"sigma": 1e-30}), started))[0]
    assert (pair.S, pair.parameter_dissimilarity, pair.disagreement) == (0, 0, 0)
    assert len(set(pair.losses or ())) == 1


def test_an_interrupted_copy_is_resumed_with_the_comparisons_it_made(
    finished: Finished, started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in started.glob("runs/tiny/stages/chaos-*"):
        path.unlink()
    # Steps 4 to 7, the comparison at 8, then steps 8 and 9.
    stop = RecordingProgress(stop_at="seed 0: perturbed copy(4)", moves=7)
    with pytest.raises(KeyboardInterrupt):
        run(chaos_spec(), started, stop, save_every=0)
    kernels = []
    monkeypatch.setattr(
        "conebench.runner.stages.copies.empirical_ntk",
        lambda *args, **kwargs: kernels.append(1) or empirical_ntk(*args, **kwargs),
    )
    progress = RecordingProgress()
    assert content(run(chaos_spec(), started, progress)) == content(finished[0])
    new = {name: progress.notes[name] for name, cached in progress.stages if not cached}
    assert new == {"seed 0: perturbed copy(4)": "resumed at step 9"}
    # Those of both networks at the last end alone.
    assert len(kernels) == 2
    assert progress.done == pytest.approx(progress.planned)


def test_a_comparison_is_kept_however_seldom_training_is(started: Path) -> None:
    for path in started.glob("runs/tiny/stages/chaos-seed0-from4*"):
        path.unlink()
    stop = RecordingProgress(stop_at="seed 0: perturbed copy(4)", moves=5)
    with pytest.raises(KeyboardInterrupt):
        run(chaos_spec(), started, stop)
    progress = RecordingProgress()
    run(chaos_spec(), started, progress)
    assert progress.notes["seed 0: perturbed copy(4)"] == "resumed at step 8"


def test_a_lost_optimizer_state_is_made_again(finished: Finished, started: Path) -> None:
    record = finished[0]
    context = context_of(record.spec, started)
    kept = context.store.checkpoint_path(TrainStage(0).key(context), 4, "optimizer")
    states = sorted(path.name for path in kept.parent.glob("*.optimizer.safetensors"))
    assert states == ["00000004.optimizer.safetensors"]
    before = read_tensors(kept)
    kept.unlink()
    assert content(run(record.spec, started)) == content(record)
    again = read_tensors(kept)
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], before[name]) for name in before)


KEEPS = {
    "no probe": ({"chaos": None}, False),
    "from the start alone": ({"chaos": {"pairs": [[0, 16]]}}, False),
    "from later steps": ({"chaos": {"pairs": [[4, 16], [0, 8], [2, 4]]}}, [2, 4]),
    "carried on by arms": (
        {"chaos": {"pairs": [[4, 16]]}, "linearization": {"optimizer_state": "carry"}},
        True,
    ),
}


@pytest.mark.parametrize(("changes", "keeps"), KEEPS.values(), ids=KEEPS)
def test_training_is_another_stage_only_where_it_keeps_more(
    tmp_path: Path, changes: dict[str, Any], keeps: object
) -> None:
    inputs = TrainStage(0).key(context_of(tiny_spec(**changes), tmp_path)).inputs
    assert inputs["keeps_optimizer"] is keeps or inputs["keeps_optimizer"] == keeps
    assert "chaos" not in inputs


def test_a_diverging_copy_is_an_outcome(started: Path) -> None:
    spec = chaos_spec([[4, 16], [4, 8]], chaos={"sigma": 1e30})
    for pair in results(run(spec, started)):
        assert pair.status == "diverged"
        assert pair.diverged_at in range(4, 9)
        assert pair.losses is pair.barrier is pair.S is None


def test_where_ordinary_training_diverged_there_is_nothing_to_compare(tmp_path: Path) -> None:
    training = {**TINY["training"], "optimizer": {"name": "sgd", "learning_rate": 1e25}}
    record = run(chaos_spec([[0, 16]], training=training), tmp_path)
    assert results(record) == []


def test_a_plan_counts_copies_and_their_kernels() -> None:
    plain, probed = (
        estimate(spec, 10, (1, 8, 8), torch.device("cpu"), 2**30)
        for spec in (chaos_spec(), chaos_spec([[0, 16]]))
    )
    assert (plain.copies, probed.copies) == (2, 1)
    assert plain.kernels - probed.kernels == 2 * 2
    # 16 + 16 + 12 steps against 16 + 16.
    assert plain.flops["training"] / probed.flops["training"] == pytest.approx(44 / 32)

"""conebench.runner.stages.kernels end to end: each group has its own trajectory."""

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import jacobian_by_rows
from tiny_runs import TINY, RecordingProgress, content, run, tiny_spec

from conebench.data.datasets import load_data
from conebench.networks.scaled_output import ScaledOutput
from conebench.networks.timm_models import make_model
from conebench.record import Record, recompute
from conebench.runner import RunOptions
from conebench.runner.estimate import estimate
from conebench.runner.stages.context import open_context
from conebench.runner.stages.kernels import KernelStage, group_sizes
from conebench.spec import Spec
from conebench.storage.store import read_tensors

Finished = tuple[Record, Path]
VIT = {
    "name": "vit_tiny_patch16_224",
    "kwargs": {
        "img_size": 8,
        "patch_size": 4,
        "embed_dim": 8,
        "depth": 0,
        "num_heads": 2,
        "global_pool": "avg",  # without blocks, the class token then reaches no output
        "weight_init": "jax",  # a last layer of zeros: at step 0 no other has a gradient
    },
}


def staged_spec(**changes: object) -> Spec:
    kernel = {**TINY["kernel"], "by": "stage", "batchnorm": "eval", "dtype": "float64"}
    arms = {"add_t_star": False}
    return tiny_spec(**{"kernel": kernel, "switching": arms, "seeds": [0], **changes})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("staged")
    return run(staged_spec(), folder), folder


def network_of(record: Record) -> torch.nn.Module:
    return network_of_spec(record.spec)


def network_of_spec(spec: Spec) -> torch.nn.Module:
    model = spec.model
    return make_model(model.name, model.kwargs, pretrained=False, classes=10, channels=1, seed=0)


def test_each_G_is_that_of_the_gradients_of_its_group(finished: Finished) -> None:
    record, folder = finished
    data = load_data(record.spec.dataset, folder / "data", torch.device("cpu"))
    kernel = record.spec.kernel
    probe = data.balanced_subset(kernel.samples, kernel.probe_seed, "probe")
    x = data.normalize(probe.pixels).double()
    checkpoints = sorted(
        path
        for path in (folder / "runs/tiny/checkpoints").rglob("*.safetensors")
        if "optimizer" not in path.name
    )
    groups = record.seeds[0].kernel.groups
    assert groups is not None
    assert [group.name for group in groups] == [
        "conv1",
        "bn1",
        "layers.0",
        "layers.1",
        "layers.2",
        "fc",
    ]
    network = network_of(record)
    sizes = [group.parameters for group in groups]
    assert sum(sizes) == record.model.parameters
    kernels: dict[str, list[torch.Tensor]] = {group.name: [] for group in groups}
    for path in checkpoints:
        network.load_state_dict(read_tensors(path))
        J = jacobian_by_rows(network.double(), x).view(len(x), 10, -1)
        for group, own in zip(groups, J.split(sizes, dim=2), strict=True):
            kernels[group.name].append(torch.einsum("icp,jcp->ij", own, own) / 10)
    for group in groups:
        H = torch.stack(kernels[group.name]).flatten(1)
        norm = H.norm(dim=1)
        unit = H / norm[:, None]
        assert group.steps == record.seeds[0].kernel.steps
        np.testing.assert_allclose(group.G(), unit @ unit.T, rtol=0, atol=1e-9)
        np.testing.assert_allclose(group.norm, norm, rtol=1e-9)
        trace = [K.trace() for K in kernels[group.name]]
        np.testing.assert_allclose(group.trace, trace, rtol=1e-9)


def test_what_follows_of_each_group_is_recomputed(finished: Finished) -> None:
    record, _ = finished
    seed = record.seeds[0]
    assert recompute(record) == record
    bare = record.model_copy(update={"seeds": [seed.model_copy(update={"groups": None})]})
    assert recompute(bare) == record
    assert [group.name for group in seed.groups or []] == [
        group.name for group in seed.kernel.groups or []
    ]


def test_groups_are_trace_kernels_whatever_the_whole_is(finished: Finished) -> None:
    record, folder = finished
    kernel = record.spec.kernel.model_copy(update={"outputs": "sum"})
    progress = RecordingProgress()
    seed = run(record.spec.model_copy(update={"kernel": kernel}), folder, progress).seeds[0]
    assert [name for name, cached in progress.stages if not cached] == ["seed 0: kernels"]
    expected = record.seeds[0].kernel
    assert seed.kernel.gram != expected.gram
    for group, other in zip(seed.kernel.groups or [], expected.groups or [], strict=True):
        np.testing.assert_allclose(group.G(), other.G(), rtol=0, atol=1e-12)


def test_without_groups_the_stage_is_what_it_was(finished: Finished) -> None:
    record, folder = finished
    options = RunOptions(folder / "data", folder / "runs", torch.device("cpu"))

    def inputs_of(spec: Spec) -> dict[str, object]:
        return KernelStage(0).key(open_context(spec, options, RecordingProgress())).inputs

    kernel = record.spec.kernel.model_copy(update={"by": None})
    plain = inputs_of(record.spec.model_copy(update={"kernel": kernel}))
    assert "by" not in plain["kernel"]
    assert inputs_of(record.spec) == {**plain, "kernel": {**plain["kernel"], "by": "stage"}}


def test_interrupted_kernels_are_taken_up_to_the_same_bits(
    finished: Finished, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(staged_spec(), tmp_path, RecordingProgress(stop_at="seed 0: kernels"))
    assert len(list((tmp_path / "runs/tiny/kernels").rglob("*.safetensors"))) == 3
    assert content(run(staged_spec(), tmp_path)) == content(finished[0])


def test_a_trajectory_begins_where_the_kernel_is_not_zero(tmp_path: Path) -> None:
    seed = run(staged_spec(model=VIT), tmp_path).seeds[0]
    steps = seed.kernel.steps
    found = {group.name: group.steps for group in seed.kernel.groups or []}
    later = dict.fromkeys(("pos_embed", "patch_embed", "fc_norm"), steps[1:])
    assert found == {"cls_token": [], **later, "head": steps}
    assert [geometry.name for geometry in seed.groups or [] if geometry.phases is None] == [
        "cls_token"
    ]


def test_an_output_scale_does_not_rename_the_groups(finished: Finished) -> None:
    network = network_of(finished[0])
    sizes = group_sizes(network)
    assert next(iter(sizes.items())) == ("conv1", 18)
    assert group_sizes(ScaledOutput(network, 10.0)) == sizes


def test_the_estimate_is_of_the_kernels_that_are_built(finished: Finished) -> None:
    record, _ = finished
    build = record.provenance.kernel_build
    assert build is not None

    def estimated(**changes: object):
        kernel = record.spec.kernel.model_copy(update=changes)
        spec = record.spec.model_copy(update={"kernel": kernel})
        return estimate(spec, 10, (1, 8, 8), torch.device("cpu"), build.memory_limit_bytes)

    found, plain = estimated(), estimated(by=None)
    assert found.kernel.peak_bytes == build.peak_bytes > plain.kernel.peak_bytes
    assert len(found.kernel.passes) == build.passes == 1
    per_checkpoint = 8 * 6 * 10**2
    assert found.kernel_disk_bytes - plain.kernel_disk_bytes == 10 * per_checkpoint
    entries = 10 * 11 // 2 * len(record.spec.seeds)
    assert found.record_bytes - plain.record_bytes == 14 * 6 * entries
    summed = estimated(outputs="sum")
    assert len(summed.kernel.passes) == 2
    assert sum(layer.entries for layer in summed.layers) == summed.parameters


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_views_are_those_of_kernels_built_on_their_own(tmp_path: Path, dtype: str) -> None:
    """Three Gram matrices from one kernel, against the network's own gradients."""
    kernel = {**TINY["kernel"], "batchnorm": "eval", "dtype": dtype}
    spec = tiny_spec(kernel=kernel, switching={"steps": [], "add_t_star": False}, seeds=[0])
    found = run(spec, tmp_path).seeds[0].kernel
    assert [view.name for view in found.views or ()] == ["trace", "sum"]
    data = load_data(spec.dataset, tmp_path / "data", torch.device("cpu"))
    probe = data.balanced_subset(spec.kernel.samples, spec.kernel.probe_seed, "probe")
    x = data.normalize(probe.pixels).double()
    network = network_of_spec(spec).double()
    kernels: dict[str, list[torch.Tensor]] = {"full": [], "trace": [], "sum": []}
    for path in sorted((tmp_path / "runs/tiny/checkpoints").rglob("*.safetensors")):
        network.load_state_dict(read_tensors(path))
        J = jacobian_by_rows(network, x).view(len(x), 10, -1)
        kernels["full"].append(J.flatten(0, 1) @ J.flatten(0, 1).T)
        kernels["trace"].append(torch.einsum("icp,jcp->ij", J, J) / 10)
        summed = J.sum(1) / 10**0.5
        kernels["sum"].append(summed @ summed.T)
    tolerance = 1e-9 if dtype == "float64" else 1e-6
    for name, view in found.by_view("full").items():
        H = torch.stack(kernels[name])  # [t, side, side]
        norm = H.flatten(1).norm(dim=1)
        unit = H.flatten(1) / norm[:, None]
        np.testing.assert_allclose(view.G(), unit @ unit.T, rtol=0, atol=tolerance)
        np.testing.assert_allclose(view.norm, norm, rtol=1e-4 if dtype == "float32" else 1e-9)
        trace = [K.trace() for K in H]
        np.testing.assert_allclose(view.trace, trace, rtol=1e-4 if dtype == "float32" else 1e-9)
        centred = (
            H - H.mean(1, keepdim=True) - H.mean(2, keepdim=True) + H.mean((1, 2))[:, None, None]
        )
        flat = centred.flatten(1) / centred.flatten(1).norm(dim=1)[:, None]
        np.testing.assert_allclose(view.G(centred=True), flat @ flat.T, rtol=0, atol=tolerance)


def test_the_window_is_no_part_of_the_kernels(finished: Finished) -> None:
    record, folder = finished
    kernel = record.spec.kernel.model_copy(update={"window": 0.2})
    progress = RecordingProgress()
    run(record.spec.model_copy(update={"kernel": kernel}), folder, progress)
    assert all(cached for _, cached in progress.stages)


def averaged_spec() -> Spec:
    kernel = {**TINY["kernel"], "batchnorm": "eval", "dtype": "float64", "averaged": True}
    return tiny_spec(kernel=kernel, switching={"steps": [], "add_t_star": False}, seeds=[0])


def test_averaged_weights_have_a_kernel_per_interval(tmp_path: Path) -> None:
    spec = averaged_spec()
    seed = run(spec, tmp_path).seeds[0]
    averaged = seed.kernel.averaged
    assert averaged is not None
    assert averaged.steps == list(range(2, 17, 2))
    assert (seed.windows or [])[-1].view == "averaged"
    # Every step of the same run is a checkpoint, so that the averages can be made from files.
    every = {**TINY["kernel"], "batchnorm": "eval", "checkpoints": {"every": 1}}
    steps = tiny_spec(name="steps", kernel=every, switching={"steps": []}, seeds=[0])
    run(steps, tmp_path)
    states = [
        read_tensors(path)
        for path in sorted((tmp_path / "runs/steps/checkpoints").rglob("*.safetensors"))
    ]
    data = load_data(spec.dataset, tmp_path / "data", torch.device("cpu"))
    probe = data.balanced_subset(spec.kernel.samples, spec.kernel.probe_seed, "probe")
    x, network = data.normalize(probe.pixels).double(), network_of_spec(spec)
    kernels = []
    for end in averaged.steps:
        both = states[end - 1 : end + 1]
        mean = {name: (both[0][name].double() + both[1][name]) / 2 for name in both[0]}
        network.float().load_state_dict({name: mean[name].to(both[1][name]) for name in mean})
        J = jacobian_by_rows(network.double(), x).view(len(x), 10, -1)
        kernels.append(torch.einsum("icp,jcp->ij", J, J) / 10)
    H = torch.stack(kernels).flatten(1)
    unit = H / H.norm(dim=1)[:, None]
    np.testing.assert_allclose(averaged.G(), unit @ unit.T, rtol=0, atol=1e-9)
    np.testing.assert_allclose(averaged.norm, H.norm(dim=1), rtol=1e-9)


def test_averages_survive_a_stop(tmp_path: Path) -> None:
    spec = averaged_spec()
    straight = run(spec, tmp_path / "straight")
    stopped = RecordingProgress(stop_at="seed 0: ordinary training", moves=7)
    with pytest.raises(KeyboardInterrupt):
        run(spec, tmp_path / "stopped", stopped, save_every=0.0)
    assert content(run(spec, tmp_path / "stopped", save_every=0.0)) == content(straight)


def test_running_statistics_move_the_kernel_where_the_weights_stand_still(tmp_path: Path) -> None:
    """A known weakness of `eval`: their jitter looks like a cone."""
    still = {"name": "sgd", "learning_rate": 1e-12}
    training = {**TINY["training"], "steps": 30, "optimizer": still}
    found = {}
    for mode in ("eval", "recalibrated"):
        kernel = {**TINY["kernel"], "batchnorm": mode}
        spec = tiny_spec(training=training, kernel=kernel, switching={"steps": []}, seeds=[0])
        found[mode] = run(spec, tmp_path / mode).seeds[0].window
    assert found["recalibrated"].undefined == "frozen"
    assert found["eval"].undefined is None
    assert found["eval"].floor > 1e-5

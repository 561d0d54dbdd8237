"""Replays of recorded passes against the passes themselves, to the last bit."""

import copy
import subprocess
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from networks import NETWORKS, make_network
from odd_networks import CASES, RIGHT
from torch import Tensor, nn

from conebench.entk import GraphMeter
from conebench.linearize import LinearizedModel
from conebench.linearize.model import MOST_RECORDINGS
from conebench.linearize.recording import record

# Prints the bytes that two steps take in a process of its own.
MEMORY = """
import sys, torch
from pathlib import Path
from conebench.linearize import LinearizedModel
from conebench.networks.timm_models import make_model

def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

def two_steps(images):
    network = make_model("cifar_resnet8", {}, pretrained=False, classes=10, channels=3, seed=0)
    linear = LinearizedModel(network).train()
    linear.replays = sys.argv[1] == "replayed"
    for _ in range(2):
        linear(torch.ones(images, 3, 32, 32)).square().sum().backward()

# Libraries set aside memory of their own at the first use.
two_steps(8)
before = peak()
two_steps(256)
print(peak() - before)
"""


def displaced(network: nn.Module, *, replays: bool) -> LinearizedModel:
    linear = LinearizedModel(network)
    linear.replays = replays
    generator = torch.Generator().manual_seed(1)
    for w in linear.displacement:
        w.data = 0.1 * torch.randn(w.shape, generator=generator, dtype=w.dtype)
    return linear


def step(linear: LinearizedModel, x: Tensor) -> list[Tensor | None]:
    """Logits, and the gradients of a loss."""
    linear.zero_grad()
    logits = linear(x)
    logits.square().sum().backward()
    return [logits.detach(), *(w.grad for w in linear.displacement)]


def are_equal(found: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> bool:
    return all(
        a is b if a is None or b is None else torch.equal(a, b)
        for a, b in zip(found, expected, strict=True)
    )


def is_recorded(linear: LinearizedModel) -> bool:
    return None not in linear._recordings.values() and len(linear._recordings) > 0


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, torch.float64) for name in NETWORKS), ("batchnorm_cnn", torch.float32)],
)
def test_a_replay_gives_the_same_bits(name: str, dtype: torch.dtype) -> None:
    network, x = make_network(name)
    network.to(dtype)
    plain, replayed = (displaced(network, replays=replays) for replays in (False, True))
    for batch in (x, 2 * x.flip(0), x[:2]):
        assert are_equal(step(replayed, batch.to(dtype)), step(plain, batch.to(dtype)))
    assert len(replayed._recordings) == 2
    # That network turns a value into a number.
    assert is_recorded(replayed) == (name != "cannot_be_mapped")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.linear == RIGHT])
def test_an_odd_network_is_replayed_right_or_run_as_before(name: str) -> None:
    case = CASES[name]
    plain, replayed = (displaced(case.network(), replays=replays) for replays in (False, True))
    for x in (case.x(), -3 * case.x(), case.x().flip(0)):
        for a, b in zip(step(replayed, x), step(plain, x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_training_ends_with_the_same_bits() -> None:
    network, x = make_network("batchnorm_cnn")
    ends = []
    for replays in (False, True):
        linear = displaced(network, replays=replays)
        optimizer = torch.optim.SGD(linear.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        for k in range(5):
            optimizer.zero_grad()
            linear((1 + k) * x).square().mean().backward()
            optimizer.step()
        ends.append([w.detach() for w in linear.displacement])
    assert are_equal(*ends)


def test_a_replay_keeps_no_more_than_the_pass() -> None:
    network, x = make_network("batchnorm_cnn")
    linear = displaced(network, replays=False)
    linear(x)
    own = {
        t.untyped_storage().data_ptr() for t in (*linear.parameters(), *linear.network.tensors())
    }
    meter = GraphMeter((*linear.parameters(), *linear.network.tensors()))
    with meter:
        logits = linear(x)
    w = list(linear.displacement)
    recording = record(linear._run, w, x)
    assert recording is not None
    _, *kept = recording.forward(x, w, recording.constants)
    own |= {t.untyped_storage().data_ptr() for t in (x, *recording.constants)}
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
    bytes_kept = sum(size for pointer, size in storages.items() if pointer not in own)
    assert 0 < bytes_kept <= meter.kept_bytes
    del logits


def branching(x: Tensor) -> Tensor:
    return x if float(x.detach().sum()) > 0 else 2 * x


def through_numpy(x: Tensor) -> Tensor:
    return 2 * x if np.abs(x.detach().numpy()).max() > 10 else x


def by_outliers(x: Tensor) -> Tensor:
    return 2 * x if len((x.detach().abs() > 10).nonzero()) else x


def by_masked_outliers(x: Tensor) -> Tensor:
    return 2 * x if x.detach()[x.detach().abs() > 10].numel() else x


def by_distinct(x: Tensor) -> Tensor:
    return x * torch.unique(x.detach()).numel()


@pytest.mark.parametrize(
    "function", [branching, through_numpy, by_outliers, by_masked_outliers, by_distinct]
)
def test_a_pass_that_depends_on_values_is_not_recorded(
    function: Callable[[Tensor], Tensor],
) -> None:
    w = [torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))]
    x = torch.ones(4, 3, dtype=torch.float64)
    assert record(lambda w, x: function(x) @ w[0], w, x) is None


def test_recording_takes_little_more_memory_than_a_step() -> None:
    def taken(how: str) -> int:
        command = [sys.executable, "-c", MEMORY, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout)

    # Two passes kept at the same time took 1.8 times the memory.
    assert taken("replayed") < 1.4 * taken("run as before")


def test_a_pass_that_changes_its_input_or_draws_is_not_recorded() -> None:
    w, x = [torch.ones(3, 2)], torch.ones(4, 3)
    assert record(lambda w, x: x.mul_(2) @ w[0], w, x.clone()) is None
    assert record(lambda w, x: (x + torch.rand_like(x)) @ w[0], w, x) is None
    constant = torch.ones(3)
    assert record(lambda w, x: (x * constant.add_(1)) @ w[0], w, x) is None


def test_an_unused_parameter_has_no_gradient() -> None:
    w, x = (
        [torch.ones(3, 2, requires_grad=True), torch.ones(2, requires_grad=True)],
        torch.ones(4, 3),
    )
    recording = record(lambda w, x: x @ w[0], w, x)
    assert recording is not None
    recording.replay(x, w).sum().backward()
    assert w[0].grad is not None
    assert w[1].grad is None


def test_a_replay_has_one_backward_pass() -> None:
    w, x = [torch.ones(3, 2, requires_grad=True)], torch.ones(4, 3)
    recording = record(lambda w, x: x @ w[0], w, x)
    assert recording is not None
    loss = recording.replay(x, w).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="one backward pass"):
        loss.backward()


def test_a_loss_may_give_gradients_in_any_layout() -> None:
    w, x = [torch.randn(3, 2, requires_grad=True)], torch.randn(4, 3)
    recording = record(lambda w, x: (x @ w[0]).view(4, 2), w, x)
    assert recording is not None
    found, expected = (
        torch.autograd.grad(output.T.square().sum(), w)[0]
        for output in (recording.replay(x, w), x @ w[0])
    )
    torch.testing.assert_close(found, expected)


def test_a_batch_that_is_changed_before_the_backward_pass_is_refused() -> None:
    w, x = [torch.randn(3, 2, requires_grad=True)], torch.randn(4, 3)
    recording = record(lambda w, x: x @ w[0], w, x)
    assert recording is not None
    loss = recording.replay(x, w).sum()
    x.zero_()
    with pytest.raises(RuntimeError, match="changed before the backward pass"):
        loss.backward()


def test_replays_follow_the_intercept_and_the_mode() -> None:
    network, x = make_network("mlp")
    linear = displaced(network, replays=True)
    whole = linear(x)
    linear.intercept = False
    torch.testing.assert_close(whole - network(x), linear(x), rtol=1e-9, atol=1e-11)
    assert len(linear._recordings) == 2
    linear.eval()
    linear(x[:1])
    assert len(linear._recordings) == 2


def test_only_so_many_shapes_are_recorded() -> None:
    linear = displaced(nn.Linear(3, 2), replays=True)
    for count in range(2, MOST_RECORDINGS + 5):
        linear(torch.ones(count, 3))
    assert len(linear._recordings) == MOST_RECORDINGS


def test_conversions_and_copies_replay_their_own_numbers() -> None:
    network, x = make_network("mlp")
    linear = displaced(network, replays=True)
    step(linear, x)
    copied = copy.deepcopy(linear)
    expected = step(linear.float(), x.float())
    assert are_equal(step(copied.float(), x.float()), expected)
    assert is_recorded(copied)


def test_inputs_that_need_gradients_are_not_replayed() -> None:
    network, x = make_network("mlp")
    linear = displaced(network, replays=True)
    asking = x.clone().requires_grad_()
    linear(asking).sum().backward()
    assert asking.grad is not None
    assert not linear._recordings

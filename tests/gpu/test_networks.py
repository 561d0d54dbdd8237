"""Kernels and linearizations on the device against float64 on the CPU."""

import pytest
import torch
from families import families, small_network, smallest
from reruns import rerun
from small_training import make_recipe
from torch import Tensor, nn

from conebench.data.datasets import Data, Images
from conebench.entk import empirical_ntk
from conebench.linearize import LinearizedModel
from conebench.networks.timm_models import make_model
from conebench.spec.datasets import Augmentation
from conebench.training.cuda_graphs import Recorder, record_cuda_graph
from conebench.training.loop import train

Made = tuple[nn.Module, Tensor]

# Networks of the benchmarks.
BENCHMARKS: dict[str, tuple[str, dict[str, object]]] = {
    "resnet8": ("cifar_resnet8", {"width": 4}),
    "resnet20": ("cifar_resnet20", {}),
    "vgg16_bn": ("cifar_vgg16_bn", {}),
    "resnet18": ("resnet18", {}),
    "vit_tiny_4": ("vit_tiny_patch16_224", {"img_size": 32, "patch_size": 4}),
    "convnext_atto_2": ("convnext_atto", {"patch_size": 2}),
    "efficientnet_lite0": ("efficientnet_lite0", {}),
}
# Modules of timm whose smallest models take seconds on a CPU.
FAMILIES = (
    *("mlp_mixer", "densenet", "repvit", "visformer", "regnet", "edgenext", "mobilevit", "res2net"),
    *("dla", "hrnet", "fasternet", "starnet", "shvit", "tiny_vit", "levit", "efficientformer"),
    *("cait", "swin_transformer", "resnetv2", "rexnet", "metaformer", "convmixer"),
)
# What a CPU runs in a few seconds.
SMALL = ("resnet8", "fasternet")
ERRORS = {torch.float64: 1e-9, torch.float32: 5e-3}


def made(name: str) -> Made:
    """A float64 network in evaluation mode on the CPU, and images."""
    generator = torch.Generator().manual_seed(1)
    if name in BENCHMARKS:
        model, kwargs = BENCHMARKS[name]
        network = make_model(model, kwargs, pretrained=False, classes=10, channels=3, seed=0)
        side = 32
        network = network.double().eval()
    else:
        network, side = small_network(smallest(families()[name])[0])
    return network, torch.randn(3, 3, side, side, generator=generator, dtype=torch.float64)


def relative_error(found: Tensor, exact: Tensor) -> float:
    return float((found.double().cpu() - exact).norm() / exact.norm())


def linear_step(network: nn.Module, x: Tensor, *, replays: bool = True) -> Tensor:
    """Logits and gradients of a linearized network at a w that is not 0, in one vector."""
    linear = LinearizedModel(network)
    linear.replays = replays
    for number, w in enumerate(linear.displacement):
        generator = torch.Generator().manual_seed(number)
        noise = torch.randn(w.shape, generator=generator, dtype=torch.float64)
        w.data = (0.01 * noise).to(w)
    logits = linear(x)
    labels = torch.arange(len(x), device=x.device) % logits.shape[1]
    nn.functional.cross_entropy(logits, labels).backward()
    gradients = [w.grad for w in linear.displacement if w.grad is not None]
    return torch.cat([t.detach().flatten() for t in (logits, *gradients)])


@pytest.mark.parametrize("name", [*BENCHMARKS, *FAMILIES])
def test_kernel_and_linear_step_are_those_of_float64_on_the_cpu(
    name: str, device: torch.device
) -> None:
    if device.type == "cpu" and name not in SMALL:
        pytest.skip("a GPU's part")
    network, x = made(name)
    K, step = empirical_ntk(network, x), linear_step(network, x, replays=False)
    for dtype, allowed in ERRORS.items():
        network.to(device, dtype)
        images = x.to(device, dtype)
        assert relative_error(empirical_ntk(network, images), K) < allowed
        assert relative_error(linear_step(network, images), step) < allowed


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_same_bits_twice(name: str, device: torch.device) -> None:
    if device.type == "cpu" and name not in SMALL:
        pytest.skip("a GPU's part")
    network, x = made(name)
    network.to(device, torch.float32)
    images = x.to(device, torch.float32)
    for compute in (empirical_ntk, linear_step):
        assert torch.equal(compute(network, images), compute(network, images))


def test_replays_have_the_bits_of_the_modules(device: torch.device) -> None:
    network, x = made("resnet8")
    network.to(device, torch.float32)
    images = x.to(device, torch.float32)
    replayed, plain = (linear_step(network, images, replays=replays) for replays in (True, False))
    assert torch.equal(replayed, plain)


@pytest.mark.parametrize("kind", ["ordinary", "linear"])
@pytest.mark.parametrize("name", BENCHMARKS)
def test_steps_recorded_as_cuda_graphs_have_the_same_bits(
    name: str, kind: str, device: torch.device
) -> None:
    if device.type == "cpu" and name not in SMALL:
        pytest.skip("a GPU's part")
    plain = trained(name, kind, device, None)
    recorder = record_cuda_graph if device.type == "cuda" else rerun
    for found, expected in zip(trained(name, kind, device, recorder), plain, strict=True):
        assert torch.equal(found, expected)


def trained(name: str, kind: str, device: torch.device, recorder: Recorder | None) -> list[Tensor]:
    """A network's state after three epochs, whose batches have two shapes."""
    network = made(name)[0].to(device, torch.float32)
    if kind == "linear":
        network = LinearizedModel(network)
        network.replays = True
    else:
        # Its random numbers must be the same too.
        network = nn.Sequential(network, nn.Dropout(0.2))
    pixels = torch.randint(0, 256, (10, 3, 32, 32), generator=torch.Generator().manual_seed(2))
    images = Images(pixels.to(device, torch.uint8), torch.arange(10, device=device))
    zero, one = (torch.full((3, 1, 1), value, device=device) for value in (0.0, 1.0))
    augmentation = Augmentation(flip=True, crop_padding=2)
    classes = tuple("abcdefghij")
    data = Data(images, None, images, classes, zero, one, augmentation, "0" * 64)
    recipe = make_recipe(batch_size=6, keep_last_batch=True)
    list(train(network.train(), data, recipe, start=0, checkpoints=[6], recorder=recorder))
    return list(network.state_dict().values())


def test_running_out_of_memory_halves_the_chunk(
    device: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    """By a limit that torch sets on a GPU, and by a network that refuses large batches on a CPU."""
    network, x = made("resnet8")
    network.to(device, torch.float32)
    images = x[:1].to(device, torch.float32).repeat(512 if device.type == "cuda" else 8, 1, 1, 1)
    expected = empirical_ntk(network, images, outputs="trace", memory_limit=2**26)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        free = 2**29 / torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(free)
        try:
            found = empirical_ntk(network, images, outputs="trace", memory_limit=2**40)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
    else:
        network.register_forward_pre_hook(_refuse_large)
        found = empirical_ntk(network, images, outputs="trace")
    assert relative_error(found, expected.double().cpu()) < 1e-4
    assert any("out of memory" in message for message in caplog.messages)


def _refuse_large(_: nn.Module, inputs: tuple[Tensor]) -> None:
    if len(inputs[0]) > 4:
        raise torch.OutOfMemoryError("full")


def test_families_are_timms() -> None:
    assert set(FAMILIES) <= families().keys()
    assert len(FAMILIES) >= 20

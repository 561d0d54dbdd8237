"""The same kernel by different tools: `kernel_tools.py VIEW TOOL CASE` prints its peak memory."""

import copy
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from conebench.entk import as_matrix, empirical_ntk
from conebench.networks.timm_models import make_model

CLASSES = 10
# View -> name -> (timm name, its arguments, samples).
CASES = {
    "full": {
        "resnet20-64": ("cifar_resnet20", {}, 64),
        "vgg16-16": ("cifar_vgg16_bn", {}, 16),
        "vit-tiny-16": ("vit_tiny_patch16_224", {"img_size": 32, "patch_size": 4}, 16),
        "vgg16-64": ("cifar_vgg16_bn", {}, 64),
    },
    "trace": {
        "resnet20-256": ("cifar_resnet20", {}, 256),
        "resnet20-1000": ("cifar_resnet20", {}, 1000),
        "vgg16-128": ("cifar_vgg16_bn", {}, 128),
        "vgg16-256": ("cifar_vgg16_bn", {}, 256),
        "vgg16-1000": ("cifar_vgg16_bn", {}, 1000),
    },
}


def make_case(view: str, name: str) -> tuple[nn.Module, Tensor]:
    """The network in evaluation mode, and its inputs."""
    model, arguments, samples = CASES[view][name]
    network = make_model(
        model, arguments, pretrained=False, classes=CLASSES, channels=3, seed=0
    ).eval()
    x = torch.randn(samples, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return network, x


def by_conebench(network: nn.Module, x: Tensor) -> Tensor:
    return as_matrix(empirical_ntk(network, x))


def by_torch_func_tutorial(network: nn.Module, x: Tensor) -> Tensor:
    """Jacobian contraction as torch's own NTK tutorial has it: both Jacobians computed."""
    return _contracted(_jacobians(network, x), _jacobians(network, x))


def by_one_jacobian(network: nn.Module, x: Tensor) -> Tensor:
    """The tutorial's method with its Jacobian computed once."""
    J = _jacobians(network, x)
    return _contracted(J, J)


def _jacobians(network: nn.Module, x: Tensor) -> list[Tensor]:
    parameters = {name: p.detach() for name, p in network.named_parameters()}

    def logits(own: dict[str, Tensor], sample: Tensor) -> Tensor:
        return functional_call(network, own, (sample[None],))[0]

    with sdpa_kernel(SDPBackend.MATH):
        found = vmap(jacrev(logits), (None, 0))(parameters, x)
    return [J.flatten(2) for J in found.values()]


def _contracted(left: list[Tensor], right: list[Tensor]) -> Tensor:
    pairs = zip(left, right, strict=True)
    kernel = sum(torch.einsum("nap,mbp->namb", a, b) for a, b in pairs)
    return as_matrix(kernel)


def by_nngeometry(network: nn.Module, x: Tensor) -> Tensor:
    from nngeometry.backend import TorchHooksJacobianBackend
    from torch.utils.data import DataLoader, TensorDataset

    backend = TorchHooksJacobianBackend(network, function=lambda *d: network(d[0]))
    loader = DataLoader(TensorDataset(x), batch_size=len(x))
    J = backend.get_jacobian(loader).transpose(0, 1).flatten(0, 1)  # [n c, p]
    return J @ J.T


def by_backpack(network: nn.Module, x: Tensor) -> Tensor:
    rows = [
        torch.cat([g.flatten(1) for g in gradients], dim=1)
        for gradients in _gradients_by_backpack(network, x)
    ]
    J = torch.stack(rows, dim=1).flatten(0, 1)
    return J @ J.T


def _gradients_by_backpack(network: nn.Module, x: Tensor) -> Iterator[list[Tensor]]:
    """Gradients [n, ...] of all parameters, one class at a time."""
    from backpack import backpack, extend
    from backpack.extensions import BatchGrad

    network = extend(copy.deepcopy(network))
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # BackPACK's hooks forbid the other
    logits = network(x)
    for c in range(CLASSES):
        with backpack(BatchGrad(), retain_graph=True):
            logits[:, c].sum().backward(retain_graph=True)
        yield [p.grad_batch for p in network.parameters()]


def trace_by_conebench(network: nn.Module, x: Tensor) -> Tensor:
    return empirical_ntk(network, x, outputs="trace")


def trace_by_torch_func(network: nn.Module, x: Tensor) -> Tensor:
    parameters = {name: p.detach() for name, p in network.named_parameters()}

    def logit(own: dict[str, Tensor], sample: Tensor, c: int) -> Tensor:
        return functional_call(network, own, (sample[None],))[0, c]

    return _trace(
        vmap(grad(logit), (None, 0, None))(parameters, x, c).values() for c in range(CLASSES)
    )


def trace_by_nngeometry(network: nn.Module, x: Tensor) -> Tensor:
    from nngeometry.backend import TorchHooksJacobianBackend
    from torch.utils.data import DataLoader, TensorDataset

    def gradients(c: int) -> list[Tensor]:
        backend = TorchHooksJacobianBackend(
            network, function=lambda *d: network(d[0])[:, c : c + 1]
        )
        return [backend.get_jacobian(DataLoader(TensorDataset(x), batch_size=len(x)))[0]]

    return _trace(gradients(c) for c in range(CLASSES))


def trace_by_backpack(network: nn.Module, x: Tensor) -> Tensor:
    return _trace(_gradients_by_backpack(network, x))


def _trace(classes: Iterator[Iterable[Tensor]]) -> Tensor:
    """The mean over classes of J_c J_c^T, from the gradients [n, ...] of one class at a time."""
    kernel = torch.zeros(())
    for gradients in classes:
        for g in gradients:
            kernel = kernel + g.flatten(1) @ g.flatten(1).T
    return kernel / CLASSES


# View -> name of a tool -> its kernel.
TOOLS: dict[str, dict[str, Callable[[nn.Module, Tensor], Tensor]]] = {
    "full": {
        "conebench": by_conebench,
        "torch.func tutorial": by_torch_func_tutorial,
        "torch.func, one Jacobian": by_one_jacobian,
        "nngeometry": by_nngeometry,
        "BackPACK": by_backpack,
    },
    "trace": {
        "conebench": trace_by_conebench,
        "torch.func, class by class": trace_by_torch_func,
        "nngeometry": trace_by_nngeometry,
        "BackPACK": trace_by_backpack,
    },
}
# What cannot be measured, with the reason.
LEFT_OUT = {
    ("nngeometry", "vit-tiny-16"): "has no rule for tokens and positions",
    ("BackPACK", "vit-tiny-16"): "has no rule for tokens and positions",
    ("torch.func tutorial", "vgg16-16"): "two Jacobians and their sum take over 18 GB",
    **{(tool, "vgg16-64"): "needs over 24 GB" for tool in TOOLS["full"] if tool != "conebench"},
    **{
        (tool, case): f"the gradients of one class alone take {gigabytes} GB"
        for case, gigabytes in (("vgg16-256", 16), ("vgg16-1000", 60))
        for tool in TOOLS["trace"]
        if tool != "conebench"
    },
}


def peak_megabytes(view: str, tool: str, case: str) -> float:
    """What the process takes on top of what it had after a kernel of two samples."""
    network, x = make_case(view, case)
    TOOLS[view]["conebench"](network, x[:2])
    before = _peak_bytes()
    TOOLS[view][tool](network, x)
    return (_peak_bytes() - before) / 1e6


def _peak_bytes() -> int:
    """Peak of this process alone; `ru_maxrss` would begin at that of the one that started it."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    sys.stdout.write(f"{peak_megabytes(*sys.argv[1:]):.0f}\n")

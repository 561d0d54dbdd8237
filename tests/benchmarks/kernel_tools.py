"""The same kernel by different tools: `python kernel_tools.py TOOL CASE` prints its peak memory."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from conebench.entk import as_matrix, empirical_ntk
from conebench.networks.timm_models import make_model

# Name -> (timm name, its arguments, samples).
CASES = {
    "resnet20-64": ("cifar_resnet20", {}, 64),
    "vgg16-16": ("cifar_vgg16_bn", {}, 16),
    "vit-tiny-16": ("vit_tiny_patch16_224", {"img_size": 32, "patch_size": 4}, 16),
    "vgg16-64": ("cifar_vgg16_bn", {}, 64),
}


def make_case(name: str) -> tuple[nn.Module, Tensor]:
    """The network in evaluation mode, and its inputs."""
    model, arguments, samples = CASES[name]
    network = make_model(model, arguments, pretrained=False, classes=10, channels=3, seed=0).eval()
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
    from backpack import backpack, extend
    from backpack.extensions import BatchGrad

    network = extend(copy.deepcopy(network))
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # BackPACK's hooks forbid the other
    logits = network(x)
    rows = []
    for c in range(logits.shape[1]):
        with backpack(BatchGrad(), retain_graph=True):
            logits[:, c].sum().backward(retain_graph=True)
        rows.append(torch.cat([p.grad_batch.flatten(1) for p in network.parameters()], dim=1))
    J = torch.stack(rows, dim=1).flatten(0, 1)
    return J @ J.T


TOOLS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "conebench": by_conebench,
    "torch.func tutorial": by_torch_func_tutorial,
    "torch.func, one Jacobian": by_one_jacobian,
    "nngeometry": by_nngeometry,
    "BackPACK": by_backpack,
}
# What cannot be measured, with the reason.
LEFT_OUT = {
    ("nngeometry", "vit-tiny-16"): "has no rule for tokens and positions",
    ("BackPACK", "vit-tiny-16"): "has no rule for tokens and positions",
    ("torch.func tutorial", "vgg16-16"): "two Jacobians and their sum take over 18 GB",
    **{(tool, "vgg16-64"): "needs over 24 GB" for tool in TOOLS if tool != "conebench"},
}


def peak_megabytes(tool: str, case: str) -> float:
    """What the process takes on top of what it had after a kernel of two samples."""
    network, x = make_case(case)
    TOOLS["conebench"](network, x[:2])
    before = _peak_bytes()
    TOOLS[tool](network, x)
    return (_peak_bytes() - before) / 1e6


def _peak_bytes() -> int:
    """Peak of this process alone; `ru_maxrss` would begin at that of the one that started it."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    sys.stdout.write(f"{peak_megabytes(sys.argv[1], sys.argv[2]):.0f}\n")

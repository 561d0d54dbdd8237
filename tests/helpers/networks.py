"""Small networks for tests, each with something that kernels get wrong easily."""

from collections.abc import Callable
from typing import Self

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn


class SharedLayer(nn.Module):
    """One linear layer used twice, and a parameter tied under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 6)
        self.twice = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)
        self.tied = nn.Linear(6, 6)
        self.tied.weight = self.twice.weight

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x.flatten(1)))
        x = torch.tanh(self.twice(x))
        return self.head(torch.tanh(self.tied(torch.tanh(self.twice(x)))))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.GELU(), nn.Linear(8, 3))


def batchnorm_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.SiLU(),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.GroupNorm(2, 4),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, 3),
    )


def vit() -> nn.Module:
    from conebench.networks.timm_models import make_model

    arguments = {
        "img_size": 4,
        "patch_size": 2,
        "embed_dim": 8,
        "depth": 2,
        "num_heads": 2,
        "drop_path_rate": 0.5,
    }
    return make_model(
        "vit_tiny_patch16_224", arguments, pretrained=False, classes=3, channels=3, seed=0
    )


def frozen_part() -> nn.Module:
    network = mlp()
    network[1].weight.requires_grad_(False)
    return network


class Windows(nn.Module):
    """Layers on four windows a sample, as window attention has them, in and out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(3)
        self.in_order = nn.Linear(3, 4)
        self.out_of_order = nn.Linear(4, 5, bias=False)
        self.scale = nn.Parameter(torch.ones(5))
        self.head = nn.Linear(20, 3)

    def forward(self, x: Tensor) -> Tensor:
        n = len(x)
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        tokens = torch.tanh(self.in_order(tokens.reshape(4 * n, 1, 3))).reshape(n, 4, 4)
        tokens = torch.tanh(self.out_of_order(tokens.transpose(0, 1).reshape(4 * n, 4)))
        return self.head((self.scale * tokens).reshape(4, n, 5).transpose(0, 1).flatten(1))


class Convolutions(nn.Module):
    """Strides, dilation, groups, padding by name, in-place activations, partly trained layers."""

    def __init__(self) -> None:
        super().__init__()
        self.strided = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.dilated = nn.Conv2d(4, 4, (2, 1), dilation=(2, 1), padding=(1, 0), groups=2)
        self.depthwise = nn.Conv2d(4, 8, 3, padding=1, groups=4, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.same = nn.Conv2d(8, 4, 3, padding="same")
        self.group_norm = nn.GroupNorm(2, 4)
        self.bias_only = nn.Linear(16, 5)
        self.bias_only.weight.requires_grad_(False)
        self.bn1d = nn.BatchNorm1d(5)
        self.bn1d.bias.requires_grad_(False)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.silu(self.strided(x), inplace=True)
        x = self.bn(self.depthwise(self.dilated(x)))
        x += 0.5
        x = self.group_norm(self.same(torch.tanh_(x)))
        return self.head(torch.tanh(self.bn1d(self.bias_only(x.flatten(1)))))


class PastItsModule(nn.Module):
    """A weight that is used through its module and a second time past it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.layer(x.flatten(1)))
        return self.head(torch.tanh(x @ self.layer.weight))


class KeepsBiases(nn.Module):
    """Keeps a tensor made of a parameter between evaluation passes, as LeViT does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 6)
        self.biases = nn.Parameter(torch.randn(3))
        self.head = nn.Linear(6, 3)
        self.kept: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> Self:
        self.kept = {}
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        if "biases" not in self.kept:
            self.kept["biases"] = self.biases[[0, 1, 2, 0, 1, 2]]
        return self.head(torch.tanh(self.layer(x.flatten(1)) + self.kept["biases"]))


class Tokens(nn.Module):
    """A class token, a position table and layer scales, one of them not broadcast by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 1)
        self.norm = BatchNormAct2d(6)  # applies its activation itself
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.positions = nn.Parameter(torch.randn(1, 5, 6))
        self.scale = nn.Parameter(torch.randn(6))
        self.mix = nn.Parameter(torch.randn(5, 5))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.embed(x)).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.positions
        return self.head(torch.tanh(self.mix @ torch.tanh(x * self.scale))[:, 0])


class SharedModule(nn.Module):
    """One module registered under two names, as CoaT shares its position encodings."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 12)
        self.second = nn.Sequential(nn.Tanh(), self.first)
        self.token = nn.Parameter(torch.randn(1, 12))
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.second(self.first(x.flatten(1)) + self.token)))


class CannotBeMapped(nn.Module):
    """Control flow on values, so that mapping over samples fails; a parameter used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(12, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(x.flatten(1))
        if float(x.detach().abs().sum()) > 0:
            x = torch.tanh(x)
        return self.head(torch.tanh(self.twice(x)))


class TransposedAfterNorm(nn.Module):
    """BatchNorm whose gradient comes in channels-last order, as XCiT's patches have it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.conv(x)).flatten(2).transpose(1, 2)
        return self.head(torch.tanh(tokens)).sum(1)


# Name -> (factory, input side).
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "mlp": (mlp, 2),
    "batchnorm_cnn": (batchnorm_cnn, 2),
    "vit": (vit, 4),
    "shared_layer": (SharedLayer, 2),
    "frozen_part": (frozen_part, 2),
    "windows": (Windows, 2),
    "convolutions": (Convolutions, 4),
    "past_its_module": (PastItsModule, 2),
    "keeps_biases": (KeepsBiases, 2),
    "tokens": (Tokens, 2),
    "shared_module": (SharedModule, 2),
    "cannot_be_mapped": (CannotBeMapped, 2),
    "transposed_after_norm": (TransposedAfterNorm, 4),
}


def make_network(name: str, count: int = 4, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """A float64 network in evaluation mode with uneven statistics, and inputs for it."""
    factory, side = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = factory().double().eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean = torch.randn(module.num_features).double()
                module.running_var = torch.rand(module.num_features).double() + 0.5
        return network, torch.randn(count, 3, side, side, dtype=torch.float64)


def jacobian_by_rows(network: nn.Module, x: Tensor) -> Tensor:
    """J [n c, p] by plain autograd, one row at a time, one image at a time."""
    parameters = [p for p in network.train().eval().parameters() if p.requires_grad]
    rows = []
    for sample in x:
        # Twice: autograd's BatchNorm is wrong for a lone sample in channels-last order.
        for logit in network(torch.stack([sample, sample]))[0]:
            gradients = torch.autograd.grad(logit, parameters, retain_graph=True)
            rows.append(torch.cat([g.flatten() for g in gradients]))
    return torch.stack(rows)


def jacobian_by_differences(network: nn.Module, x: Tensor, step: float = 1e-6) -> Tensor:
    """J [n c, p] by central differences in each parameter."""
    columns = []
    with torch.no_grad():
        for parameter in (p for p in network.parameters() if p.requires_grad):
            flat = parameter.view(-1)
            for i in range(flat.numel()):
                kept = flat[i].item()
                flat[i] = kept + step
                above = network.train().eval()(x).flatten()
                flat[i] = kept - step
                below = network.train().eval()(x).flatten()
                flat[i] = kept
                columns.append((above - below) / (2 * step))
    return torch.stack(columns, dim=1)

"""Small networks for tests, each with something that kernels get wrong easily."""

from collections.abc import Callable

import torch
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
    from conebench.model import make_model

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


# Name -> (factory, input side).
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "mlp": (mlp, 2),
    "batchnorm_cnn": (batchnorm_cnn, 2),
    "vit": (vit, 4),
    "shared_layer": (SharedLayer, 2),
    "frozen_part": (frozen_part, 2),
}


def make_network(name: str, count: int = 4, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """A float64 network in evaluation mode with uneven statistics, and inputs for it."""
    factory, side = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = factory().double().eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean = torch.randn(module.num_features).double()
                module.running_var = torch.rand(module.num_features).double() + 0.5
        return network, torch.randn(count, 3, side, side, dtype=torch.float64)


def jacobian_by_rows(network: nn.Module, x: Tensor) -> Tensor:
    """J [n c, p] by plain autograd, one row at a time, one image at a time."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    rows = []
    for sample in x:
        for logit in network(sample[None])[0]:
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
                above = network(x).flatten()
                flat[i] = kept - step
                below = network(x).flatten()
                flat[i] = kept
                columns.append((above - below) / (2 * step))
    return torch.stack(columns, dim=1)

"""Networks that stop gradients, draw, mix samples or take each its own way."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NoGradScale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        with torch.no_grad():
            scale = x.abs().amax(1, keepdim=True)
        return x / scale


class Detached(NoGradScale):
    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        return x * x.detach()


class DataWeight(NoGradScale):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(F.linear(self.layer(x) @ self.layer.weight.data, self.layer.weight))


class Chooses(nn.Module):
    """Sends some samples to another expert, in a way that hides from what watches operators."""

    def __init__(self) -> None:
        super().__init__()
        self.common, self.rare, self.head = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2)

    def chosen(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        chosen, y = self.chosen(x.detach().mean(1)), torch.tanh(self.common(x))
        if chosen.any():
            y = y.index_put((chosen,), torch.tanh(self.rare(x[chosen])))
        return self.head(y)


class ChoosesByScores(Chooses):
    def chosen(self, x: Tensor) -> Tensor:
        scores = torch.zeros(len(x), 2, dtype=x.dtype)
        scores[:, 1] = x
        return scores[:, 1] > scores[:, 0]


class ChoosesByAView(Chooses):
    def chosen(self, x: Tensor) -> Tensor:
        scores = torch.zeros(len(x), 2, dtype=x.dtype)
        scores.view(-1)[1::2].copy_(x)
        return scores[:, 1] > scores[:, 0]


class ChoosesByText(Chooses):
    def chosen(self, x: Tensor) -> Tensor:
        return torch.tensor([not f"{mean:.2f}".startswith("-") for mean in x])


class ChoosesUnseen(Chooses):
    """Nothing that torch runs tells: only a pass over all samples does."""

    def chosen(self, x: Tensor) -> Tensor:
        with torch._C.DisableTorchFunction():
            return torch.tensor([float(mean) > 0 for mean in x])


class ChoosesTakingNoLoneSample(Chooses):
    """Never chooses the other expert."""

    def chosen(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), dtype=torch.bool)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) == 1:
            raise ValueError("expected more than one sample")
        return super().forward(x)


class CropsToTheLongest(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(1, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        longest = (x.detach() > 0).sum(1).max().clamp(min=1)
        return self.head(torch.tanh(self.layer(x[:, :longest, None])).sum(1))


class StableSoftmax(NoGradScale):
    """Subtracts a detached maximum, which changes no derivative."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        e = (x - x.detach().amax(1, keepdim=True)).exp()
        return e / e.sum(1, keepdim=True)


def batch_statistics() -> nn.Module:
    return nn.Sequential(
        nn.Linear(2, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.Tanh(), nn.Linear(8, 3)
    )


class Centered(NoGradScale):
    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        return x - 0.1 * x.mean(0)


class Shuffled(NoGradScale):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).flip(0)


class ByBatchSize(NoGradScale):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) / len(x)


class OneChangesTheWay(NoGradScale):
    """Of the samples of its case only the seventh exceeds the bound, and changes all logits."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return y.tanh() if (x[:, 0] > 1.5).any() else y


class Drops(NoGradScale):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.layer(x), 0.1)


class Noisy(NoGradScale):
    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        return x + 1e-3 * torch.randn_like(x)


class Routed(nn.Module):
    """Each of the tokens to the expert that its sign chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.above = nn.Linear(1, 3)
        self.below = nn.Linear(1, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = x.new_zeros(*x.shape, 3)
        for expert, on in ((self.above, x > 0), (self.below, x <= 0)):
            y[on] = torch.tanh(expert(x[on][:, None]))
        return y.sum(1)


class SortedTokens(nn.Module):
    """All tokens in the order of their values, as a dispatch to experts has them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 3)

    def forward(self, x: Tensor) -> Tensor:
        order = x.flatten().argsort()
        y = torch.tanh(self.layer(x.flatten()[order][:, None]))
        return y[order.argsort()].view(*x.shape, 3).sum(1)


class WholeBatchRouted(nn.Module):
    """Whole samples to one of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 3), nn.Linear(2, 3)])

    def forward(self, x: Tensor) -> Tensor:
        chosen = (x[:, 0] > 0).long()
        y = x.new_zeros(len(x), 3)
        for number, layer in enumerate(self.layers):
            rows_of = (chosen == number).nonzero()[:, 0]
            y.index_add_(0, rows_of, torch.tanh(layer(x[rows_of])))
        return y


class SkippedExperts(nn.Module):
    """The best expert of three for each sample; an expert that no sample chooses does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(2, 3)
        self.experts = nn.ModuleList([nn.Linear(2, 3) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        shares, chosen = self.gate(4 * x).softmax(1).max(1)
        y = x.new_zeros(len(x), 3)
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero()[:, 0]
            if len(rows):
                y = y.index_add(0, rows, expert(x[rows]) * shares[rows, None])
        return y


class Tied(nn.Module):
    """A tied decoder, silent where the hidden unit is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(2, 1)
        self.encoder.weight.data = torch.tensor([[1.0, -1.0]])
        self.encoder.bias.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.relu(self.encoder(x)), self.encoder.weight.T)


class TiedFarAway(nn.Module):
    """A weight used a second time, behind units that only large inputs wake."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.gate = nn.Linear(2, 3)
        self.gate.bias.data.fill_(-1.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return y + F.relu(self.gate(x)) @ self.layer.weight @ self.layer.weight.T

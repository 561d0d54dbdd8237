"""Random small networks, built of parts that kernels and linearizations may get wrong."""

import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from odd_networks import rows_of
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

WIDTH = 6
CLASSES = 3
# Of networks with these, no kernel is right: they draw, mix samples, or stop gradients.
WRONG = frozenset(("drops", "mixes", "stops", "normalizes_the_batch", "rolls"))
ACTIVATIONS: tuple[Callable[[Tensor], Tensor], ...] = (
    torch.tanh,
    F.relu,
    F.gelu,
    F.silu,
    lambda x: F.relu_(x * 1),
    lambda x: F.leaky_relu(x * 1, inplace=True),
    torch.sigmoid,
)

Part = Callable[["RandomNetwork", random.Random], Callable[[Tensor], Tensor]]


class RandomNetwork(nn.Module):
    """A chain of random parts, [n, 6] to [n, 3]."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = random.Random(seed)  # noqa: S311
        self.parts = [draw.choice(list(PARTS)) for _ in range(draw.randint(2, 5))]
        self.linears = nn.ModuleList([nn.Linear(WIDTH, WIDTH)])
        self.more = nn.ModuleList()
        self.kept: dict[str, object] = {}
        self.steps = [PARTS[name](self, draw) for name in self.parts]
        self.activations = [draw.choice(ACTIVATIONS) for _ in self.steps]
        self.head = nn.Linear(WIDTH, CLASSES)
        for p in self.parameters():
            if draw.random() < 0.1:
                p.requires_grad_(False)
            if draw.random() < 0.1:
                nn.init.zeros_(p)
        self.head.weight.requires_grad_(True)

    @property
    def is_wrong(self) -> bool:
        """True if no kernel is right."""
        return not WRONG.isdisjoint(self.parts)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linears[0](x)
        for step, activation in zip(self.steps, self.activations, strict=True):
            x = step(activation(x))
        return self.head(x)

    def layer(self, *, bias: bool = True) -> nn.Linear:
        """A new square layer."""
        self.linears.append(nn.Linear(WIDTH, WIDTH, bias=bias))
        return self.linears[-1]

    def parameter(self, value: Tensor) -> str:
        """The name of a new parameter."""
        name = f"p{len(list(self.parameters()))}"
        self.register_parameter(name, nn.Parameter(value))
        return name


def some_weight(network: RandomNetwork, draw: random.Random) -> nn.Parameter:
    """A weight of one of the layers so far that is no function of others."""
    weights = [layer.weight for layer in network.linears]
    return draw.choice([weight for weight in weights if isinstance(weight, nn.Parameter)])


def plain(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    return network.layer(bias=draw.random() < 0.7)


def twice(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()
    return lambda x: layer(torch.tanh(layer(x)))


def tied(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    weight = some_weight(network, draw)
    return lambda x: F.linear(x, weight.T)


def tied_and_dead(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    weight, threshold = some_weight(network, draw), draw.uniform(0.5, 3)
    return lambda x: x + F.relu(x - threshold) @ weight


def dead(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()
    layer.bias.data.fill_(-draw.uniform(0, 4))
    return lambda x: x + F.relu(layer(x))


def shared_parameter(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()
    layer.weight = some_weight(network, draw)
    return layer


def in_place(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()

    def step(x: Tensor) -> Tensor:
        x = layer(x)
        x += 0.5
        x.mul_(0.5)
        x[:, 0] = x[:, 1] * 2
        return x

    return step


def norms(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    norm = draw.choice([nn.LayerNorm(WIDTH), nn.BatchNorm1d(WIDTH), nn.GroupNorm(2, WIDTH)])
    if isinstance(norm, nn.BatchNorm1d):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    network.more.append(norm)
    return norm


def scalar(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    name = network.parameter(torch.tensor(1.5))
    return lambda x: x * getattr(network, name)


def scale(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    shape = draw.choice([(WIDTH,), (1, WIDTH), (1, 1)])
    name = network.parameter(torch.rand(shape) + 0.5)
    return lambda x: x * getattr(network, name)


def token(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    name, layer = network.parameter(torch.randn(1, WIDTH)), network.layer()

    def step(x: Tensor) -> Tensor:
        tokens = torch.stack([getattr(network, name).expand(len(x), -1), x], dim=1)
        return torch.tanh(layer(tokens)).sum(1)

    return step


def averaged_table(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    name = network.parameter(torch.randn(1, WIDTH))
    return lambda x: x + getattr(network, name).mean(0)


def mixing_matrix(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    name = network.parameter(torch.randn(WIDTH, WIDTH) / 2)
    return lambda x: x @ torch.softmax(getattr(network, name), dim=0)


def complex_weight(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    name = network.parameter(torch.randn(WIDTH, dtype=torch.complex128))
    return lambda x: (x * getattr(network, name)).abs()


def unused(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    network.layer()
    network.parameter(torch.zeros(0, 3))
    return lambda x: x


def routed(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    experts, by_token = (network.layer(), network.layer()), draw.random() < 0.5

    def step(x: Tensor) -> Tensor:
        tokens = torch.stack([x, -x], dim=1).flatten(0, 1) if by_token else x
        y = torch.zeros_like(tokens)
        for number, expert in enumerate(experts):
            chosen = (tokens[:, 0] > 0.1) == bool(number)
            if chosen.any():
                y[chosen] = expert(tokens[chosen])
        return y.view(len(x), -1, WIDTH).sum(1)

    return step


def dispatched(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()

    def step(x: Tensor) -> Tensor:
        order = x[:, 0].argsort()
        return layer(x[order])[order.argsort()]

    return step


def windows(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    small, in_order = nn.Linear(2, 2), draw.random() < 0.5
    network.more.append(small)

    def step(x: Tensor) -> Tensor:
        tokens = x.view(len(x), 3, 2)
        if in_order:
            return torch.tanh(small(tokens.reshape(-1, 2))).view(len(x), WIDTH)
        rows = torch.tanh(small(tokens.transpose(0, 1).reshape(-1, 2)))
        return rows.view(3, len(x), 2).transpose(0, 1).reshape(len(x), WIDTH)

    return step


def convolution(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    groups = draw.choice([1, 2])
    layer = nn.Conv2d(2, 2, (1, 3), padding=(0, 1), groups=groups)
    network.more.append(layer)
    return lambda x: layer(x.view(len(x), 2, 1, 3)).flatten(1)


def one_axis_convolution(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = nn.Conv1d(1, 1, 3, padding=1)
    network.more.append(layer)
    return lambda x: layer(x[:, None])[:, 0]


def weight_norm(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    return parametrizations.weight_norm(network.layer())


def pruned(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    return prune.l1_unstructured(network.layer(), "weight", amount=draw.choice([0.2, 0.8]))


def checkpointed(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()
    return lambda x: checkpoint(lambda y: torch.tanh(layer(y)), x, use_reentrant=False)


def recurrent(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = nn.RNN(2, WIDTH, batch_first=True)
    network.more.append(layer)
    return lambda x: layer(x.view(len(x), 3, 2))[0][:, -1]


def hook(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    layer, other = network.layer(), draw.choice(list(network.linears))
    layer.register_forward_hook(lambda _m, _x, y: y * (1 + other.weight.mean()))
    return layer


def patched(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()
    before = layer.forward
    layer.forward = lambda x: before(x) * 2
    return layer


def kept_in_a_dict(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    name = network.parameter(torch.randn(WIDTH))

    def step(x: Tensor) -> Tensor:
        if name not in network.kept:
            network.kept[name] = torch.tanh(getattr(network, name))
        return x * network.kept[name]

    return step


def kept_in_an_attribute(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()

    def step(x: Tensor) -> Tensor:
        if not hasattr(layer, "kept"):
            layer.kept = layer.weight * 2
        return F.linear(x, layer.kept, layer.bias)

    return step


def kept_in_a_list(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer, kept = network.layer(), [None]

    def step(x: Tensor) -> Tensor:
        if kept[0] is None:
            kept[0] = (layer.weight.softmax(0), 1)
        return x @ kept[0][0]

    return step


def counts(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()
    layer.register_buffer("count", torch.zeros(()))

    def step(x: Tensor) -> Tensor:
        layer.count += 1
        return layer(x)

    return step


def shown(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()

    def step(x: Tensor) -> Tensor:
        layer.seen = layer(x)
        return torch.tanh(layer.seen)

    return step


def stable(_: RandomNetwork, __: random.Random) -> Callable[[Tensor], Tensor]:
    return lambda x: (x - x.detach().amax(1, keepdim=True)).softmax(1)


def drops(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    layer, share = network.layer(), draw.choice([0.01, 0.3])
    return lambda x: F.dropout(layer(x), share)


def mixes(network: RandomNetwork, draw: random.Random) -> Callable[[Tensor], Tensor]:
    layer, share = network.layer(), draw.choice([0.05, 1.0])
    return lambda x: x + share * layer(x).mean(0)


def stops(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()

    def step(x: Tensor) -> Tensor:
        x = layer(x)
        with torch.no_grad():
            size = 1 + x.abs().sum(1, keepdim=True)
        return x / size

    return step


def normalizes_the_batch(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    norm = nn.BatchNorm1d(WIDTH, track_running_stats=False)
    network.more.append(norm)
    return norm


def rolls(network: RandomNetwork, _: random.Random) -> Callable[[Tensor], Tensor]:
    layer = network.layer()
    return lambda x: layer(x.roll(1, 0))


PARTS: dict[str, Part] = {
    part.__name__: part
    for part in (
        *(
            plain,
            twice,
            tied,
            tied_and_dead,
            dead,
            shared_parameter,
            in_place,
            norms,
            scalar,
            scale,
        ),
        *(token, averaged_table, mixing_matrix, complex_weight, unused, routed, dispatched),
        *(windows, convolution, one_axis_convolution, weight_norm, pruned, checkpointed, recurrent),
        *(hook, patched, kept_in_a_dict, kept_in_an_attribute, kept_in_a_list, counts, shown),
        *(stable, drops, mixes, stops, normalizes_the_batch, rolls),
    )
}


def random_network(seed: int) -> RandomNetwork:
    """The network of a seed in float64 and evaluation mode, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RandomNetwork(seed).double().eval()


def random_inputs(seed: int, count: int = 5) -> Tensor:
    """Inputs [n, 6], some of them zero or alike."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, WIDTH, generator=generator, dtype=torch.float64)
    if seed % 5 == 0:
        x[-1] = x[0]
    if seed % 7 == 0:
        x[1] = 0
    return x


def random_rows(seed: int, x: Tensor) -> Tensor:
    """J [n, c, p] of a random network."""
    return rows_of(lambda: random_network(seed), x)

"""conebench.networks.functional: a network's own modules, in a state that stays."""

import copy
import itertools

import pytest
import torch
from networks import make_network
from odd_keeping import CountsInAClass, CountsInArray, Keeps
from odd_networks import CASES
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from conebench.errors import KernelError
from conebench.networks.functional import FrozenNetwork, copies
from conebench.networks.modes import parameters_at


def _moved(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() + 0.1 for name, p in network.named_parameters()}


@pytest.mark.parametrize("name", ["shared_module", "shared_layer"])
def test_a_call_with_other_parameters_replaces_them_all_and_leaves_none(name: str) -> None:
    network, x = make_network(name)
    before, moved = network(x), _moved(network)
    with_moved = FrozenNetwork(network, is_anchored=False)(x, moved)
    assert not torch.allclose(with_moved, before)
    torch.testing.assert_close(network(x), before)
    network.load_state_dict({name: p + 0.1 for name, p in network.state_dict().items()})
    torch.testing.assert_close(network(x), with_moved)


@pytest.mark.parametrize("name", ["unregistered_list", "recurrent", "partial_with_a_module"])
def test_parameters_are_replaced_wherever_the_network_holds_them(name: str) -> None:
    case = CASES[name]
    network, x = case.network(), case.x()
    moved = _moved(network)
    found = FrozenNetwork(network, is_anchored=False)(x, moved)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1)
    torch.testing.assert_close(found, network(x))


def test_a_call_that_fails_leaves_everything_as_it_was() -> None:
    network, x = make_network("mlp")
    before = network(x)
    with pytest.raises(RuntimeError):
        FrozenNetwork(network, is_anchored=False)(x, {"1.bias": torch.zeros(5).double()})
    torch.testing.assert_close(network(x), before)
    assert all(isinstance(p, nn.Parameter) for p in network.parameters())


@pytest.mark.parametrize("name", ["counts", "counts_data", "moving_mean", "shows", "keeps_nested"])
@pytest.mark.parametrize("is_anchored", [False, True])
def test_a_pass_leaves_no_trace(name: str, is_anchored: bool) -> None:
    case = CASES[name]
    network, x = case.network(), case.x()
    before = copy.deepcopy({k: v for k, v in vars(network).items() if k != "_modules"})
    frozen = FrozenNetwork(network, is_anchored=is_anchored)
    first = frozen(x)
    assert torch.equal(frozen(x), first)
    after = {k: v for k, v in vars(network).items() if k != "_modules"}
    assert repr(after) == repr(before)


def test_an_anchored_network_does_not_follow_its_own() -> None:
    network, x = make_network("batchnorm_cnn")
    frozen = FrozenNetwork(network, is_anchored=True)
    before = frozen(x)
    network.train()
    network(x)  # moves the statistics
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1.0)
    network.register_forward_pre_hook(lambda _m, x: (2 * x[0],))
    network[0].kept = 1
    assert network.training
    network[5] = nn.Flatten()
    del network[7].bias
    assert torch.equal(frozen(x), before)
    assert network.training
    assert network[0].kept == 1


def test_an_anchored_network_does_not_follow_what_is_added_to_empty_modules() -> None:
    network, x = nn.Sequential(nn.Linear(2, 3), nn.Sequential(), nn.Identity()), torch.ones(1, 2)
    frozen = FrozenNetwork(network, is_anchored=True)
    before = frozen(x)
    network[1].append(nn.Tanh())
    after = network(x)
    assert torch.equal(frozen(x), before)
    assert torch.equal(network(x), after)
    assert not torch.equal(before, after)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tensors_without_memory_share_none(device: str) -> None:
    # All of them have the address 0.
    tensors = {
        0: torch.zeros(0, device="cpu"),
        1: torch.zeros((0, 2), dtype=torch.int64, device=device),
        2: torch.zeros(3, dtype=torch.float64, device=device),
        3: torch.zeros(0, 5, device=device),
    }
    made = copies(tensors)
    assert [(t.shape, t.dtype, t.device) for t in made.values()] == [
        (t.shape, t.dtype, t.device) for t in tensors.values()
    ]


def test_a_counter_of_a_class_is_left_alone() -> None:
    network, x = CountsInAClass().double().eval(), torch.ones(1, 2, dtype=torch.float64)
    frozen = FrozenNetwork(network, is_anchored=False)
    assert torch.equal(frozen(x), frozen(x))
    assert CountsInAClass.calls == 0


def test_an_array_that_was_changed_later_has_no_part_in_gradients() -> None:
    network = CountsInArray().double().eval()
    network.forward = lambda x: network.layer(x) * torch.from_numpy(network.counts["calls"][:1])
    network.counts["calls"] += 2.0
    frozen = FrozenNetwork(network, is_anchored=True)
    network.counts["calls"] += 1.0
    leaves = {"layer.weight": torch.ones(3, 2, dtype=torch.float64, requires_grad=True)}
    with torch.enable_grad():
        y = frozen(torch.ones(1, 2, dtype=torch.float64), leaves)
    (gradient,) = torch.autograd.grad(y.sum(), list(leaves.values()))
    assert torch.equal(gradient, torch.full((3, 2), 2.0, dtype=torch.float64))
    assert network.counts["calls"].tolist() == [3.0, 3.0]


@pytest.mark.parametrize("is_before", [True, False], ids=["removed", "added"])
def test_an_anchored_network_does_not_follow_a_parametrization(is_before: bool) -> None:
    network, x = make_network("mlp")
    layer = next(module for module in network.modules() if isinstance(module, nn.Linear))
    if is_before:
        parametrizations.weight_norm(layer)
    frozen = FrozenNetwork(network, is_anchored=True)
    before = frozen(x)
    if is_before:
        parametrize.remove_parametrizations(layer, "weight")
    else:
        parametrizations.weight_norm(layer)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1.0)
    after = network(x)
    assert torch.equal(frozen(x), before)
    assert torch.equal(network(x), after)
    assert parametrize.is_parametrized(layer) is not is_before


def test_a_network_in_training_mode_is_anchored_as_its_own_eval_makes_it() -> None:
    class Merges(nn.Linear):
        """Changes its weight in evaluation mode, as some adapters do."""

        merged = False

        def train(self, mode: bool = True) -> "Merges":
            if not mode and not self.merged:
                self.weight.data += 1.0
                self.merged = True
            return super().train(mode)

    network, x = Merges(3, 2), torch.ones(2, 3)
    weight = network.weight.detach().clone()
    frozen = FrozenNetwork(network, is_anchored=True)
    assert torch.equal(network.weight, weight)
    assert network.training
    torch.testing.assert_close(frozen(x), frozen(x))
    torch.testing.assert_close(frozen(x), network.eval()(x))


def test_what_converts_an_anchored_network_leaves_its_own() -> None:
    network, x = make_network("batchnorm_cnn")
    frozen = FrozenNetwork(network, is_anchored=True)
    frozen.move(lambda t: t.float() if t.is_floating_point() else t)
    assert frozen(x.float()).dtype == torch.float32
    torch.testing.assert_close(frozen(x.float()).double(), network(x), rtol=1e-4, atol=1e-5)
    assert all(p.dtype == torch.float64 for p in network.parameters())


def test_a_copy_of_it_is_converted_alone() -> None:
    network, x = make_network("mlp")
    frozen = FrozenNetwork(network, is_anchored=True)
    copy.deepcopy(frozen).move(torch.zeros_like)
    torch.testing.assert_close(frozen(x), network(x))


@pytest.mark.parametrize("is_anchored", [False, True])
def test_all_constants_are_converted_for_a_pass(is_anchored: bool) -> None:
    case = CASES["table"]
    network, x = case.network(), case.x()
    frozen = FrozenNetwork(network, is_anchored=is_anchored)
    moved = {name: p.detach().float() for name, p in network.named_parameters()}
    found = frozen(x.float(), moved, torch.float32)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), network(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_pass_in_inference_mode_gives_ordinary_tensors(mode) -> None:
    network, x = make_network("mlp")
    with mode():
        found = FrozenNetwork(network, is_anchored=False)(x)
    assert not found.is_inference()
    assert not found.requires_grad


@pytest.mark.parametrize("name", ["checkpointed", "checkpointed_twice"])
def test_checkpoints_run_once(name: str) -> None:
    case = CASES[name]
    network, x = case.network(), case.x()
    calls = itertools.count()
    network.body.register_forward_hook(lambda *_: (next(calls), None)[1])
    leaves = {name: p.detach().requires_grad_() for name, p in network.named_parameters()}
    logits = FrozenNetwork(network, is_anchored=False)(x, leaves)
    torch.autograd.grad(logits.sum(), list(leaves.values()))
    assert next(calls) == 1


def test_a_compiled_network_runs_its_own_modules() -> None:
    network, x = make_network("batchnorm_cnn")
    compiled = torch.compile(network, backend="eager")
    frozen = FrozenNetwork(compiled, is_anchored=False)
    assert frozen.network is network
    assert list(frozen.own) == [name for name, _ in network.named_parameters()]
    torch.testing.assert_close(frozen(x), network(x))


def test_networks_whose_parameters_cannot_be_moved_are_refused() -> None:
    with torch.inference_mode():
        network = nn.Linear(2, 3)
    with pytest.raises(KernelError, match="weight was made in inference mode"):
        FrozenNetwork(network, is_anchored=False)
    with pytest.raises(KernelError, match=r"0\.weight has no shape yet: call the network once"):
        FrozenNetwork(nn.Sequential(nn.LazyLinear(3)), is_anchored=True)
    with pytest.raises(KernelError, match=r"0\.weight has no values: it is on the device meta"):
        FrozenNetwork(nn.Sequential(nn.Linear(2, 3, device="meta")), is_anchored=True)
    with pytest.raises(KernelError, match="0: scale_grad_by_freq makes gradients depend on the"):
        FrozenNetwork(nn.Sequential(nn.Embedding(2, 3, scale_grad_by_freq=True)), is_anchored=True)


@pytest.mark.parametrize("network", [None, "resnet18", nn.Linear, lambda x: x])
def test_what_is_no_module_is_refused(network: object) -> None:
    with pytest.raises(KernelError, match=r"model: got a \w+, expected a torch\.nn\.Module"):
        FrozenNetwork(network, is_anchored=True)  # type: ignore[arg-type]


def test_parameters_get_other_values_and_back() -> None:
    network = Keeps()
    own, before = dict(network.named_parameters()), network.bias.data
    network.bias.grad = torch.ones(3)
    with parameters_at(own, {"bias": torch.zeros(3, dtype=torch.float64)}, trainable=()):
        assert network.bias.dtype == torch.float64
        assert not network.bias.requires_grad
    assert network.bias.data_ptr() == before.data_ptr()
    assert network.bias.requires_grad
    assert network.bias.grad is not None


def tied_by_data() -> nn.Module:
    network = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    network[2].weight.data = network[0].weight.data
    return network


def row_in_a_buffer() -> nn.Module:
    network = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    network[0].register_buffer("row", network[0].weight.data[1])
    return network


@pytest.mark.parametrize(
    ("make", "names"),
    [(tied_by_data, "0.weight and 2.weight"), (row_in_a_buffer, "0.weight and 0.row")],
)
def test_parameters_on_the_memory_of_others_are_refused(make, names: str) -> None:
    with pytest.raises(KernelError, match=f"^{names} share memory: make them one parameter"):
        FrozenNetwork(make(), is_anchored=False)


def test_one_parameter_in_two_places_and_parts_of_one_memory_are_taken() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    network[2].weight = network[0].weight
    FrozenNetwork(network, is_anchored=False)
    memory = torch.randn(18)
    network[2].weight = nn.Parameter(memory[:9].view(3, 3))
    network[0].weight = nn.Parameter(memory[9:].view(3, 3))
    FrozenNetwork(network, is_anchored=False)
    FrozenNetwork(nn.LSTM(3, 3).eval(), is_anchored=False)

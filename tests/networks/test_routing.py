"""conebench.networks.routing: places, orders and numbers that depend on the inputs are found."""

import pytest
import torch
from torch import Tensor

from conebench.networks.routing import Routing

ROUTES = {
    "mask": lambda x: x[x > 0],
    "mask written": lambda x: (x * 1).masked_scatter(x > 0, x),
    "places": lambda x: x[x.argmax(0)],
    "index_select": lambda x: x.index_select(0, x.argmax(0)),
    "gather": lambda x: x.gather(0, x.argmax(0, keepdim=True)),
    "index_add": lambda x: torch.zeros(3, 2).index_add(0, x.argmax(0), x[:2]),
    "sort": lambda x: x.sort(0)[0],
    "argsort": lambda x: x.argsort(),
    "topk": lambda x: torch.topk(x, 1)[0],
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 0),
    "number": lambda x: float(x.detach().sum()),
    "truth": lambda x: bool((x > 0).any()),
    "list": lambda x: x.detach().tolist(),
    "item of what was made of it": lambda x: (2 * x.detach()).sum().item(),
}
PLAIN = {
    "slices": lambda x: x[:, :1] * x[..., None].squeeze(),
    "fixed places": lambda x: x[torch.tensor([1, 0])],
    "fixed numbers": lambda x: x * float(torch.ones(())),
    "mask that keeps all": lambda x: torch.where(x > 0, x, 0 * x),
    "shape": lambda x: x.view(x.shape[0], -1),
    "fixed order": lambda x: x * torch.arange(2).sort()[0],
}


def is_found(function) -> bool:
    x = torch.tensor([[1.0, -2.0], [3.0, 4.0], [0.5, 1.0]], requires_grad=True)
    with Routing() as routing:
        function(x)
    return routing.is_found


@pytest.mark.parametrize("function", ROUTES.values(), ids=ROUTES)
def test_what_routes(function) -> None:
    assert is_found(function)


@pytest.mark.parametrize("function", PLAIN.values(), ids=PLAIN)
def test_what_treats_all_inputs_alike(function) -> None:
    assert not is_found(function)


def test_ordinary_layers_are_no_routing() -> None:
    def block(x: Tensor) -> Tensor:
        x = torch.nn.functional.layer_norm(torch.nn.functional.gelu(x), (2,))
        return torch.cat([x[:, :1], x[:, 1:]], dim=1).softmax(1)

    assert not is_found(block)

"""conebench.entk.repetition: logits that change from pass to pass are found out."""

import pytest
import torch
from networks import make_network
from torch import Tensor, nn

from conebench.entk import KernelError, empirical_ntk, plan_ntk
from conebench.entk.kernel import prepare
from conebench.entk.repetition import Logits


def test_equal_logits_pass_and_others_do_not() -> None:
    network, x = make_network("mlp")
    request, _ = prepare(network, x, None, outputs="full", memory_limit=None)
    logits, known = network(x), Logits(request)
    known.check(slice(0, 2), logits[:2])
    known.check(slice(1, 3), logits[1:3] * (1 + 1e-9))
    known.check(slice(3, 4), logits[[3, 3]])  # a lone sample comes twice
    with pytest.raises(KernelError, match=r"logits that are 0\.1 \(relative\) apart in two passes"):
        known.check(slice(1, 2), logits[1:2] * 1.1)
    with pytest.raises(KernelError, match="in two passes"):
        Logits(request).check(slice(3, 4), logits[3:] * 1.1)


class LargeBatches(nn.Module):
    """Depends on the batch only where it is large."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(12, 12), nn.Linear(12, 3)])

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.layers[0](x.flatten(1)))
        return self.layers[1](x) + (x.mean() if len(x) > 5 else 0)


def test_a_network_that_mixes_samples_in_large_batches_is_refused() -> None:
    network = LargeBatches().double().eval()
    _, x = make_network("mlp", count=12)
    limit = 80_000
    chunks = {planned.chunk for planned in plan_ntk(network, x, memory_limit=limit).passes}
    assert len(plan_ntk(network, x, memory_limit=limit).passes) > 1, chunks
    with pytest.raises(KernelError, match="they depend on the other samples of their batch"):
        empirical_ntk(network, x)

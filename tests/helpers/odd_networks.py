"""Small float64 networks with something that kernels and linearizations may get wrong.

Each comes with what is right: the value by row-by-row autograd on a network made afresh, or an
error, by a part of its message.
"""

from collections.abc import Callable
from dataclasses import dataclass

import odd_functions
import odd_holding
import odd_keeping
import odd_parameters
import odd_transforms
import odd_values
import torch
from torch import Tensor, nn

RIGHT = "right"
DRAWS = "draws random numbers"
BATCH = "depend on the other samples"
STOPPED = "are not the derivatives"


@dataclass(frozen=True)
class Case:
    """A network, inputs for it, and what is right for its kernel and its linearization."""

    make: Callable[[], nn.Module]
    kernel: str = RIGHT
    linear: str = RIGHT
    inputs: int = 2
    count: int = 3
    twin: Callable[[], nn.Module] | None = None

    def network(self) -> nn.Module:
        """Return the network, in evaluation mode, the same each time."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.make().double().eval()

    def x(self) -> Tensor:
        """Return inputs [n, inputs]."""
        generator = torch.Generator().manual_seed(1)
        return torch.randn(self.count, self.inputs, generator=generator, dtype=torch.float64)


def flat(tensors: list[Tensor]) -> Tensor:
    """All entries in one vector, two for a complex one."""
    tensors = [t.to_dense() for t in tensors]
    real = [torch.view_as_real(t) if t.is_complex() else t for t in tensors]
    return torch.cat([t.detach().flatten() for t in real])


def rows_of(make: Callable[[], nn.Module], x: Tensor) -> Tensor:
    """J [n, c, p] by plain autograd, row by row, on a network made afresh for each sample.

    Complex parameters count as two real ones.
    """
    found = []
    for sample in x:
        network = make()
        parameters = [p for p in network.parameters() if p.requires_grad]
        logits = network(torch.stack([sample, sample]))[0]
        for logit in logits:
            gradients = torch.autograd.grad(
                logit, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            found.append(flat(list(gradients)))
    return torch.stack(found).view(len(x), len(logits), -1)


def rows(case: Case) -> Tensor:
    """J [n, c, p] of a case."""
    return rows_of(Case(case.twin or case.make).network, case.x())


CASES = {
    "patched_forward": Case(odd_holding.patched_forward),
    "patched_layer": Case(odd_holding.patched_layer),
    "hook_on_another_layer": Case(odd_holding.hook_on_another_layer),
    "hook_with_the_parameter_itself": Case(odd_holding.hook_with_the_parameter_itself),
    "partial_with_a_module": Case(odd_holding.partial_with_a_module),
    "weak_reference": Case(odd_holding.WeakParent),
    "unregistered_list": Case(odd_holding.UnregisteredList),
    "keeps_attribute": Case(odd_keeping.KeepsAttribute),
    "keeps_buffer": Case(odd_keeping.KeepsBuffer),
    "keeps_deletable": Case(odd_keeping.KeepsDeletable),
    "keeps_property": Case(odd_keeping.KeepsProperty),
    "keeps_nested": Case(odd_keeping.KeepsNested),
    "keeps_new_object": Case(odd_keeping.KeepsNewObject),
    "keeps_deep": Case(odd_keeping.KeepsDeep),
    "keeps_list": Case(odd_keeping.KeepsList),
    "keeps_tuple": Case(odd_keeping.KeepsTuple),
    "keeps_object": Case(odd_keeping.KeepsObject),
    "keeps_memo": Case(odd_keeping.KeepsMemo),
    "keeps_global": Case(odd_keeping.KeepsGlobal),
    "keeps_in_another_module": Case(odd_keeping.KeepsInAnotherModule),
    "keeps_in_a_holder": Case(odd_keeping.KeepsInAHolder),
    "keeps_by_id": Case(odd_keeping.KeepsById),
    "keeps_on_a_parameter": Case(odd_keeping.KeepsOnAParameter),
    "keeps_set": Case(odd_keeping.KeepsSet),
    "keeps_weakly": Case(odd_keeping.KeepsWeakly),
    "keeps_in_a_class": Case(odd_keeping.KeepsInAClass),
    "keeps_variable": Case(odd_keeping.keeps_variable),
    "no_grad_block": Case(odd_functions.NoGradScale, STOPPED, STOPPED),
    "detached": Case(odd_functions.Detached, STOPPED, STOPPED),
    "data_weight": Case(odd_functions.DataWeight, STOPPED, STOPPED),
    "stable_softmax": Case(odd_functions.StableSoftmax),
    "batch_statistics": Case(odd_functions.batch_statistics, BATCH, BATCH),
    "centered": Case(odd_functions.Centered, BATCH, BATCH),
    "shuffled": Case(odd_functions.Shuffled, BATCH, BATCH),
    "by_batch_size": Case(odd_functions.ByBatchSize, BATCH, BATCH),
    "one_changes_the_way": Case(odd_functions.OneChangesTheWay, BATCH, BATCH, count=11),
    "drops": Case(odd_functions.Drops, DRAWS, DRAWS),
    "noisy": Case(odd_functions.Noisy, DRAWS, DRAWS),
    "complex_weight": Case(odd_parameters.ComplexWeight),
    "gain": Case(odd_parameters.Gain),
    "empty": Case(odd_parameters.Empty),
    "unused": Case(odd_parameters.Unused),
    "shows": Case(odd_parameters.Shows),
    "table": Case(odd_parameters.Table),
    "weight_norm": Case(odd_parameters.weight_norm),
    "old_weight_norm": Case(odd_parameters.old_weight_norm),
    "pruned": Case(odd_parameters.pruned),
    "spectral_norm": Case(odd_parameters.spectral_norm),
    "checkpointed": Case(odd_parameters.Checkpointed),
    # Where no input asks for gradients, torch loses those of the parameters inside.
    "checkpointed_twice": Case(odd_parameters.CheckpointedTwice, twin=odd_parameters.Checkpointed),
    "recurrent": Case(odd_parameters.Recurrent, inputs=4),
    "routed": Case(odd_functions.Routed, inputs=3, count=6),
    "chooses_by_scores": Case(odd_functions.ChoosesByScores, inputs=3, count=8),
    "chooses_by_a_view": Case(odd_functions.ChoosesByAView, inputs=3, count=8),
    "chooses_by_text": Case(odd_functions.ChoosesByText, inputs=3, count=8),
    "chooses_unseen": Case(odd_functions.ChoosesUnseen, inputs=3, count=8),
    "chooses_taking_no_lone_sample": Case(
        odd_functions.ChoosesTakingNoLoneSample, inputs=3, count=17
    ),
    "crops_to_the_longest": Case(odd_functions.CropsToTheLongest, BATCH, BATCH, inputs=4, count=8),
    "sorted_tokens": Case(odd_functions.SortedTokens, inputs=3, count=6),
    "whole_batch_routed": Case(odd_functions.WholeBatchRouted, count=6),
    "skipped_experts": Case(odd_functions.SkippedExperts, count=8),
    "tied": Case(odd_functions.Tied, count=6),
    "tied_far_away": Case(odd_functions.TiedFarAway, count=6),
    "clipped": Case(odd_values.clipped, count=8),
    "clipping_hook": Case(odd_values.clipping_hook, count=8),
    "switch": Case(odd_values.Switch),
    "changes_its_input": Case(odd_values.ChangesItsInput, count=4),
    "sparse_table": Case(odd_values.SparseTable, count=6),
    "with_array": Case(odd_values.WithArray),
    "even_batches": Case(odd_values.EvenBatches, count=4),
    "tokens": Case(odd_values.Tokens),
    "frozen_backbone": Case(odd_values.FrozenBackbone),
    "mapped_over_rows": Case(odd_transforms.MappedOverRows),
    "mapped_images": Case(odd_transforms.MappedImages),
    "ensemble": Case(odd_transforms.Ensemble),
    "sparse_adjacency": Case(odd_transforms.SparseAdjacency, RIGHT, "cannot be linearized"),
    "compressed_adjacency": Case(
        lambda: odd_transforms.SparseAdjacency(is_compressed=True), RIGHT, "cannot be linearized"
    ),
    "with_tuple": Case(odd_transforms.WithTuple),
    "needs_company": Case(odd_transforms.NeedsCompany, "number.? of samples", "numbers of samples"),
    "with_registry": Case(odd_transforms.WithRegistry),
    "gradient_of_energy": Case(odd_transforms.GradientOfEnergy, "torch.func.grad, vjp or jacrev"),
    "counts": Case(odd_keeping.Counts),
    "counts_data": Case(odd_keeping.CountsData),
    "writes_to_a_view": Case(odd_keeping.WritesToAView),
    "clips_a_gradient": Case(odd_values.clips_a_gradient, STOPPED, STOPPED),
    "passes_on": Case(odd_values.PassesOn),
    "counts_in_array": Case(odd_keeping.CountsInArray),
    "moving_mean": Case(odd_keeping.MovingMean, BATCH, BATCH),
    "changes_a_frozen_weight": Case(
        odd_keeping.ChangesAFrozenWeight, "changes its parameters", "changes its"
    ),
    "changes_its_weights": Case(
        odd_keeping.ChangesItsWeights, "changes its parameters", "changes its"
    ),
}

"""Tensors made of parameters that a network keeps from one pass to the next.

Such a tensor (LeViT's and EfficientFormer's attention biases) drops the gradient of the parameters
that it was made of, or belongs to other parameters than those in use, without a word.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from conebench.networks.containers import Content, entries_of, is_plain
from conebench.networks.functional import FrozenNetwork
from conebench.networks.modes import parameters_at

# Collections of every module, of which a pass cannot do without.
TORCHS_OWN = frozenset(vars(nn.Module()))
COLLECTIONS = (dict, list, deque, set, tuple)
# Most objects to look at in one entry.
MOST_HELD = 4096
# Number of a container, key of one of its entries.
Place = tuple[int, object]


def forget_kept(frozen: FrozenNetwork, x: Tensor) -> None:
    """Start every pass without the tensors that earlier passes made of parameters.

    An entry is such a tensor if a pass that finds it missing makes it again, with a gradient. All
    else belongs to the network: constants, masks, statistics.

    Args:
        frozen: the network; the state that it keeps is changed.
        x: inputs, of which two are used.

    """
    forgotten: set[Place] = set()
    for group in _candidates(frozen):
        for is_deleted in (False, True):
            missing = [place for place in group if place not in forgotten]
            made = _made_again(frozen, missing, x[[0, -1]], is_deleted=is_deleted)
            if made:
                frozen.set_contents(_without(frozen.contents, made, is_deleted=is_deleted))
                forgotten.update(made)


def _candidates(frozen: FrozenNetwork) -> list[list[Place]]:
    """Return entries that hold floating tensors; alike ones of alike modules are one group.

    First those that are tensors, then collections and objects with such tensors in them.
    """
    known = {id(p) for p in frozen.own.values()}
    for module in frozen.network.modules():
        if isinstance(module, _NormBase):
            known |= {id(module.running_mean), id(module.running_var)}

    def is_candidate(value: object) -> bool:
        return any(t.is_floating_point() and id(t) not in known for t in _held(value))

    groups: dict[tuple[bool, str, object], list[Place]] = {}
    if any(is_candidate(value) for *_, value in frozen.places):
        for number, content in enumerate(frozen.contents):
            for key, value in content.items():
                if key not in TORCHS_OWN and is_candidate(value):
                    is_collection = not isinstance(value, Tensor | tuple)
                    name = key if isinstance(key, str) else 0
                    group = (is_collection, frozen.labels[number], name)
                    groups.setdefault(group, []).append((number, key))
    return [groups[group] for group in sorted(groups, key=lambda group: group[0])]


def _without(
    contents: Sequence[Content], places: Sequence[Place], *, is_deleted: bool
) -> list[Content]:
    """Return the contents with these entries deleted, or None."""
    changed = list(contents)
    for number, key in places:
        others = {k: v for k, v in changed[number].items() if k != key}
        changed[number] = others if is_deleted else {**changed[number], key: None}
    return changed


def _made_again(
    frozen: FrozenNetwork, places: Sequence[Place], x: Tensor, *, is_deleted: bool
) -> list[Place]:
    """Return those of the missing entries that a pass makes again with a gradient."""
    kept = frozen.contents
    # Copies, since the network may change them in place.
    values = {name: p.detach().clone() for name, p in frozen.named()}
    floating = [name for name, p in values.items() if p.is_floating_point()]
    frozen.set_contents(_without(kept, places, is_deleted=is_deleted))
    try:
        # In its own parameters, by which the network may find the entries.
        own = parameters_at(frozen.own, values, floating)
        with own, frozen.entered(frozen.own) as network, torch.enable_grad():
            network(x)
            found = [frozen.containers[number].read().get(key) for number, key in places]
    except Exception:  # noqa: BLE001  # a network may raise anything where a constant is missing
        return []
    finally:
        frozen.set_contents(kept)
    pairs = zip(places, found, strict=True)
    return [place for place, value in pairs if any(t.requires_grad for t in _held(value))]


def _held(value: object) -> Iterator[Tensor]:
    """Yield the tensors that a value is, or holds in collections and plain objects."""
    waiting = [value]
    seen: dict[int, object] = {}
    while waiting:
        inside = waiting.pop()
        # `seen` keeps the object, so that its id is not given to another one.
        if id(inside) in seen or len(seen) > MOST_HELD:
            continue
        seen[id(inside)] = inside
        if isinstance(inside, Tensor):
            yield inside
        elif isinstance(inside, COLLECTIONS):
            waiting += entries_of(inside)
        elif is_plain(inside):
            waiting += vars(inside).values()

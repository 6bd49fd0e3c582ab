"""Which shared parameters belong to layers that are known, and which do not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor
from torch.autograd.graph import Node

from jointset.weighting.gramian.graph import Cut, Graph, kind, leaf_of, shape_of
from jointset.weighting.gramian.layer import Layer, Use
from jointset.weighting.gramian.linear import SLOT, Linear
from jointset.weighting.gramian.lookup import Bag, Lookup

TURNS = ("TBackward0",)
COPIES = ("ToCopyBackward0",)


def leaf_behind(node: Node) -> tuple[Node, bool] | None:
    """The leaf that a node merely transposes or casts, and whether it is turned round."""
    turned = False
    while kind(node) in TURNS or kind(node) in COPIES:
        turned ^= kind(node) in TURNS
        node = node.next_functions[0][0]  # type: ignore[assignment]
    return (node, turned) if leaf_of(node) is not None else None


def uses_of(graph: Graph, leaves: Iterable[Node], cut: Cut | None = None) -> dict[Node, list[Use]]:
    """Where each of ``leaves`` is used, below a cut; none is listed for a leaf that is used above it as well."""
    found: dict[Node, list[Use]] = {leaf: [] for leaf in leaves}
    for node in graph.edges if cut is None else [n for n in graph.edges if n in cut.below]:
        if kind(node) in TURNS or kind(node) in COPIES:
            continue
        for slot, (child, _) in enumerate(node.next_functions):
            behind = leaf_behind(child) if child is not None else None
            if behind is not None and behind[0] in found:
                found[behind[0]].append(Use(node, slot, behind[1]))
    for node, _ in cut.edges if cut is not None else ():
        behind = leaf_behind(node)
        if behind is not None and behind[0] in found:
            found[behind[0]] = []
    return found


def layers_of(uses: dict[Node, list[Use]]) -> list[Layer]:
    """The layers of all leaves whose every use is known; a bias goes with its weight."""
    layers: list[Layer] = []
    for leaf, used in uses.items():
        weight = leaf_of(leaf)
        if not used or weight is None:
            continue
        if weight.ndim == 2 and Linear.fits(used):
            layers.append(Linear(weight, _bias(weight, used, uses), used))
        elif Lookup.fits(used):
            layers.append(Lookup(weight, used))
        elif Bag.fits(used):
            layers.append(Bag(weight, used))
    return layers


def formed(uses: Mapping[Node, Sequence[Use]]) -> dict[str, int]:
    """Numbers in the parameters ``uses``, by what uses them first."""
    found: dict[str, int] = {}
    for leaf, used in uses.items():
        name = kind(used[0].node).partition("Backward")[0] if used else "a head"
        found[name] = found.get(name, 0) + math.prod(shape_of(leaf))
    return found


def _bias(weight: Tensor, used: Sequence[Use], uses: dict[Node, list[Use]]) -> Tensor | None:
    """The bias that is added wherever the weight multiplies, and nowhere else."""
    leaves: set[Node | None] = set()
    for use in used:
        child = use.node.next_functions[0][0] if SLOT[kind(use.node)] == 2 else None
        behind = leaf_behind(child) if child is not None else None
        leaves.add(behind[0] if behind else None)
    leaf = leaves.pop()
    if (
        leaves
        or leaf is None
        or {(u.node, u.slot) for u in uses.get(leaf, ())} != {(u.node, 0) for u in used}
    ):
        return None
    bias = leaf_of(leaf)
    width = weight.shape[0 if used[0].turned else 1]  # one number for all outputs would be another layer
    return bias if bias is not None and bias.shape == (width,) else None

"""How an operation passes the rows of its output on to its inputs.

A rule takes a node and the place of the rows in its output, and gives the place in each input, ``None`` where an
input has no rows (a weight), or where rows are summed over; it raises :class:`Mixed` where rows meet.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node

from jointset.weighting.gramian.graph import kind, saved, shape_of


class Mixed(Exception):
    """Rows meet, with the reason."""


class Place(NamedTuple):
    """The rows lie along dimension ``axis``; ``ids`` (its length,) are their numbers in the batch, −1 = no matter."""

    axis: int
    ids: Tensor


Places = list[Place | None]
Rule = Callable[[Node, Place], Places]


def inputs_of(node: Node) -> list[tuple[int, ...] | None]:
    """The shapes of a node's inputs, ``None`` where it passes no gradient on."""
    return [None if n is None else shape_of(n, i) for n, i in node.next_functions]


def elementwise(node: Node, place: Place) -> Places:
    """Entry by entry, with broadcasting."""
    out = shape_of(node)
    found: Places = []
    for shape in inputs_of(node):
        axis = place.axis - len(out) + len(shape or ())
        fits = shape is not None and axis >= 0 and shape[axis] == out[place.axis]
        found.append(Place(axis, place.ids) if fits else None)
    return found


def viewed(node: Node, place: Place) -> Places:
    """The same numbers in the same order, in another shape."""
    (shape,) = inputs_of(node)[:1]
    return [None if shape is None else _in_shape(shape_of(node), place, shape)]


def _in_shape(out: tuple[int, ...], place: Place, shape: tuple[int, ...]) -> Place | None:
    axis, ids = place
    if shape[: axis + 1] == out[: axis + 1]:
        return place
    inner, total = math.prod(out[axis + 1 :]), math.prod(out)
    for at, n in enumerate(shape):
        width = math.prod(shape[at + 1 :])
        unit = max(math.gcd(inner, width), 1)
        flat = torch.arange(total // unit, device=ids.device) * unit // max(inner, 1) % len(ids)
        grid = ids[flat].view(-1, n, max(width // unit, 1))
        if bool((grid == grid[:1, :, :1]).all()):
            return Place(at, grid[0, :, 0])
    return None


def moved(node: Node, place: Place) -> Places:
    """Dimensions in another order."""
    n = len(shape_of(node))
    order = list(range(n))
    if kind(node).startswith("Permute"):
        order = [d % n for d in saved(node, "dims")]
    elif n >= 2:
        first, second = (0, 1) if kind(node) == "TBackward0" else (saved(node, f"dim{i}") % n for i in (0, 1))
        order[first], order[second] = order[second], order[first]
    return [Place(order[place.axis], place.ids)]


def along(node: Node, place: Place) -> Places:
    """Along one dimension, which must be another one than that of the rows: softmax, split."""
    if saved(node, "dim") % len(shape_of(node)) == place.axis:
        raise Mixed(f"{kind(node)} works along the rows")
    return [place]


def joined(node: Node, place: Place) -> Places:
    """Concatenation, of rows or of anything else."""
    dim = saved(node, "dim") % len(shape_of(node))
    found: Places = []
    start = 0
    for shape in inputs_of(node):
        if dim != place.axis:
            found.append(place)
            continue
        if shape is None:
            raise Mixed(f"{kind(node)} joins rows of which some have no gradient")
        found.append(Place(place.axis, place.ids[start : start + shape[dim]]))
        start += shape[dim]
    return found


def taken(node: Node, place: Place) -> Places:
    """One index of a dimension, or all of them one by one: select, unbind."""
    dim = saved(node, "dim") % (len(shape_of(node)) + 1)
    return [Place(place.axis + (dim <= place.axis), place.ids)]


def piled(node: Node, place: Place) -> Places:
    """Stacking along a new dimension."""
    dim = saved(node, "dim") % len(shape_of(node))
    if dim == place.axis:
        raise Mixed(f"{kind(node)} works along the rows")
    return [Place(place.axis - (dim < place.axis), place.ids)] * len(node.next_functions)


def cut(node: Node, place: Place) -> Places:
    """A range of one dimension; what is cut off gets no gradient, so its rows do not matter."""
    (shape,) = inputs_of(node)[:1]
    dim = saved(node, "dim") % len(shape_of(node))
    if dim != place.axis or shape is None:
        return [place]
    ids = place.ids.new_full((shape[dim],), -1)
    numbers = torch.arange(shape[dim], device=ids.device)
    start, end, step = (saved(node, name) for name in ("start", "end", "step"))
    ids[numbers[start:end:step]] = place.ids
    return [Place(dim, ids)]


def scattered(node: Node, place: Place) -> Places:
    """``self.index_add(dim, index, source)``."""
    dim = saved(node, "dim") % len(shape_of(node))
    return [place, Place(dim, place.ids[saved(node, "index")]) if dim == place.axis else place]


def gathered(node: Node, place: Place) -> Places:
    """``self.index_select(dim, index)``."""
    (shape,) = inputs_of(node)[:1]
    dim = saved(node, "dim") % len(shape_of(node))
    if dim != place.axis or shape is None:
        return [place]
    index = saved(node, "index")
    if len(index.unique()) < len(index):
        raise Mixed(f"{kind(node)} reads a row more than once")
    ids = place.ids.new_full((shape[dim],), -1)
    ids[index] = place.ids
    return [Place(dim, ids)]


def reduced(node: Node, place: Place) -> Places:
    """A sum, mean or maximum over some dimensions."""
    (shape,) = inputs_of(node)[:1]
    if shape is None or not hasattr(node, "_saved_dim"):
        raise Mixed(f"{kind(node)} works along the rows")
    dims = saved(node, "dim")
    gone = {d % len(shape) for d in ([dims] if isinstance(dims, int) else dims or range(len(shape)))}
    kept = [d for d in range(len(shape)) if saved(node, "keepdim") or d not in gone]
    axis = kept[place.axis]
    if axis in gone:
        raise Mixed(f"{kind(node)} works along the rows")
    return [Place(axis, place.ids)]


def first_of(*slots: int, axes: int = 1) -> Rule:
    """Rows in front: operations on each entry of the first ``axes`` dimensions; ``slots`` are the inputs with rows."""

    def rule(node: Node, place: Place) -> Places:
        if place.axis >= axes:
            raise Mixed(f"{kind(node)} works along the rows")
        return [place if s in slots else None for s in range(len(node.next_functions))]

    return rule


def normalised(node: Node, place: Place) -> Places:
    """Layer norm: over the last dimensions."""
    if place.axis >= len(shape_of(node)) - len(saved(node, "normalized_shape")):
        raise Mixed(f"{kind(node)} works along the rows")
    return [place, None, None]


def batch_normalised(node: Node, place: Place) -> Places:
    """Batch norm, with fixed statistics only."""
    if saved(node, "training"):
        raise Mixed("batch norm in training mode lets rows meet")
    return [place, None, None]


def added_product(node: Node, place: Place) -> Places:
    """``addmm(self, mat1, mat2)``."""
    if place.axis != 0:
        raise Mixed(f"{kind(node)} works along the rows")
    return [elementwise(node, place)[0], place, None]


ELEMENTWISE = (
    "Abs",
    "Add",
    "Alias",
    "Celu",
    "Clamp",
    "ClampMax",
    "ClampMin",
    "Clone",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Expand",
    "Gelu",
    "GeluTanh",
    "Hardswish",
    "Hardtanh",
    "LeakyRelu",
    "Lerp",
    "Log",
    "Log1P",
    "LogSigmoid",
    "MaskedFill",
    "Mish",
    "Mul",
    "NativeDropout",
    "Neg",
    "Pow",
    "Relu",
    "Rsqrt",
    "Rsub",
    "Selu",
    "Sigmoid",
    "Silu",
    "Softplus",
    "Sqrt",
    "Sub",
    "Tanh",
    "Threshold",
    "ToCopy",
    "Where",
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(["View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze"], viewed),
    **dict.fromkeys(["T", "Transpose", "Permute"], moved),
    **dict.fromkeys(["Softmax", "LogSoftmax", "SafeSoftmax", "Split", "UnsafeSplit", "Glu", "Cumsum"], along),
    **dict.fromkeys(["Select", "Unbind"], taken),
    **dict.fromkeys(["Sum", "Mean", "Amax", "Amin", "Max", "Var", "LinalgVectorNorm"], reduced),
    **dict.fromkeys(
        [
            "MaxPool2DWithIndices",
            "AvgPool2D",
            "AdaptiveAvgPool2D",
            "MkldnnAdaptiveAvgPool2D",
            "ConstantPadNd",
        ],
        first_of(0),
    ),
    "Cat": joined,
    "Stack": piled,
    "Slice": cut,
    "IndexAdd": scattered,
    "IndexSelect": gathered,
    "Mm": first_of(0),
    "Addmm": added_product,
    "Bmm": first_of(0, 1),
    "ScaledDotProductFlashAttentionForCpu": first_of(0, 1, 2, axes=2),
    "Convolution": first_of(0),
    "Embedding": first_of(axes=8),
    "EmbeddingBag": first_of(),
    "NativeGroupNorm": first_of(0),
    "NativeLayerNorm": normalised,
    "NativeBatchNorm": batch_normalised,
}

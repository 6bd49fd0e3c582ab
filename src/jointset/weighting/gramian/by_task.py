"""Gradients of a parameter by task, out of what arrives at one operation when every row is one task's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from jointset.weighting.gramian.graph import kind, saved, shape_of
from jointset.weighting.gramian.layer import Use, precise
from jointset.weighting.gramian.linear import ROWS, SLOT


class Arrived(NamedTuple):
    """A ``delta`` whose rows lie along ``axis``; ``groups`` are their tasks, K = ``tasks`` for rows of none."""

    delta: Tensor
    axis: int
    groups: Tensor
    tasks: int

    def rows(self) -> Iterator[tuple[int, Tensor]]:
        """Each task that has any, and its rows."""
        order = torch.argsort(self.groups, stable=True)
        parts = torch.split(order, torch.bincount(self.groups, minlength=self.tasks + 1).tolist())
        return ((k, rows) for k, rows in enumerate(parts[: self.tasks]) if len(rows))


ByTask = Callable[[Arrived], Tensor]  # (K, *shape) of the parameter
Rule = Callable[[Use], ByTask]  # reads what the forward pass kept, while it is there


def linear(use: Use) -> ByTask:
    """Σ d_r a_rᵀ over the rows of each task."""
    inputs = precise(saved(use.node, ROWS[kind(use.node)]))

    def by_task(arrived: Arrived) -> Tensor:
        left, right = (arrived.delta, inputs) if use.turned else (inputs, arrived.delta)
        out = arrived.delta.new_zeros(arrived.tasks, left.shape[1], right.shape[1])
        for k, rows in arrived.rows():
            torch.mm(left[rows].T, right[rows], out=out[k])
        return out

    return by_task


def filters(use: Use) -> ByTask:
    """The gradient of a convolution's filters from the rows of each task alone."""
    weight, inputs = precise(saved(use.node, "weight")), precise(saved(use.node, "input"))
    names = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
    options = [saved(use.node, n) for n in names]

    def by_task(arrived: Arrived) -> Tensor:
        out = arrived.delta.new_zeros(arrived.tasks, *weight.shape)
        for k, rows in arrived.rows():
            grads = torch.ops.aten.convolution_backward(
                arrived.delta[rows], inputs[rows], weight, None, *options, [False, True, False]
            )
            out[k] = grads[1]
        return out

    return by_task


def added(use: Use) -> ByTask:
    """A parameter that is added: one value a channel, a place, or whatever its shape says."""
    own, shape = _shapes(use)
    return lambda arrived: _summed(arrived, own, shape)


def multiplied(use: Use) -> ByTask:
    """A parameter that the other factor is multiplied with."""
    own, shape = _shapes(use)
    other = precise(saved(use.node, "self" if use.slot else "other"))
    return lambda arrived: _summed(arrived._replace(delta=arrived.delta * other), own, shape)


def scale(use: Use) -> ByTask:
    """The scale of a normalised input."""
    own, shape = _shapes(use)
    inputs = _normalised(use)
    return lambda arrived: _summed(arrived._replace(delta=arrived.delta * inputs), own, shape)


def separable(use: Use, axis: int) -> bool:
    """Whether the gradient of the parameter can be told apart by row."""
    rule = RULES.get((kind(use.node), use.slot))
    if rule in (linear, filters):
        return axis == 0
    return rule is not None and not use.turned and _shapes(use)[1][axis] == 1


def _shapes(use: Use) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape of a parameter, and the one with which it is broadcast to the output."""
    child, number = use.node.next_functions[use.slot]
    own, n = shape_of(child, number), len(shape_of(use.node))  # type: ignore[arg-type]
    shape = (*own, *[1] * (n - 2)) if kind(use.node) in CHANNELS else own
    return own, (*[1] * (n - len(shape)), *shape)


def _summed(arrived: Arrived, own: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """The delta summed by task, and over the dimensions along which the parameter was repeated."""
    rows = arrived.delta.movedim(arrived.axis, 0)
    sums = rows.new_zeros(arrived.tasks + 1, *rows.shape[1:]).index_add_(0, arrived.groups, rows)
    sums = sums[: arrived.tasks]
    wanted = shape[: arrived.axis] + shape[arrived.axis + 1 :]
    over = [d + 1 for d, n in enumerate(wanted) if n == 1 and sums.shape[d + 1] != 1]
    return (sums.sum(over, keepdim=True) if over else sums).reshape(arrived.tasks, *own)


def _normalised(use: Use) -> Tensor:
    node = use.node
    x = precise(saved(node, "input"))
    if kind(node) == "NativeBatchNormBackward0":
        shape = (1, -1, *[1] * (x.ndim - 2))
        mean, variance = precise(saved(node, "running_mean")), precise(saved(node, "running_var"))
        return (x - mean.view(shape)) * (variance + saved(node, "eps")).rsqrt().view(shape)
    mean, factor = precise(saved(node, "result1")), precise(saved(node, "result2"))
    if kind(node) == "NativeGroupNormBackward0":
        grouped = x.reshape(len(x), mean.shape[1], -1)
        return ((grouped - mean[:, :, None]) * factor[:, :, None]).view(x.shape)
    return (x - mean) * factor


CHANNELS = ("ConvolutionBackward0", "NativeBatchNormBackward0", "NativeGroupNormBackward0")
NORMS = ("NativeLayerNormBackward0", "NativeBatchNormBackward0", "NativeGroupNormBackward0")
RULES: dict[tuple[str, int], Rule] = {
    **dict.fromkeys(SLOT.items(), linear),
    **dict.fromkeys([(name, 1) for name in NORMS], scale),
    **dict.fromkeys([(name, 2) for name in (*NORMS, "ConvolutionBackward0")], added),
    **dict.fromkeys([("AddBackward0", 0), ("AddBackward0", 1), ("AddmmBackward0", 0)], added),
    **dict.fromkeys([("MulBackward0", 0), ("MulBackward0", 1)], multiplied),
    ("ConvolutionBackward0", 1): filters,
}

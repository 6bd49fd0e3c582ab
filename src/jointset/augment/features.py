"""Rows where the encoders meet the trunk, changed with the help of rows seen before: x′ = g(f(x)).

A change that is right for one task may be wrong for another. So a row borrows only from rows that agree with it in the
labels of *all* tasks with classes or label sets that it is labelled for (a cell of the joint label table); a difference
of two rows of a cell holds what varies while every such label stays. Numbers are in no cell: two rows of one may have
any two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jointset.records import Floats, Ints

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 1024  # rows remembered
CHANGES = ("noise", "extrapolate", "tail")
RARE = 0.5  # of the mean count: a class below is rare


@dataclass
class Memory:
    """The features ``(m, width)`` of the last rows seen and their codes ``(m, T)``, -1 = missing; the first ``classes``
    tasks are those with classes (all unless told), the others have label sets."""

    features: Tensor
    codes: Ints
    classes: int | None = None

    @classmethod
    def empty(cls, width: int, tasks: int, classes: int | None = None) -> Memory:
        """A memory without rows."""
        import torch

        return cls(torch.zeros(0, width), np.zeros((0, tasks), np.int64), classes)

    def add(self, features: Tensor, codes: Ints) -> None:
        """Remember rows, and forget the oldest."""
        import torch

        self.features = torch.cat([self.features, features.detach()])[-KEPT:]
        self.codes = np.concatenate([self.codes, codes])[-KEPT:]


def changed(
    x: Tensor, codes: Ints, memory: Memory, strength: Mapping[str, Floats], rng: np.random.Generator
) -> Tensor:
    """``(b, width)`` with *noise*, *extrapolate* and *tail* where their strength ``(b,)`` is not 0.

    noise: x + s (x_j − x_k) / √2 for two rows of x's cell, which has s² times the cell's covariance (as ISDA draws it,
    Wang et al. 2019, without estimating it). extrapolate: x + s u (x − x_j), u even in [0, 1] (DeVries & Taylor 2017).
    tail: x of a rare class gets the way in which a row of a common class differs from its class's mean (Yin et al.
    2019): x + s (x_j − mean). Rows without a partner stay as they are.

    >>> import torch
    >>> memory = Memory(torch.tensor([[0.0], [2.0], [9.0]]), np.array([[0], [0], [1]]))
    >>> x = changed(torch.tensor([[1.0], [9.0]]), np.array([[0], [1]]), memory, {"noise": np.ones(2)},
    ...             np.random.default_rng(0))
    >>> x[0, 0].item() != 1.0, x[1, 0].item()
    (True, 9.0)
    """
    import torch

    if not len(memory.codes):
        return x
    cells = _cells(memory.codes, codes)
    own, theirs = cells[len(memory.codes) :], cells[: len(memory.codes)]
    shift = torch.zeros_like(x)
    for name, strengths in strength.items():
        for i in np.flatnonzero(strengths).tolist():
            step = _step(name, i, own[i], theirs, codes, memory, rng, x)
            if step is not None:
                shift[i] += float(strengths[i]) * step
    return x + shift


def _step(
    name: str, i: int, cell: int, theirs: Ints, codes: Ints, memory: Memory, rng: np.random.Generator, x: Tensor
) -> Tensor | None:  # fmt: skip
    if (codes[i] < 0).all():
        return None
    if name == "tail":
        return _from_common(codes[i], theirs, memory, rng)
    mates = np.flatnonzero(theirs == cell)
    if len(mates) < (2 if name == "noise" else 1):
        return None
    if name == "noise":
        j, k = rng.choice(mates, 2, replace=False)
        return (memory.features[j] - memory.features[k]) / float(np.sqrt(2.0))
    j = int(rng.choice(mates))
    return float(rng.random()) * (x[i].detach() - memory.features[j])


def _from_common(codes: Ints, theirs: Ints, memory: Memory, rng: np.random.Generator) -> Tensor | None:
    """How a row of a common cell differs from its cell's mean; ``None`` for rows that are in no rare class."""
    rare = False
    for task, code in enumerate(codes[: memory.classes]):  # label sets are nearly all rare
        known = memory.codes[:, task]
        known = known[known >= 0]
        if code >= 0 and len(known):
            counts = np.bincount(known, minlength=int(code) + 1)
            rare |= bool(counts[code] < RARE * len(known) / max(int((counts > 0).sum()), 1))
    numbers, counts = np.unique(theirs, return_counts=True)
    common = numbers[counts >= max(2, int(np.median(counts)))]
    if not rare or not len(common):
        return None
    cell = np.flatnonzero(theirs == rng.choice(common))
    return memory.features[int(rng.choice(cell))] - memory.features[cell].mean(0)


def _cells(*codes: Ints) -> Ints:
    """A number for every combination of class codes."""
    return np.asarray(np.unique(np.concatenate(codes), axis=0, return_inverse=True)[1]).reshape(-1)


def sets_of(labels: Ints) -> Ints:
    """A number for every label set, ``(N,)`` for labels ``(N, K)`` with -1 = missing; -1 where nothing is known.

    >>> sets_of(np.array([[1, 0], [0, 1], [1, 0], [-1, -1]])).tolist()
    [2, 1, 2, -1]
    """
    numbers = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
    return np.where((labels >= 0).any(axis=1), numbers, -1).astype(np.int64)


def codes_of(labels: Sequence[Ints], n: int) -> Ints:
    """The codes of all tasks with classes or label sets, ``(n, T)``."""
    return np.stack(labels, 1).astype(np.int64) if labels else np.zeros((n, 0), np.int64)

"""Rows of tables, as prepared arrays: values of other rows, noise, values hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from jointset.records import Bools, Floats

if TYPE_CHECKING:
    from torch import Tensor

CHANGES = ("swap", "noise", "hide")


def augmented(
    numbers: Tensor,
    categories: Tensor,
    other: tuple[Tensor, Tensor],
    strength: Mapping[str, Floats],
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """``numbers (b, 2d)`` (standardised values, then what is missing) and ``categories (b, c)`` changed.

    ``other`` are as many random training rows: *swap* takes a share of the columns from them (swap noise), *noise* adds
    Gaussian noise in standard deviations to values that are known, *hide* makes a share of the columns missing.

    >>> import torch
    >>> row = (torch.zeros(1, 4), torch.ones(1, 2, dtype=torch.long))
    >>> changed = augmented(*row, row, {"hide": np.array([1.0])}, np.random.default_rng(0))
    >>> changed[0].tolist(), changed[1].tolist()
    ([[0.0, 0.0, 1.0, 1.0]], [[0, 0]])
    """
    import torch

    n, d, c = len(numbers), numbers.shape[1] // 2, categories.shape[1]
    values, gone = numbers[:, :d].clone(), numbers[:, d:].clone()
    if "swap" in strength:
        cells = _cells(strength["swap"], n, d + c, rng)
        at = torch.from_numpy(cells[:, :d])
        values = torch.where(at, other[0][:, :d], values)
        gone = torch.where(at, other[0][:, d:], gone)
        categories = torch.where(torch.from_numpy(cells[:, d:]), other[1], categories)
    if "noise" in strength:
        size = torch.from_numpy(np.abs(strength["noise"])).float()[:, None]
        values = values + size * torch.from_numpy(rng.standard_normal((n, d), np.float32)) * (gone == 0)
    if "hide" in strength:
        cells = _cells(strength["hide"], n, d + c, rng)
        at = torch.from_numpy(cells[:, :d])
        values, gone = values.masked_fill(at, 0.0), gone.masked_fill(at, 1.0)
        categories = categories.masked_fill(torch.from_numpy(cells[:, d:]), 0)
    return torch.cat([values, gone], 1), categories


def _cells(share: Floats, n: int, columns: int, rng: np.random.Generator) -> Bools:
    return np.asarray(rng.random((n, columns)) < np.abs(share)[:, None])

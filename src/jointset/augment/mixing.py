"""Two rows in one: MixUp of inputs (Zhang et al. 2018) and CutMix (Yun et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jointset.records import Floats, Ints

if TYPE_CHECKING:
    from torch import Tensor


def shares(alpha: Floats, rng: np.random.Generator) -> Floats:
    """The row's own share of a mixture, ``(b,)`` in [½, 1], from Beta(α, α); 1 where α is 0.

    >>> shares(np.array([0.0, 1.0]), np.random.default_rng(0)).round(2) >= 0.5
    array([ True,  True])
    """
    drawn = rng.beta(np.where(alpha > 0, alpha, 1.0), np.where(alpha > 0, alpha, 1.0))
    return np.where(alpha > 0, np.maximum(drawn, 1 - drawn), 1.0).astype(np.float32)


def mixed(x: Tensor, partner: Ints, share: Floats) -> Tensor:
    """``share · x_i + (1 − share) · x_j``, rows ``(b, …)``."""
    import torch

    own = torch.from_numpy(share).to(torch.float32).reshape(-1, *[1] * (x.ndim - 1))
    x = x.to(torch.float32)
    return torch.lerp(x[torch.from_numpy(partner)], x, own)


def pasted(x: Tensor, partner: Ints, share: Floats, rng: np.random.Generator) -> tuple[Tensor, Floats]:
    """Images ``(b, C, h, w)`` with a rectangle of their partner's, and the share of the area that is their own."""
    import torch

    n, _, height, width = x.shape
    h = np.round(height * np.sqrt(1 - share))
    w = np.round(width * np.sqrt(1 - share))
    top, left = np.floor(rng.random(n) * (height - h + 1)), np.floor(rng.random(n) * (width - w + 1))
    rows, columns = np.arange(height), np.arange(width)
    inside = ((rows >= top[:, None]) & (rows < (top + h)[:, None]))[:, :, None]
    inside = inside & ((columns >= left[:, None]) & (columns < (left + w)[:, None]))[:, None, :]
    x = x.to(torch.float32)
    own = (1 - h * w / (height * width)).astype(np.float32)
    return torch.where(torch.from_numpy(inside)[:, None], x[torch.from_numpy(partner)], x), own

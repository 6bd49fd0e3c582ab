"""Images: what spoils pixels: noise, erased rectangles, blur."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from jointset.errors import MissingExtra

if TYPE_CHECKING:
    from torch import Tensor

Pixels = Callable[["Tensor", "Tensor", np.random.Generator], "Tensor"]


def noise(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """Gaussian noise of standard deviation ``m``."""
    import torch

    return x + m[:, None, None, None] * torch.from_numpy(rng.standard_normal(x.shape, np.float32))


def erase(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """A rectangle of a share ``m`` of the area, sides within 1 : 2, made black (Zhong et al. 2020)."""
    import torch

    n, _, height, width = x.shape
    ratio = np.exp(rng.uniform(-np.log(2) / 2, np.log(2) / 2, n))
    h = np.clip(np.round(np.sqrt(m.numpy() * height * width * ratio)), 1, height)
    w = np.clip(np.round(m.numpy() * height * width / h), 1, width)
    top, left = rng.random(n) * (height - h + 1) // 1, rng.random(n) * (width - w + 1) // 1
    rows, columns = np.arange(height), np.arange(width)
    inside = ((rows >= top[:, None]) & (rows < (top + h)[:, None]))[:, :, None]
    inside = inside & ((columns >= left[:, None]) & (columns < (left + w)[:, None]))[:, None, :]
    return x.masked_fill(torch.from_numpy(inside)[:, None], 0.0)


def blur(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """A Gaussian of standard deviation ``m`` pixels."""
    try:
        from kornia.filters import gaussian_blur2d
    except ImportError:
        raise MissingExtra("kornia", "image", "augmenting images") from None
    size = min(2 * int(np.ceil(2.0 * float(m.max()))) + 1, 2 * ((min(x.shape[2:]) - 1) // 2) + 1)
    return gaussian_blur2d(x, (size, size), m[:, None].expand(-1, 2))


PIXELS: dict[str, Pixels] = {"noise": noise, "erase": erase, "blur": blur}

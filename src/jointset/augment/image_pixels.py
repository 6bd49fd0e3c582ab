"""Images: what spoils pixels: noise, erased rectangles, blur."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from jointset.errors import MissingExtra
from jointset.records import Floats, Ints

if TYPE_CHECKING:
    from torch import Tensor

Pixels = Callable[..., "Tensor"]


def noise(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """Gaussian noise of standard deviation ``m``."""
    import torch

    return x + m[:, None, None, None] * torch.from_numpy(rng.standard_normal(x.shape, np.float32))


def erase(x: Tensor, m: Tensor, rng: np.random.Generator, fill: str = "zero") -> Tensor:
    """A rectangle of a share ``m`` of the area, sides within 1 : 2, taken out (Zhong et al. 2020).

    What stands there instead is ``fill``: black (zero), the image's mean, the pixel at the nearer side of the rectangle
    in the same line (edge), or what lies beyond that side, mirrored (reflect). Where nothing is left of a line, the
    latter two are black.
    """
    import torch

    n, _, height, width = x.shape
    ratio = np.exp(rng.uniform(-np.log(2) / 2, np.log(2) / 2, n))
    h = np.clip(np.round(np.sqrt(m.numpy() * height * width * ratio)), 1, height)
    w = np.clip(np.round(m.numpy() * height * width / h), 1, width)
    top, left = rng.random(n) * (height - h + 1) // 1, rng.random(n) * (width - w + 1) // 1
    rows, columns = np.arange(height), np.arange(width)
    inside = ((rows >= top[:, None]) & (rows < (top + h)[:, None]))[:, :, None]
    inside = inside & ((columns >= left[:, None]) & (columns < (left + w)[:, None]))[:, None, :]
    if fill == "mean":
        instead = x.mean((2, 3), keepdim=True).expand_as(x)
    elif fill == "zero":
        instead = torch.zeros_like(x)
    else:
        place = torch.from_numpy(_beside(left[:, None], w[:, None], width, mirrored=fill == "reflect"))
        instead = x.gather(3, place[:, None, None, :].expand_as(x))
        instead = instead.masked_fill(torch.from_numpy(w == width)[:, None, None, None], 0.0)
    return torch.where(torch.from_numpy(inside)[:, None], instead, x)


def _beside(left: Floats, w: Floats, width: int, *, mirrored: bool) -> Ints:
    """For every column of n images ``(n, width)`` the one outside the rectangle that stands for it.

    >>> _beside(np.array([[2]]), np.array([[2]]), 6, mirrored=False)[0, 2:4].tolist()
    [1, 4]
    >>> _beside(np.array([[2]]), np.array([[4]]), 6, mirrored=True)[0, 2:].tolist()
    [1, 0, 0, 0]
    """
    columns = np.arange(width)[None, :]
    right = left + w  # the first column beyond
    to_left, to_right = columns - left + 1, right - columns
    nearer = (left > 0) & ((to_left <= to_right) | (right >= width))
    if mirrored:
        found = np.where(nearer, left - to_left, right + to_right - 1)
    else:
        found = np.where(nearer, left - 1, right)
    return np.clip(found, 0, width - 1).astype(np.int64)


def blur(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """A Gaussian of standard deviation ``m`` pixels."""
    try:
        from kornia.filters import gaussian_blur2d
    except ImportError:
        raise MissingExtra("kornia", "image", "augmenting images") from None
    size = min(2 * int(np.ceil(2.0 * float(m.max()))) + 1, 2 * ((min(x.shape[2:]) - 1) // 2) + 1)
    return gaussian_blur2d(x, (size, size), m[:, None].expand(-1, 2))


PIXELS: dict[str, Pixels] = {"noise": noise, "erase": erase, "blur": blur}

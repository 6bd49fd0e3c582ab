"""Images: every operation on a batch, each image with a strength of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from jointset.augment.image_colour import COLOURS
from jointset.augment.image_geometry import GEOMETRY, moved
from jointset.augment.image_pixels import PIXELS
from jointset.records import Floats

if TYPE_CHECKING:
    from torch import Tensor

MIXED = ("mixup", "cutmix")  # of two rows, and of their labels


def augmented(pixels: Tensor, strength: Mapping[str, Floats], fill: str, rng: np.random.Generator) -> Tensor:
    """``pixels (b, C, h, w)`` of 0 … 255 changed, as float32; ``strength[operation]`` is ``(b,)``, 0 = not done.

    All operations that move pixels are one map, so that an image is read off once and stays sharp; then come colours,
    then what spoils pixels.

    >>> import torch
    >>> white = torch.full((2, 1, 8, 8), 255, dtype=torch.uint8)
    >>> changed = augmented(white, {"erase": np.array([0.0, 0.25])}, "zero", np.random.default_rng(0))
    >>> [bool((image == 0).any()) for image in changed]
    [False, True]
    """
    import torch

    x = pixels.to(torch.float32) / 255.0
    if any(name in strength for name in GEOMETRY):
        x = moved(x, strength, fill, rng)
    tables: tuple[Mapping[str, Callable[..., Tensor]], ...] = (COLOURS, PIXELS)
    for table in tables:
        for name, operation in table.items():
            on = np.flatnonzero(strength[name]) if name in strength else np.empty(0, np.int64)
            if len(on):
                rows = torch.from_numpy(on)
                how = {"fill": fill} if name == "erase" else {}
                changed = operation(x[rows], torch.from_numpy(strength[name][on]).to(x.dtype), rng, **how)
                x = x.index_copy(0, rows, changed)
    return x.clamp(0.0, 1.0) * 255.0

"""Operations on images whose result can be differentiated by their strength."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

AFFINE = ("rotate", "scale", "translate", "shear")
COLOUR: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "brightness": lambda x, m: x + m,
    "contrast": lambda x, m: (
        (x - x.mean((1, 2, 3), keepdim=True)) * (1 + m) + x.mean((1, 2, 3), keepdim=True)
    ),
    "noise": lambda x, m: x + m * torch.randn_like(x),
}
SMOOTH = (*AFFINE, *COLOUR)


def smoothly(x: Tensor, strength: Mapping[str, Tensor]) -> Tensor:
    """``x (b, C, h, w)`` of 0 … 255 under operations of signed strengths ``(b,)``, with gradients to the strengths.

    >>> turn = torch.tensor([10.0], requires_grad=True)
    >>> ramp = torch.arange(64.0).reshape(1, 1, 8, 8)
    >>> smoothly(ramp, {"rotate": turn})[0, 0, 2, 5].backward()
    >>> bool(turn.grad.abs() > 0)
    True
    """
    zero = torch.zeros(len(x))
    s = {n: strength.get(n, zero) for n in AFFINE}
    x = x.to(torch.float32) / 255.0
    if any(n in strength for n in AFFINE):
        angle, slant = torch.deg2rad(s["rotate"]), torch.tan(torch.deg2rad(s["shear"]))
        size = torch.exp(-s["scale"])  # target to source
        cos, sin = size * torch.cos(angle), size * torch.sin(angle)
        turn = 2 * torch.pi * torch.rand(len(x))
        dx, dy = 2 * s["translate"] * torch.cos(turn), 2 * s["translate"] * torch.sin(turn)
        top = torch.stack([cos, slant * cos - sin, dx], 1)
        bottom = torch.stack([sin, slant * sin + cos, dy], 1)
        grid = torch.nn.functional.affine_grid(
            torch.stack([top, bottom], 1), list(x.shape), align_corners=False
        )
        x = torch.nn.functional.grid_sample(x, grid, align_corners=False)
    for name, change in COLOUR.items():
        if name in strength:
            x = change(x, strength[name][:, None, None, None])
    return x.clamp(0.0, 1.0) * 255.0

"""The network of the image encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GRID = 4  # cells a side at most, of 2 × 2 or more: the map from features to ``width`` knows where one was


class Residual(nn.Module):
    """Two 3 × 3 convolutions with batch norm and a shortcut (He et al. 2016, fig. 2)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(b, n_in, h, w)`` → ``(b, n_out, h/stride, w/stride)``."""
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNetModule(nn.Module):
    """``pixels (b, C, s, s) uint8`` → ``(b, width)``, from the maximum over the picture and the means of its cells.

    >>> ResNetModule(1, 8, (8, 16), 6)(torch.zeros(2, 1, 8, 8, dtype=torch.uint8)).shape
    torch.Size([2, 6])
    """

    def __init__(self, channels: int, size: int, widths: Sequence[int], width: int) -> None:
        super().__init__()
        stages: list[nn.Module] = [
            nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        side, n_in = size, widths[0]
        for i, n_out in enumerate(widths):
            stride = 2 if i and side >= 4 else 1
            stages.append(Residual(n_in, n_out, stride))
            side, n_in = -(-side // stride), n_out
        self.stages = nn.Sequential(*stages)
        self.grid = max(1, min(GRID, side // 2))
        self.out = nn.Linear(n_in * (self.grid**2 + 1), width)
        self.stage_widths = {"stem": 2 * widths[0]} | {f"stage{i}": 2 * n for i, n in enumerate(widths, 1)}

    def forward(self, pixels: Tensor) -> Tensor:
        """``(b, C, s, s)`` → ``(b, width)``."""
        return self.staged((), pixels)[0]

    def staged(self, names: Collection[str], pixels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(b, C, s, s)`` → ``(b, width)``, and the mean and maximum of the stages ``names``, ``(b, 2c)``."""
        x = (pixels.to(torch.float32) - 127.5) / 64.0
        found = {}
        stem = len(self.stages) - len(self.stage_widths) + 1
        parts = [self.stages[:stem], *self.stages[stem:].children()]
        for part, name in zip(parts, self.stage_widths, strict=True):
            x = part(x)  # (b, c, s', s')
            if name in names:
                found[name] = _pooled(x)
        cells = F.adaptive_avg_pool2d(x, self.grid).flatten(1)  # (b, c · grid²)
        return self.out(torch.cat([cells, x.amax((2, 3))], 1)), found


def _pooled(x: Tensor) -> Tensor:
    """``(b, c, s, s)`` → ``(b, 2c)``."""
    return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)

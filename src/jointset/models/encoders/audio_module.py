"""The network of the audio encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MaskedNorm(nn.BatchNorm2d):
    """Batch norm over the frames that belong to a clip: padding changes neither statistics nor values."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """``(b, c, t, f), (b, 1, t, 1)`` → ``(b, c, t, f)``, zero where the mask is."""
        if self.training:
            count = mask.sum() * x.shape[3]
            mean = (x * mask).sum((0, 2, 3)) / count
            centred = (x - mean[:, None, None]) * mask
            variance = centred.square().sum((0, 2, 3)) / count
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * count / (count - 1).clamp(min=1), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, variance = self.running_mean, self.running_var
        scale = self.weight * (variance + self.eps).rsqrt()
        return ((x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]) * mask


class MelCNNModule(nn.Module):
    """``mel (b, t, mels) uint8`` and ``lengths (b,)`` → ``(b, width)``."""

    def __init__(self, mels: int, widths: Sequence[int], dropout: float, width: int) -> None:
        super().__init__()
        ins = [1, *widths[:-1]]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, 5 if i == 1 else 3, 2, 2 if i == 1 else 1, bias=False)
            for i, o in zip(ins, widths, strict=True)
        )
        self.norms = nn.ModuleList(MaskedNorm(o) for o in widths)
        bands = mels
        for _ in widths:
            bands = -(-bands // 2)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(widths[-1] * bands * 2, width)

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """``(b, t, mels), (b,)`` → ``(b, width)``."""
        mask = (torch.arange(mel.shape[1], device=mel.device) < lengths[:, None]).float()[:, None, :, None]
        x = self.scaled(mel.float()[:, None], mask)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            lengths = (lengths + 1) // 2
            x = convolution(x)
            mask = (torch.arange(x.shape[2], device=mel.device) < lengths[:, None]).float()[:, None, :, None]
            x = torch.relu(norm(x, mask))
        mean = x.sum(2) / lengths.clamp(min=1)[:, None, None]  # (b, c, f)
        pooled = torch.cat([mean, x.amax(2)], 1)
        return self.out(self.dropout(pooled.flatten(1)))

    @staticmethod
    def scaled(x: Tensor, mask: Tensor) -> Tensor:
        """Mean 0, deviation 1 within each clip."""
        count = (mask.sum((1, 2, 3)) * x.shape[3]).clamp(min=1)[:, None, None, None]
        mean = (x * mask).sum((2, 3), keepdim=True) / count
        centred = (x - mean) * mask
        deviation = (centred.square().sum((2, 3), keepdim=True) / count).sqrt()
        return centred / (deviation + 1.0)

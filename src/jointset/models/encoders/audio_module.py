"""The network of the audio encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

FRAMES = 1 << 16  # frames predicted at once: a thousand clips of ten seconds would take gigabytes


class ClipNorm(nn.BatchNorm2d):
    """Batch norm (Ioffe & Szegedy 2015) over the frames of clips only: padding counts in no statistic."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """``(b, c, t, f)``, zero beyond each clip's end, and ``(b, 1, t, 1)`` of 1 and 0 → ``(b, c, t, f)``."""
        mean, variance = self.running_mean, self.running_var
        assert mean is not None and variance is not None
        if self.training:
            count = (mask.sum() * x.shape[3]).clamp(min=1)
            mean = x.sum((0, 2, 3)) / count
            variance = (x.square().sum((0, 2, 3)) / count - mean.square()).clamp(min=0)
            self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return torch.addcmul((self.bias - mean * scale)[:, None, None], x, scale[:, None, None])

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


class MelCNNModule(nn.Module):
    """``mel (b, t, mels) uint8``, with ``lengths (b,)`` in frames → ``(b, width)``.

    One convolution over time and frequency that halves both, of which the larger response of two neighbouring bands is
    kept, so that a voice may be a little higher; then convolutions over time alone, each after the first halving it;
    then the mean and the maximum over time. What lies beyond a clip's end changes nothing.

    >>> module = MelCNNModule(8, 4, (6, 8), 0.0, 6)
    >>> module(torch.zeros(2, 5, 8, dtype=torch.uint8), torch.tensor([5, 3])).shape
    torch.Size([2, 6])
    """

    def __init__(self, mels: int, channels: int, widths: Sequence[int], dropout: float, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 5, 2, 2, bias=False)
        # One channel in: only a weight of these strides lets the layer take the fast way (1.4 ms a step, not 5.3).
        self.first.weight.data = self.first.weight.data.to(memory_format=torch.channels_last)
        self.first_norm = ClipNorm(channels)
        self.neighbours = nn.MaxPool2d((1, 2), ceil_mode=True)
        n_in = channels * -(-mels // 4)
        self.stage_widths = {"stem": 2 * n_in} | {f"stage{i}": 2 * n for i, n in enumerate(widths, 1)}
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        for n_out in widths:
            stride = 2 if len(self.convolutions) else 1
            self.convolutions.append(nn.Conv1d(n_in, n_out, 5, stride, 2, bias=False))
            self.norms.append(ClipNorm(n_out))
            n_in = n_out
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(2 * n_in, width)
        self.in_parts = True  # predict many frames a part at a time

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """``(b, t, mels), (b,)`` → ``(b, width)``."""
        return self.staged((), mel, lengths)[0]

    def staged(
        self, names: Collection[str], mel: Tensor, lengths: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The same, and the mean and maximum over time of the stages ``names``, ``(b, 2c)``."""
        if self.in_parts and not self.training and len(mel) > 1 and len(mel) * mel.shape[1] > FRAMES:
            half = len(mel) // 2
            parts = ((mel[:half], lengths[:half]), (mel[half:], lengths[half:]))
            pairs = [self.staged(names, m[:, : max(int(n.max()), 1)], n) for m, n in parts]
            found = {s: torch.cat([f[s] for _, f in pairs]) for s in names}
            return torch.cat([out for out, _ in pairs]), found
        x = _standardised(mel.to(torch.float32)[:, None], _inside(lengths, mel.shape[1]))  # (b, 1, t, mels)
        x, lengths = self.first(x.contiguous(memory_format=torch.channels_last)), (lengths + 1) // 2
        x = self.neighbours(self._bent(x, lengths, self.first_norm))  # (b, c, t / 2, mels / 4)
        x = x.transpose(2, 3).flatten(1, 2)[..., None]  # (b, c · mels / 4, t / 2, 1)
        found = {"stem": _pooled(x, lengths)} if "stem" in names else {}
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            lengths = (lengths + 1) // 2 if i else lengths
            x = self._bent(convolution(x[..., 0])[..., None], lengths, norm)  # (b, c', t', 1)
            if (name := f"stage{i + 1}") in names:
                found[name] = _pooled(x, lengths)
        return self.out(self.dropout(_pooled(x, lengths))), found

    @staticmethod
    def _bent(x: Tensor, lengths: Tensor, norm: nn.Module) -> Tensor:
        """Normed, and zero where negative or beyond the end."""
        mask = _inside(lengths, x.shape[2])
        return torch.relu(norm(x * mask, mask)) * mask


def _pooled(x: Tensor, lengths: Tensor) -> Tensor:
    """``(b, c, t, 1)``, zero beyond each clip's end → mean and maximum over time, ``(b, 2c)``."""
    x = x[..., 0]
    return torch.cat([x.sum(2) / lengths.clamp(min=1)[:, None], x.amax(2)], 1)


def _inside(lengths: Tensor, frames: int) -> Tensor:
    """1 in a clip's frames, 0 beyond, ``(b, 1, frames, 1)``."""
    inside = torch.arange(frames, device=lengths.device) < lengths[:, None]
    return inside.to(torch.float32)[:, None, :, None]


def _standardised(x: Tensor, mask: Tensor) -> Tensor:
    """Mean zero, deviation one within each clip, zero beyond; a silent clip is zero throughout."""
    count = (mask.sum((1, 2, 3), keepdim=True) * x.shape[3]).clamp(min=1)
    centred = (x - (x * mask).sum((2, 3), keepdim=True) / count) * mask
    deviation = (centred.square().sum((2, 3), keepdim=True) / count).sqrt()
    return centred / (deviation + 1.0)

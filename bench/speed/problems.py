"""Models with heads, and batches: what a step is timed on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 10


@dataclass
class Problem:
    """A trunk, a linear head a task, and a batch; ``rows[k]`` are those task k is labelled on, all if ``None``."""

    trunk: nn.Module
    heads: nn.ModuleList
    inputs: Tensor
    labels: Tensor
    rows: list[Tensor] | None

    def losses(self, z: Tensor) -> list[Tensor]:
        """The cross-entropy of each task."""
        rows = self.rows or [slice(None)] * len(self.heads)
        given = enumerate(zip(self.heads, rows, strict=True))
        return [F.cross_entropy(head(z[r]), self.labels[k][r]) for k, (head, r) in given]

    def parameters(self) -> list[Tensor]:
        """All of them."""
        return [*self.trunk.parameters(), *self.heads.parameters()]

    def double(self) -> Problem:
        """The same in float64; the model and floating inputs are changed."""
        inputs = self.inputs.double() if self.inputs.is_floating_point() else self.inputs
        return Problem(self.trunk.double(), self.heads.double(), inputs, self.labels, self.rows)

    def owners(self) -> Tensor | None:
        """The task of every row, where each has one."""
        if self.rows is None:
            return None
        found = torch.empty(len(self.inputs), dtype=torch.long)
        for k, rows in enumerate(self.rows):
            found[rows] = k
        return found


class Residual(nn.Module):
    """Two convolutions with batch norm and a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Transformer(nn.Module):
    """Tokens, places, and layers of attention; the mean over the tokens."""

    def __init__(self, words: int, width: int, layers: int, length: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Parameter(0.02 * torch.randn(length, width))
        # without dropout: one of the peers runs every layer twice
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.layers(self.words(ids) + self.places).mean(1)


def mlp() -> tuple[nn.Module, Tensor, int]:
    """The trunk 512-1024-1024-512 and a batch of 256."""
    sizes = (512, 1024, 1024, 512)
    layers = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers), torch.randn(256, sizes[0]), sizes[-1]


def resnet() -> tuple[nn.Module, Tensor, int]:
    """Three stages of 16, 32 and 64 channels with batch norm; 64 images of 16 × 16."""
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    stages = [Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*stem, *stages, *pool), torch.randn(64, 3, 16, 16), 64


def transformer() -> tuple[nn.Module, Tensor, int]:
    """Two layers of width 128; 32 texts of 32 tokens."""
    return Transformer(2000, 128, 2, 32), torch.randint(0, 2000, (32, 32)), 128


MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor, int]]] = {
    "mlp": mlp,
    "resnet": resnet,
    "transformer": transformer,
}


def make(model: str, tasks: int, *, disjoint: bool) -> Problem:
    """The problem, the same at every call."""
    torch.manual_seed(0)
    trunk, inputs, width = MODELS[model]()
    heads = nn.ModuleList(nn.Linear(width, CLASSES) for _ in range(tasks))
    labels = torch.randint(0, CLASSES, (tasks, len(inputs)))
    rows = [torch.arange(k, len(inputs), tasks) for k in range(tasks)] if disjoint else None
    return Problem(trunk, heads, inputs, labels, rows)

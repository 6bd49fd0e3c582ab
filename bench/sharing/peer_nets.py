"""The networks that the peer's architectures are given: this project's encoders, blocks and heads in their form.

An architecture of LibMTL wants a class of encoders that reads one tensor of fixed size; those that look inside look for
the parts of a ResNet, ``conv1, bn1, relu, maxpool, layer1 … layer4``. It stands in one of two places:

- ``whole``: every expert and column is a network from the input on, as LibMTL documents it. A table is its numbers and
  one-hot categories side by side, an image its standardised pixels; that is what gates read, too.
- ``above``: one encoder for all, outside of the architecture; experts are trunks, and gates read its output, as ours
  do. A text, of whatever length and with a table of 2²⁰ n-grams, can be read in no other way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jointset.models.encoders.image_module import ResNetModule
from jointset.models.encoders.tabular_module import TabularModule
from jointset.models.inputs import Batch
from jointset.models.sharing.blocks import Block, stack
from jointset.tasks import KINDS
from jointset.training.problem import Problem

EXPERTS = 4  # as many as ours have: of MMoE and DSelect-k, then of CGC and PLE, shared and for each task
SHARED, OWN = 2, 1
CHOSEN = 2  # experts that DSelect-k may end with


class Stages(nn.Module):
    """A network in the parts of a ResNet; those that are not there pass their input on."""

    PARTS = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name in self.PARTS:
            self.add_module(name, parts.get(name) or nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        """``(b, …)`` → ``(b, width)``."""
        for part in self.children():
            x = part(x)
        return x


class Columns(nn.Module):
    """The encoder of tables, of one tensor: numbers, then every category one-hot, ``(b, d + Σ sizes)``."""

    def __init__(self, module: TabularModule) -> None:
        super().__init__()
        self.module = module
        weights = [e.weight for e in module.embeddings]
        numbers = module.hidden.in_features - sum(w.shape[1] for w in weights)
        self.sizes = [numbers, *(len(w) for w in weights)]

    def forward(self, x: Tensor) -> Tensor:
        """``(b, d + Σ sizes)`` → ``(b, width)``."""
        numbers, *hot = x.split(self.sizes, 1)
        embedded = [h @ e.weight for h, e in zip(hot, self.module.embeddings, strict=True)]
        x = torch.cat([numbers, *embedded], 1)
        return self.module.skip(x) + self.module.out(torch.relu(self.module.hidden(x)))

    def packed(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """The one tensor, out of what the encoder reads."""
        hot = [F.one_hot(c, n) for c, n in zip(categories.T, self.sizes[1:], strict=True)]
        return torch.cat([numbers, *(h.to(numbers.dtype) for h in hot)], 1)


class Cells(nn.Module):
    """What ends the encoder of images: the means of the picture's cells and its maximum, mapped to the width."""

    def __init__(self, module: ResNetModule) -> None:
        super().__init__()
        self.grid, self.out = module.grid, module.out

    def forward(self, x: Tensor) -> Tensor:
        """``(b, c, s, s)`` → ``(b, width)``."""
        cells = F.adaptive_avg_pool2d(x, self.grid).flatten(1)
        return self.out(torch.cat([cells, x.amax((2, 3))], 1))


def standardised(pixels: Tensor) -> Tensor:
    """Pixels as the encoder of images has them."""
    return (pixels.to(torch.float32) - 127.5) / 64.0


def in_stages(encoder: nn.Module, trunk: nn.Module) -> Stages:
    """An encoder and the trunk above it, in the parts of a ResNet."""
    if isinstance(encoder, TabularModule):
        return Stages(conv1=Columns(encoder), layer1=trunk)
    if not isinstance(encoder, ResNetModule) or len(encoder.stages) != 5:
        raise ValueError(f"{type(encoder).__name__} is no table's and no image's of two stages")
    conv, norm, relu, first, second = encoder.stages
    return Stages(
        conv1=conv, bn1=norm, relu=relu, layer1=first, layer2=second, layer3=Cells(encoder), layer4=trunk
    )


def trunks(way: str, width: int, depth: int, dropout: float) -> dict[str, nn.Module]:
    """The layers above the encoder: as ours, a linear map near the identity where experts have no layer."""
    if way == "PLE":  # an expert of every level is a layer
        return {f"layer{i + 1}": Block(width, dropout=dropout) for i in range(depth)}
    if way == "HPS" and not depth:
        return {}
    return {"layer1": stack(width, depth, dropout)}


def options(way: str, shape: list[int], tasks: int) -> dict[str, Any]:
    """Keywords of an architecture: sizes as ours by default."""
    experts = [SHARED, *[OWN] * tasks] if way in ("CGC", "PLE") else [EXPERTS]
    gated = {"img_size": shape, "num_experts": experts}
    return {
        "HPS": {},
        "Cross_stitch": {},
        "DSelect_k": {**gated, "num_nonzeros": CHOSEN, "kgamma": 1.0},
    }.get(way, gated)


class PeerModel(nn.Module):
    """An architecture and a weighting of the peer's, between what reads a batch and our heads.

    The heads are handed over after the architecture is made, so that random weights come in the order of our models':
    with HPS above one encoder, they are those of ``hard``.

    Parameters
    ----------
    problem : whose one encoder is used, and whose tasks have heads.
    architecture, weighting : the peer's classes.
    place : ``whole`` or ``above``.
    depth : layers of the trunk.
    several : whether every task has inputs of its own (``multi_input``).
    """

    def __init__(
        self, problem: Problem, architecture: type, weighting: type, *, place: str, depth: int, several: bool
    ) -> None:
        super().__init__()
        plan, inputs = problem.plan, problem.inputs
        self.tasks, self.width = problem.tasks, plan.width
        ((self.modality, encoder),) = inputs.encoders.items()
        make = partial(encoder.module, inputs.states[self.modality], plan.width)
        if place == "above":
            self.encoder: nn.Module = make()
            layers = partial(trunks, architecture.__name__, plan.width, depth, plan.dropout)
        else:
            self.encoder = Packer(packing(make()))
        shape = list(self.read(inputs.batch(np.zeros(1, np.int64)), 1).shape[1:])

        def network() -> nn.Module:
            if place == "above":
                return Stages(**layers())
            return in_stages(make(), stack(plan.width, depth, plan.dropout))

        names = [t.name for t in problem.tasks]
        joined = type("Joined", (architecture, weighting), {})  # as LibMTL's trainer joins them
        given = options(architecture.__name__, shape, len(names))
        self.net = joined(names, network, nn.ModuleDict(), False, several, torch.device("cpu"), **given)
        self.net.init_param()
        heads = {t.name: KINDS[t.kind].head(t, plan.width) for t in problem.tasks}
        self.net.decoders = nn.ModuleDict(heads)

    def read(self, batch: Batch, n: int) -> Tensor:
        """What the architecture reads of ``n`` rows, ``(n, …)``; a row without an input is zeros."""
        where, tensors = batch[self.modality]
        x = self.encoder(**tensors)
        return x.new_zeros(n, *x.shape[1:]).index_add(0, where, x)

    def forward(self, batch: Batch, n: int) -> tuple[dict[str, Tensor], Tensor]:
        """Logits by task, and nothing in the place of an embedding; for :func:`jointset.training.evaluate.predict`."""
        x = self.read(batch, n)
        return self.net(x), x.new_zeros(n, self.width)

    def informed(self, logits: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The logits, as no task reads another's labels."""
        return dict(logits)

    def headed(self) -> list[tuple[Any, Any]]:
        """Every task with its head."""
        return [(t, self.net.decoders[t.name]) for t in self.tasks]


class Packer(nn.Module):
    """A function of a batch's tensors, in the place of an encoder."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, **tensors: Tensor) -> Tensor:
        """``(b, …)``."""
        return self.function(**tensors)


def packing(encoder: nn.Module) -> Callable[..., Tensor]:
    """What makes one tensor of fixed size of that which the encoder reads."""
    return Columns(encoder).packed if isinstance(encoder, TabularModule) else standardised

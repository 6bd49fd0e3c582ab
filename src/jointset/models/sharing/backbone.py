"""Small modules of each task's own inside a pretrained backbone that all tasks share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from jointset.errors import ConfigError, nearest
from jointset.models.sharing.base import Part, Sharing
from jointset.models.sharing.blocks import Block


class Adapted(Sharing):
    """A backbone that each task changes a little, and one trunk behind it.

    A row goes through the backbone once a task. The backbone is frozen, unless ``model.text.backbone_lr`` says how fast
    it learns.
    """

    of_tasks: ClassVar[bool] = True
    what: ClassVar[str]  # how the additions are called

    def __init__(
        self, tasks: Sequence[str], *, width: int, depth: int, dropout: float, targets: Sequence[str]
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, columns=len(tasks))
        self.layers = nn.ModuleList(Block(width, dropout=dropout) for _ in range(depth))
        self.targets = tuple(targets)
        self._own: list[list[nn.Module]] = [[] for _ in tasks]

    @abstractmethod
    def addition(self, layer: nn.Linear) -> nn.Module:
        """What one task adds behind a linear layer: a module of its input and output."""

    @classmethod
    def unfit(cls, encoders: Iterable[str]) -> ConfigError:
        """That none of these encoders has a backbone."""
        return ConfigError(
            f"model.sharing: {cls.what} need a pretrained backbone, and there is none among the encoders "
            f"({', '.join(encoders)}); set model.text.encoder: huggingface, or take another way of sharing"
        )

    def adapt(self, encoders: nn.ModuleDict) -> None:
        """See :meth:`Sharing.adapt`: the additions become part of the backbone."""
        wrapped = [m for m in encoders.values() if hasattr(m, "backbone")]
        if not wrapped:
            raise self.unfit(encoders)
        for encoder in wrapped:
            for additions in self._insert(encoder):
                for own, addition in zip(self._own, additions, strict=True):
                    own.append(addition)

    def _insert(self, encoder: Any) -> list[nn.ModuleList]:
        if encoder.rate is None:
            encoder.backbone.requires_grad_(False)
        encoder.columns = self.columns
        made = []
        for name in _matching(encoder.backbone, self.targets):
            parent, _, last = name.rpartition(".")
            owner = encoder.backbone.get_submodule(parent)
            base = getattr(owner, last)
            layer = PerColumn(base, [self.addition(base) for _ in range(self.columns)])
            setattr(owner, last, layer)
            made.append(layer.additions)
        return made

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: the columns; each is one task's."""
        x = self.spread(x)
        for layer in self.layers:
            x = layer(x)
        return (x,)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        return dict(zip(self.tasks, shared[0], strict=True))

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        own = [Part(self.what, (t,), tuple(m)) for t, m in zip(self.tasks, self._own, strict=True) if m]
        return [Part("trunk", self.tasks, (self.layers,)), *own]


class PerColumn(nn.Module):
    """A linear layer of the backbone with an addition for each column of a batch ``(columns · b, …)``.

    An addition is called with the layer's input and output of its own column and returns the new output.
    """

    learning_rates = {"additions": None}  # noqa: RUF012 they learn at the usual rate, whatever the backbone's is

    def __init__(self, base: nn.Linear, additions: Sequence[nn.Module]) -> None:
        super().__init__()
        self.base = base
        self.additions = nn.ModuleList(additions)

    def forward(self, x: Tensor) -> Tensor:
        """``(columns · b, …, in)`` → ``(columns · b, …, out)``."""
        columns = (len(self.additions), -1)
        parts = zip(self.additions, x.unflatten(0, columns), self.base(x).unflatten(0, columns), strict=True)
        return torch.cat([addition(own, out) for addition, own, out in parts])


def _matching(backbone: nn.Module, targets: Sequence[str]) -> list[str]:
    linear = [name for name, module in backbone.named_modules() if isinstance(module, nn.Linear)]
    found = [name for name in linear if any(f".{name}".endswith(f".{t}") for t in targets)]
    if not found:
        ends = list(dict.fromkeys(".".join(name.split(".")[-2:]) for name in linear))
        raise ConfigError(
            f"model.sharing.targets: the backbone has no linear layer that ends in {', '.join(targets)}"
            f"{nearest(targets[0], ends)}; its layers end in {', '.join(ends[:12])}"
        )
    return found

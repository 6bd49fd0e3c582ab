"""What the ways of sharing with one column a task have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Apart, Part, Sharing
from jointset.models.sharing.blocks import stack


class Columns(Sharing):
    """One stack of layers a task, ``layers[t][j]``, and, unless they are heavy, encoders of its own.

    Subclasses say what passes between the columns. Without a layer (depth 0) a column is one linear map that starts
    near the identity.
    """

    papers: ClassVar[Literal["shared", "separate"]] = "separate"
    of_tasks: ClassVar[bool] = True

    def __init__(
        self, tasks: Sequence[str], *, width: int, depth: int, dropout: float, encoders: Apart = "auto"
    ) -> None:
        super().__init__(
            tasks, width=width, depth=depth, dropout=dropout, columns=len(tasks), encoders=encoders
        )
        self.layers = nn.ModuleList(stack(width, depth, dropout) for _ in tasks)
        if self.aligned:
            for other in self.layers[1:]:
                other.load_state_dict(self.layers[0].state_dict())

    @property
    def depth(self) -> int:
        """Layers of a column, at least one."""
        return len(self.layers[0])  # type: ignore[arg-type]

    def level(self, j: int, x: Tensor) -> Tensor:
        """Layer j of every column, ``(columns, b, width)`` → the same."""
        return torch.stack([layers[j](column) for layers, column in zip(self.layers, x, strict=True)])  # type: ignore[index]

    def column_parts(self) -> list[Part]:
        """One part a column."""
        return [Part("column", who, (own,)) for own, who in zip(self.layers, self.readers(), strict=True)]


class Separate(Columns):
    """Columns that meet in the encoders at most; only ``penalty`` or ``before_step`` tie them together."""

    aligned: ClassVar[bool] = True

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: the encoders' output is all that the tasks have in common."""
        return (x,)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        columns = self.spread(shared[0])
        return {t: own(x) for t, own, x in zip(self.tasks, self.layers, columns, strict=True)}

    def readers(self) -> list[tuple[str, ...]]:
        """See :meth:`Sharing.readers`."""
        return [(t,) for t in self.tasks]

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        return self.column_parts()


def alike(groups: Sequence[Sequence[nn.Module]]) -> Iterator[list[Tensor]]:
    """The parameters that stand at one place in the modules of a group, place by place.

    Frozen ones are left out, and tables with sparse gradients: what touches every row at every step costs more
    than the rest of it.
    """
    for group in groups:
        sparse = {
            f"{prefix}.{name}" if prefix else name
            for prefix, module in group[0].named_modules()
            for name in getattr(module, "sparse_parameters", ())
        }
        named = [dict(module.named_parameters()) for module in group]
        for name, first in named[0].items():
            if name not in sparse and first.requires_grad:
                yield [own[name] for own in named]

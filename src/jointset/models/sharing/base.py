"""What every way of sharing is: a row's vectors in, one vector per row and task out.

A way of sharing has two halves, cut where the tasks part: ``trunk`` makes what all tasks read, ``branches`` what each
task makes of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

Apart = Literal["auto", "shared", "separate"]


@dataclass(frozen=True)
class Part:
    """Some of a model's parameters, and the tasks whose losses train them.

    ``what`` names the part; parts of one name are counted together. ``modules`` hold its parameters.
    """

    what: str
    tasks: tuple[str, ...]
    modules: tuple[nn.Module, ...]

    def parameters(self) -> list[nn.Parameter]:
        """Its parameters, each once."""
        return list({id(p): p for m in self.modules for p in m.parameters()}.values())


class Sharing(nn.Module, ABC):
    """The structure between the encoders and the heads.

    Some structures work in columns, one for each task or expert. A modality then has either one encoder, whose vectors
    all columns start from, or one encoder a column; see :meth:`apart`.

    Parameters
    ----------
    tasks : names of the tasks.
    width : features of a row, at the input and, for every task, at the output.
    depth : layers.
    dropout : share of features dropped while training, in [0, 1).
    columns : how many vectors of a row the structure can take.
    encoders : whether a modality has one encoder (shared), one a column (separate), or what ``papers`` says (auto).
    """

    usual_depth: ClassVar[int] = 1  # layers where the user says nothing
    papers: ClassVar[Literal["shared", "separate"]] = "shared"  # what the method's authors give the columns
    of_tasks: ClassVar[bool] = False  # column t is that of task t
    aligned: ClassVar[bool] = False  # all columns start from the same weights
    parted: ClassVar[bool] = True  # ``branches`` uses every parameter for one task only

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        columns: int = 1,
        encoders: Apart = "shared",
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.columns = columns
        self.encoders = encoders

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """``(b, width)``, or ``(columns, b, width)`` from separate encoders → task → ``(b, width)``."""
        return self.branches(self.trunk(x))

    @abstractmethod
    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """The tensors that all tasks read, out of ``(b, width)`` or ``(columns, b, width)``."""

    @abstractmethod
    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """What ``trunk`` returned → task → ``(b, width)``."""

    @abstractmethod
    def parts(self) -> list[Part]:
        """The structure's parameters, and which tasks train them."""

    def readers(self) -> list[tuple[str, ...]]:
        """For each column, the tasks that it reaches."""
        return [self.tasks] * self.columns

    def embedding(self, features: dict[str, Tensor]) -> Tensor:
        """The row's joint embedding, ``(b, width)``, out of what ``forward`` returned: the mean over the tasks."""
        return torch.stack(list(features.values())).mean(0)

    def apart(self, heavy: bool) -> bool:
        """Whether a modality gets one encoder a column; ``heavy`` ones only where the user says so."""
        if self.columns == 1 or self.encoders == "shared":
            return False
        return self.encoders == "separate" or (self.papers == "separate" and not heavy)

    def adapt(self, encoders: nn.ModuleDict) -> None:
        """Change the encoders, right after they are made."""
        return

    def active(self) -> int:
        """How many of the columns the next training step uses."""
        return self.columns

    def advance(self, epoch: float, epochs: int) -> None:
        """Set what depends on time, before each training step: ``epoch`` epochs of at most ``epochs`` are done."""
        return

    def penalty(
        self, shared: tuple[Tensor, ...], encoders: Sequence[Sequence[nn.Module]] = ()
    ) -> Tensor | None:
        """What is added to the loss; ``shared`` is from ``trunk``, ``encoders`` are the columns' own, by modality."""
        return None

    def before_step(self, encoders: Sequence[Sequence[nn.Module]] = ()) -> None:
        """Change gradients, between ``backward`` and the update."""
        return

    def spread(self, x: Tensor) -> Tensor:
        """``(b, width)`` or ``(columns, b, width)`` → ``(columns, b, width)``."""
        return x.expand(self.columns, *x.shape[-2:])

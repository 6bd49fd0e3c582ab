"""Soft sharing by factors: the layers of all tasks are one tensor of low rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Part, Sharing
from jointset.models.sharing.options import Count

Form = Literal["last", "tucker", "tt"]


class TensorFactors(Sharing):
    """Trunks of their own whose weights are made of shared factors (Yang & Hospedales 2017, deep multi-task
    representation learning).

    The weights (out, in, task) of a layer are a product of factors, learnt directly:

    | form | weights of task t | paper |
    |---|---|---|
    | last | Σ_r S[r, t] · L[r] with R basis layers L | last-axis flattening |
    | tucker | core (R, R, R) × out × in × task factors | Tucker |
    | tt | A (out, R) · B (R, in, R) · C (R, task) | tensor train |

    Biases are each task's own. Deviation: ranks are given and factors start at random, where the paper takes both from
    networks trained singly. The encoders are shared. Without a layer (depth 0) the factors make one linear map a task.

    Parameters
    ----------
    form : ``last``, ``tucker`` or ``tt``: what is shared of the layers, see above.
    rank : R, at most the number of tasks for ``last``.

    >>> sharing = TensorFactors(["a", "b"], width=4, depth=1, dropout=0.0, form="tt", rank=2)
    >>> sharing(torch.ones(3, 4))["b"].shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        form: Form = "last",
        rank: Count = 4,
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout)
        n = len(tasks)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.inner = nn.ModuleList(Factored(n, width, form, rank) for _ in range(depth))
        self.outer = nn.ModuleList(Factored(n, width, form, rank, zero=True) for _ in range(max(depth, 1)))
        self.biases = nn.ModuleList(nn.ParameterList(torch.zeros(width) for _ in self.outer) for _ in tasks)
        self.inner_biases = nn.ModuleList(
            nn.ParameterList(torch.zeros(width) for _ in self.inner) for _ in tasks
        )
        self.dropout = nn.Dropout(dropout)

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: the factors belong to all tasks, so they stand before the tasks part."""
        x = x.expand(len(self.tasks), *x.shape[-2:])  # (task, b, width)
        for j, outer in enumerate(self.outer):
            y = x
            if self.inner:
                y = self.inner[j](self.norms[j](x), [own[j] for own in self.inner_biases])  # type: ignore[index]
                y = self.dropout(torch.relu(y))
            x = x + outer(y, [own[j] for own in self.biases])  # type: ignore[index]
        return (x,)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        return dict(zip(self.tasks, shared[0], strict=True))

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        own = zip(self.tasks, self.inner_biases, self.biases, strict=True)
        factors = Part("factors", self.tasks, (self.norms, self.inner, self.outer))
        return [factors, *(Part("biases", (t,), (inner, outer)) for t, inner, outer in own)]


class Factored(nn.Module):
    """One linear layer a task, ``(task, b, width)`` → the same, with weights made of factors."""

    def __init__(self, tasks: int, width: int, form: Form, rank: int, *, zero: bool = False) -> None:
        super().__init__()
        rank = min(rank, tasks) if form == "last" else min(rank, width)
        bound = width**-0.5
        if form == "last":
            # Every task starts at the mean basis, and a little to a side of its own.
            shapes = {"basis": (rank, width, width), "mix": (rank, tasks)}
            scales = {"basis": bound * rank**-0.5, "mix": 0.1}
        elif form == "tucker":
            shapes = {"core": (rank, rank, rank), "out": (width, rank), "into": (width, rank)}
            shapes |= {"mix": (rank, tasks)}
            scales = {"core": rank**-0.5, "out": bound, "into": bound, "mix": 0.1}
        else:
            shapes = {"out": (width, rank), "middle": (rank, width, rank), "mix": (rank, tasks)}
            scales = {"out": rank**-0.5, "middle": bound, "mix": 0.1}
        self.form = form
        self.factors = nn.ParameterDict({n: scales[n] * torch.randn(shape) for n, shape in shapes.items()})
        with torch.no_grad():
            self.factors["mix"] += rank**-0.5
            if zero:
                self.factors[list(shapes)[0 if form != "tt" else 1]].zero_()

    def weights(self) -> Tensor:
        """``(task, out, in)``."""
        f = self.factors
        if self.form == "last":
            return torch.einsum("roi,rt->toi", f["basis"], f["mix"])
        if self.form == "tucker":
            return torch.einsum("abc,oa,ib,ct->toi", f["core"], f["out"], f["into"], f["mix"])
        return torch.einsum("oa,aic,ct->toi", f["out"], f["middle"], f["mix"])

    def forward(self, x: Tensor, biases: Sequence[Tensor]) -> Tensor:
        """``(task, b, in)`` → ``(task, b, out)``."""
        return torch.baddbmm(torch.stack(list(biases))[:, None], x, self.weights().transpose(1, 2))

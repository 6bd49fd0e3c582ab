"""Learning to branch: the tasks' tree is learnt with the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jointset.models.sharing.base import Part, Sharing
from jointset.models.sharing.blocks import stack
from jointset.models.sharing.options import Amount, Count, Positive

SPEED = 10.0  # choices learn ten times as fast as weights, or they would hardly move within an early-stopped training


class Branching(Sharing):
    """A tree of layers in which every node learns its parent, and every task its leaf (Guo, Lee & Ulbricht 2020).

    Each level has ``nodes`` layers. A node reads one node of the level below, a task one of the last level; which one
    is drawn at every step with Gumbel noise, hard forwards and relaxed backwards, at a temperature that falls from
    ``hot`` to ``cold``. Predictions use the likeliest parents, so nodes that nobody chose fall away. A penalty on the
    choices' entropy makes them settle.

    Parameters
    ----------
    nodes : layers a level.
    hot, cold : temperatures at the first and at the last epoch.
    entropy : factor of the penalty, on the mean entropy of a choice.

    >>> sharing = Branching(["a", "b"], width=4, depth=2, dropout=0.0, nodes=3).eval()
    >>> [len(line) for line in sharing.tree()]
    [3, 2]
    """

    usual_depth = 2

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        nodes: Count = 3,
        hot: Positive = 5.0,
        cold: Positive = 0.5,
        entropy: Amount = 1e-2,
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout)
        n = max(depth, 1)
        self.levels = nn.ModuleList(
            nn.ModuleList(stack(width, min(depth, 1), dropout) for _ in range(nodes)) for _ in range(n)
        )
        # The encoders' output is all that the first level can read, so it chooses nothing.
        self.parents = nn.ModuleList(nn.ModuleList(Choice(nodes) for _ in range(nodes)) for _ in range(n - 1))
        self.leaves = nn.ModuleList(Choice(nodes) for _ in tasks)
        self.hot, self.cold, self.entropy = hot, cold, entropy
        self.temperature = hot

    def advance(self, epoch: float, epochs: int) -> None:
        """See :meth:`Sharing.advance`."""
        self.temperature = self.hot * (self.cold / self.hot) ** min(epoch / epochs, 1.0)

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: the nodes of the last level."""
        level = torch.stack([node(x) for node in self.levels[0].children()])
        for nodes, parents in zip(self.levels[1:], self.parents, strict=True):
            pairs = zip(nodes.children(), parents.children(), strict=True)
            level = torch.stack([node(choice(level, self.temperature)) for node, choice in pairs])
        return (level,)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        pairs = zip(self.tasks, self.leaves, strict=True)
        return {t: choice(shared[0], self.temperature) for t, choice in pairs}

    def penalty(
        self, shared: tuple[Tensor, ...], encoders: Sequence[Sequence[nn.Module]] = ()
    ) -> Tensor | None:
        """See :meth:`Sharing.penalty`."""
        choices = [m for m in self.modules() if isinstance(m, Choice)]
        p = torch.stack([choice.logits for choice in choices]).softmax(1)
        return -self.entropy * torch.special.xlogy(p, p).sum(1).mean()

    def tree(self) -> list[list[int]]:
        """The likeliest parent of every node from the second level on, and of every task."""
        rows = [*self.parents, self.leaves]
        return [[c.likeliest() for c in row.children() if isinstance(c, Choice)] for row in rows]

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        leaves = [Part("leaf", (t,), (own,)) for t, own in zip(self.tasks, self.leaves, strict=True)]
        return [Part("tree", self.tasks, (self.levels, self.parents)), *leaves]


class Choice(nn.Module):
    """One of ``n``: ``(n, b, width)`` → ``(b, width)``."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.change = nn.Parameter(1e-3 * torch.randn(n))

    @property
    def logits(self) -> Tensor:
        """``(n,)``."""
        return SPEED * self.change

    def likeliest(self) -> int:
        """The one that predictions take."""
        return int(self.logits.argmax())

    def forward(self, x: Tensor, temperature: float) -> Tensor:
        """A drawn one while training, else the likeliest."""
        if not self.training:
            return x.index_select(0, self.logits.argmax()[None])[0]
        return torch.einsum("n,nbw->bw", F.gumbel_softmax(self.logits, tau=temperature, hard=True), x)

"""AdaShare: each task chooses the layers it runs through."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Part, Sharing
from jointset.models.sharing.blocks import stack
from jointset.models.sharing.options import Amount, Positive

SPEED = 10.0  # a policy learns ten times as fast as the weights, the ratio of the authors' rates


class AdaShare(Sharing):
    """One trunk, of whose layers each task runs through some and skips the others (Sun et al. 2020).

    A task's policy holds the log odds of each layer. While training, layers are weighted by a relaxed draw,
    σ((log odds + noise) / temperature) with logistic noise: the Gumbel-softmax of two choices (eq. 3). For ``warmup``
    epochs all layers are run, then the last layer is put up for choice, and layer by layer the ones below, one every
    ``warmup`` epochs (the authors' curriculum); the temperature falls from ``hot`` to ``cold`` as training goes on.
    Predictions use the likelier choice, 0 or 1. Two penalties: ``sparsity`` on the mean probability of being run, and
    ``sharing`` on the differences between the tasks' policies, which weigh more in lower layers (eq. 4–5).
    Deviation: one training, where the authors train the chosen network anew.

    A trunk has two layers unless ``model.depth`` says otherwise. A task that skips all reads the encoders' output.

    Parameters
    ----------
    warmup : epochs with all layers, and between one layer's release and the next.
    hot, cold : temperatures at the first and at the last epoch.
    sparsity, sharing : factors of the penalties.
    """

    usual_depth = 2
    parted = False

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        warmup: Amount = 1.0,
        hot: Positive = 5.0,
        cold: Positive = 0.5,
        sparsity: Amount = 0.05,
        sharing: Amount = 0.05,
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout)
        self.layers = stack(width, depth, dropout)
        n = len(self.layers)
        self.policies = nn.ModuleList(Policy(n) for _ in tasks)
        self.warmup, self.hot, self.cold = warmup, hot, cold
        self.sparsity, self.sharing = sparsity, sharing
        self.temperature, self.released = hot, n if warmup == 0 else 0

    def advance(self, epoch: float, epochs: int) -> None:
        """See :meth:`Sharing.advance`."""
        share = min(epoch / epochs, 1.0)
        self.temperature = self.hot * (self.cold / self.hot) ** share
        n = len(self.layers)
        self.released = n if self.warmup == 0 else min(int(epoch / self.warmup), n)

    def log_odds(self) -> Tensor:
        """Of running each layer, ``(task, layer)``."""
        return torch.stack([policy() for policy in self.policies])

    def use(self, odds: Tensor) -> Tensor:
        """How much of each layer a task with these log odds runs through: in (0, 1) while training, then 0 or 1."""
        if not self.training:
            return (odds >= 0).to(odds.dtype)
        u = torch.rand_like(odds).clamp(1e-6, 1 - 1e-6)
        drawn = torch.sigmoid((odds + torch.logit(u)) / self.temperature)
        free = torch.arange(len(drawn), device=drawn.device) >= len(drawn) - self.released
        return torch.where(free, drawn, torch.ones_like(drawn))

    def trunk(self, x: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Sharing.trunk`: the encoders' output; tasks go different ways through the layers they share."""
        return (x,)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        features = {}
        for task, odds in zip(self.tasks, self.log_odds(), strict=True):
            x, use = shared[0], self.use(odds)
            for j, layer in enumerate(self.layers):
                x = torch.lerp(x, layer(x), use[j])
            features[task] = x
        return features

    def penalty(
        self, shared: tuple[Tensor, ...], encoders: Sequence[Sequence[nn.Module]] = ()
    ) -> Tensor | None:
        """See :meth:`Sharing.penalty`."""
        if not self.released:
            return None
        p = torch.sigmoid(self.log_odds())  # (task, layer)
        n = p.shape[1]
        lower = torch.arange(n, 0, -1, device=p.device, dtype=p.dtype) / n  # (layer,)
        apart = (p[:, None] - p[None]).abs() * lower  # (task, task, layer)
        return self.sparsity * p.mean() + self.sharing * apart.sum() / max(len(p) * (len(p) - 1) * n, 1)

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        policies = [Part("policy", (t,), (own,)) for t, own in zip(self.tasks, self.policies, strict=True)]
        return [Part("trunk", self.tasks, (self.layers,)), *policies]


class Policy(nn.Module):
    """A task's log odds of running each of ``n`` layers; at nine to one, the structure starts as hard sharing."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(n))

    def forward(self) -> Tensor:
        """``(n,)``."""
        return 2.2 + SPEED * self.change

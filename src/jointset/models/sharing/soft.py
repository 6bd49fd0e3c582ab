"""Soft sharing: networks of their own, held near one another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointset.models.sharing.base import Apart
from jointset.models.sharing.columns import Separate, alike
from jointset.models.sharing.options import Amount


class Soft(Separate):
    """One network a task, and a penalty on the squared L2 distance between their parameters (Duong et al. 2015).

    The penalty is strength / 2 · Σ_t ‖θ_t − θ̄‖², with θ̄ the mean over the tasks (Evgeniou & Pontil 2004): 0 trains
    the tasks apart, and ∞ is hard sharing. Tables with sparse gradients are not held together.

    Parameters
    ----------
    strength : factor of the penalty.
    encoders : separate unless they are heavy; see :class:`Sharing`.

    >>> sharing = Soft(["a", "b"], width=4, depth=1, dropout=0.0)
    >>> sharing.penalty(()).item()
    0.0
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        strength: Amount = 0.1,
        encoders: Apart = "auto",
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, encoders=encoders)
        self.strength = strength

    def penalty(
        self, shared: tuple[Tensor, ...], encoders: Sequence[Sequence[nn.Module]] = ()
    ) -> Tensor | None:
        """See :meth:`Sharing.penalty`."""
        total = [
            torch.stack(own).flatten(1) for own in alike([list(self.layers), *encoders])
        ]  # each (task, d)
        return self.strength / 2 * torch.stack([(w - w.mean(0)).square().sum() for w in total]).sum()

"""Multi-gate mixture of experts."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from jointset.models.sharing.base import Apart, Part
from jointset.models.sharing.blocks import mixture
from jointset.models.sharing.experts import Experts, Gate
from jointset.models.sharing.options import Count


class MMoE(Experts):
    """Experts for all, and a gate a task that mixes them row by row (Ma et al. 2018, eq. 6–8).

    f_t(x) = Σ_e g_t(x)_e f_e(x), g_t(x) = softmax(W_t x).

    Parameters
    ----------
    experts : how many.
    encoders : with ``separate``, the encoders are part of the experts.

    >>> import torch
    >>> sharing = MMoE(["a", "b"], width=4, depth=1, dropout=0.0, experts=3)
    >>> bool(torch.allclose(sharing.gates[0](torch.ones(2, 4)).sum(1), torch.ones(2)))
    True
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        experts: Count = 4,
        encoders: Apart = "auto",
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, experts=experts, encoders=encoders)
        self.gates = nn.ModuleList(Gate(width, experts) for _ in tasks)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        x, experts = shared
        return {t: mixture(gate(x), experts) for t, gate in zip(self.tasks, self.gates, strict=True)}

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        return [Part("experts", self.tasks, (self.experts,)), *self.gate_parts(self.gates)]

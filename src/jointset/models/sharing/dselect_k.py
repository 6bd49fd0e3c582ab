"""DSelect-k: a mixture of experts that ends with k of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from jointset.errors import ConfigError
from jointset.models.sharing.base import Apart, Part
from jointset.models.sharing.blocks import mixture
from jointset.models.sharing.experts import Experts
from jointset.models.sharing.options import Amount, Count, Positive


class DSelectK(Experts):
    """Experts for all, of which each task's gate chooses at most k (Hazimeh et al. 2021).

    An expert's number is written in binary. Each of k selectors holds one real z per digit, made a probability by the
    smooth step S, which is exactly 0 or 1 beyond ±gamma / 2; the product over the digits is the selector's weight of an
    expert, and a softmax mixes the selectors. An entropy penalty drives the selectors to single experts; where the
    number of experts is no power of two, a second one keeps weight away from numbers without an expert.

    Parameters
    ----------
    experts : how many.
    k : the most that a task uses at the end.
    gamma : width of the smooth step.
    strength : factor of the penalties.
    gates : choose row by row, or once for all rows (the static gates of the paper).
    encoders : with ``separate``, the encoders are part of the experts.

    >>> smooth_step(torch.tensor([-0.6, 0.0, 0.5]), 1.0).tolist()
    [0.0, 0.5, 1.0]
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        width: int,
        depth: int,
        dropout: float,
        experts: Count = 4,
        k: Count = 2,
        gamma: Positive = 1.0,
        strength: Amount = 1e-2,
        gates: Literal["row", "static"] = "row",
        encoders: Apart = "auto",
    ) -> None:
        super().__init__(tasks, width=width, depth=depth, dropout=dropout, experts=experts, encoders=encoders)
        if k > experts:
            raise ConfigError(f"model.sharing.k: {k} experts cannot be chosen out of {experts}; lower k")
        self.strength = strength
        self.gates = nn.ModuleList(Selectors(width, experts, k, gamma, gates == "static") for _ in tasks)

    def branches(self, shared: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """See :meth:`Sharing.branches`."""
        x, experts = shared
        return {t: mixture(gate(x), experts) for t, gate in zip(self.tasks, self.gates, strict=True)}

    def penalty(
        self, shared: tuple[Tensor, ...], encoders: Sequence[Sequence[nn.Module]] = ()
    ) -> Tensor | None:
        """See :meth:`Sharing.penalty`: the mean over rows of the sum over tasks and selectors."""
        return self.strength * torch.stack([gate.penalty(shared[0]) for gate in self.gates]).sum()  # type: ignore[operator]

    def parts(self) -> list[Part]:
        """See :meth:`Sharing.parts`."""
        return [Part("experts", self.tasks, (self.experts,)), *self.gate_parts(self.gates)]


class Selectors(nn.Module):
    """One task's gate: ``(b, width)`` → weights of the experts ``(b, e)``, at most k of them not zero at the end."""

    codes: Tensor

    def __init__(self, width: int, experts: int, k: int, gamma: float, static: bool) -> None:
        super().__init__()
        digits = max(math.ceil(math.log2(experts)), 1)
        numbers = torch.arange(experts)[:, None]
        self.register_buffer("codes", (numbers >> torch.arange(digits - 1, -1, -1)) & 1 > 0)  # (e, digits)
        self.k, self.gamma, self.static = k, gamma, static
        self.full = experts == 1 << digits
        self.z = nn.Linear(width, k * digits)
        self.w = nn.Linear(width, k)
        # Near S(0) = ½, where the step is steepest, as the authors start.
        for layer, bound in ((self.z, gamma / 100), (self.w, 0.05)):
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound)

    def selectors(self, x: Tensor) -> Tensor:
        """Each selector's weight of each expert, ``(b, k, e)``."""
        x = torch.zeros_like(x) if self.static else x
        step = smooth_step(self.z(x), self.gamma).unflatten(1, (self.k, 1, -1))  # (b, k, 1, digits)
        return torch.where(self.codes, step, 1 - step).prod(3)

    def forward(self, x: Tensor) -> Tensor:
        """``(b, width)`` → ``(b, e)``."""
        x = torch.zeros_like(x) if self.static else x
        return torch.einsum("bk,bke->be", torch.softmax(self.w(x), 1), self.selectors(x))

    def penalty(self, x: Tensor) -> Tensor:
        """Entropy of the selectors, and 1 / (the weight that falls on experts), as a mean over rows."""
        chosen = self.selectors(x)
        entropy = -(chosen * (chosen + 1e-6).log()).sum((1, 2))
        return (entropy if self.full else entropy + (1 / chosen.sum(2).clamp(min=1e-6)).sum(1)).mean()


def smooth_step(t: Tensor, gamma: float) -> Tensor:
    """0 up to −gamma / 2, 1 from gamma / 2, and the cubic −2 t³ / gamma³ + 3 t / (2 gamma) + ½ between."""
    inside = -2 / gamma**3 * t**3 + 3 / (2 * gamma) * t + 0.5
    return torch.where(t <= -gamma / 2, 0.0, torch.where(t >= gamma / 2, 1.0, inside))

"""Mixup of rows behind the encoders, for any modality and any kind of task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from jointset.records import Ints


@dataclass(frozen=True)
class Mixup:
    """Every row is mixed with a partner: λ x_i + (1 − λ) x_j, and so are their losses (Zhang et al. 2018, eq. 1).

    ``share`` (b,) is λ in [½, 1]; ``partner`` (b,) is j. Rows are mixed where the encoders meet the shared trunk
    (Verma et al. 2019), so that text, tables and images mix alike, also with one another. ``done`` says that inputs
    were mixed already, and only labels are left.
    """

    share: Tensor
    partner: Tensor
    done: bool = False

    @classmethod
    def draw(cls, n: int, alpha: float, rng: np.random.Generator, groups: Ints | None = None) -> Mixup:
        """Partners at random, λ from Beta(alpha, alpha), the larger part always the row's own.

        With ``groups`` ``(n,)`` a row's partner is of its own group.

        >>> mixup = Mixup.draw(4, 1.0, np.random.default_rng(0))
        >>> bool((mixup.share >= 0.5).all()), sorted(mixup.partner.tolist())
        (True, [0, 1, 2, 3])
        >>> Mixup.draw(4, 1.0, np.random.default_rng(0), np.array([0, 1, 0, 2])).partner.tolist()[1::2]
        [1, 3]
        """
        share = rng.beta(alpha, alpha, n).astype(np.float32)
        partner = rng.permutation(n)
        if groups is not None:
            drawn = partner[np.argsort(groups[partner], kind="stable")]
            partner[np.argsort(groups, kind="stable")] = drawn
        return cls(torch.from_numpy(np.maximum(share, 1 - share)), torch.from_numpy(partner))

    def features(self, x: Tensor) -> Tensor:
        """``(b, width)`` mixed."""
        return x if self.done else torch.lerp(x.index_select(0, self.partner), x, self.share[:, None])

    def labels(self, logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The batch twice, ``(2b, …)``: with its own labels weighted by λ, and with the partners' by 1 − λ."""
        share = self.share if weights.ndim == 1 else self.share[:, None]
        return (
            torch.cat([logits, logits]),
            torch.cat([labels, labels[self.partner]]),
            torch.cat([weights * share, weights[self.partner] * (1 - share)]),
        )

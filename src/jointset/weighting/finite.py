"""Whether gradients can be used."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor
from torch.nn.utils import get_total_norm


def finite(gradients: Iterable[Tensor | None]) -> bool:
    """Whether no entry is infinite or no number.

    >>> import torch
    >>> finite([torch.ones(2), None]), finite([torch.ones(2), torch.tensor([float("nan")])])
    (True, False)
    """
    dense = [g._values() if g.is_sparse else g for g in gradients if g is not None]
    if not dense or math.isfinite(float(get_total_norm([g.detach() for g in dense]))):
        return True
    return all(bool(g.isfinite().all()) for g in dense)  # a sum of squares may be infinite where no entry is

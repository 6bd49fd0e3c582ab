"""How much more often rows of rare classes are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jointset.records import Floats, Task

if TYPE_CHECKING:
    from torch import Tensor


def factors(task: Task, counts: NDArray[np.int64]) -> Floats:
    """How often labels of each class are drawn, in passes, in the shape of ``counts``: ``(C,)`` or ``(K, 2)``.

    The factors are f_k = (n_max / n_k)^power, at most ``most``: 0 leaves everything as it is, ½ is square-root sampling
    (Mahajan et al. 2018), 1 draws all classes alike. ``over`` draws the commonest class once and rarer ones more
    often; ``under`` divides by the largest factor, so that the rarest class is drawn once and others less. A multilabel
    row counts by its rarest label (Gupta et al. 2019, repeat factors), and the absence of a label is drawn like the
    commonest one.

    >>> task = Task("t", "multiclass", ("a", "b"), sampling={"mode": "over", "power": 0.5, "most": 10.0})
    >>> factors(task, np.array([400, 100]))
    array([1., 2.])
    """
    mode = task.sampling.get("mode", "none")
    if mode == "none":
        return np.ones(counts.shape)
    several = counts.ndim == 2
    n = counts[:, 1] if several else counts
    found = np.where(n > 0, (n.max() / np.maximum(n, 1)) ** task.sampling["power"], 1.0)
    found = np.minimum(found, task.sampling["most"])
    if several:
        found = np.stack([np.ones(len(n)), found], 1)
    return found / found.max() if mode == "under" else found


def log_factors(task: Task, counts: Tensor) -> Tensor:
    """Logarithms of :func:`factors`; rows drawn by them shift the logits of P(given | x) by as much."""
    import torch

    return torch.from_numpy(np.log(factors(task, counts.numpy()))).float()

"""Dynamics of losses: which tasks learn quickly, and whose losses fall together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.relatedness.affinity import Affinity

FEWEST = 4  # epochs


def training_rates(losses: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Relative inverse training rates r_t: the share of the first loss that is left, over the mean share of all tasks.

    ``losses`` task → one loss an epoch, positive. Above 1: slower than the others (Chen et al. 2018, section 3.2).

    >>> training_rates({"fast": [1.0, 0.2], "slow": [2.0, 1.6]})
    {'fast': 0.4, 'slow': 1.6}
    """
    curves = _curves(losses)
    left = curves[:, -1] / curves[:, 0]
    return {name: round(float(v), 9) for name, v in zip(losses, left / left.mean(), strict=True)}


def loss_ratios(losses: Mapping[str, Sequence[float]]) -> Affinity:
    """The correlation over epochs of log L(e) / L(e − 1), the descent rates of Liu et al. (2019, eq. 7).

    Tasks that fall and stall together share what they learn, or only the schedule of the learning rate: a weak sign.
    NaN with fewer than four ratios or where a loss never changes.

    >>> falling = [1.0, 0.5, 0.4, 0.2, 0.19]
    >>> round(loss_ratios({"a": falling, "b": [2 * v for v in falling]})["a", "b"], 6)
    1.0
    """
    curves = _curves(losses)
    t = len(curves)
    values = np.full((t, t), np.nan)
    ratios = np.diff(np.log(curves), axis=1)
    if ratios.shape[1] >= FEWEST:
        moving = np.flatnonzero(ratios.std(axis=1) > 1e-12)
        if len(moving):
            values[np.ix_(moving, moving)] = np.atleast_2d(np.corrcoef(ratios[moving]))
    support = np.full((t, t), ratios.shape[1], np.int64)
    return Affinity(
        "loss_ratios", tuple(losses), values, "correlation", (-1.0, 1.0), symmetric=True, support=support
    )


def _curves(losses: Mapping[str, Any]) -> Floats:
    lengths = {name: len(v) for name, v in losses.items()}
    if not losses or len(set(lengths.values())) > 1 or min(lengths.values()) < 2:
        raise ArrayError(f"losses: two or more epochs, as many for every task, expected; found {lengths}")
    curves = np.array([list(v) for v in losses.values()], np.float64)
    if not (np.isfinite(curves).all() and (curves > 0).all()):
        raise ArrayError("losses must be positive and finite")
    return curves

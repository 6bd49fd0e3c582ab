"""One number for a dataset, and the parts it is made of, comparable between rounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jointset.errors import ArrayError, nearest

WEIGHTS = {
    "labels_right": 3.0,
    "labels_given": 1.0,
    "values_given": 1.0,
    "media_sound": 1.0,
    "distinct": 1.0,
    "split_clean": 2.0,
    "balanced": 1.0,
    "not_given_away": 2.0,
    "in_place": 1.0,
}


@dataclass(frozen=True)
class DataQuality:
    """``score`` in [0, 1], 1 = nothing found, and the parts that were known, each in [0, 1]."""

    score: float
    parts: dict[str, float]


def data_quality(parts: Mapping[str, float]) -> DataQuality:
    """The weighted geometric mean of the parts that are known; NaN parts are left out.

    Parts, each a share in [0, 1] with 1 = good: ``labels_right`` (1 − the estimated noise rate), ``labels_given``,
    ``values_given``, ``media_sound``, ``distinct`` (rows without copies), ``split_clean`` (held-out rows without a
    copy or group in the training rows), ``balanced`` (entropy of the classes over the largest), ``not_given_away`` (2
    (1 − area) of the worst shortcut, 1 without any), ``in_place`` (rows that are no outliers). The mean is geometric,
    so that one ruined part is not made up for by the others; a part counts at least 0.01. Scores are comparable where
    the same parts are known. Raises ``ArrayError``.

    >>> data_quality({"labels_right": 0.9, "distinct": 0.5}).score
    0.777
    """
    known = {}
    for name, value in parts.items():
        if name not in WEIGHTS:
            raise ArrayError(f"parts: {name!r} is none{nearest(name, WEIGHTS)}; one of {', '.join(WEIGHTS)}")
        if not np.isnan(value):
            if not 0 <= value <= 1:
                raise ArrayError(f"parts: {name} must be in [0, 1], found {value}")
            known[name] = round(float(value), 6)
    if not known:
        return DataQuality(float("nan"), {})
    weights = np.array([WEIGHTS[n] for n in known])
    logs = np.log(np.maximum(list(known.values()), 0.01))
    return DataQuality(round(float(np.exp((weights * logs).sum() / weights.sum())), 3), known)

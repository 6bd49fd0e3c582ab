"""LEEP: how well the source's outputs, taken as they are, tell the target's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats, Ints
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.columns import aligned, checked, coded, one_hot, parts
from jointset.relatedness.pairs import Pair, chance_of, filled
from jointset.relatedness.probes import assignment

PERMUTATIONS = 19
FEWEST = 10


def leep(
    labels: Mapping[str, Any],
    outputs: Mapping[str, Any],
    nulls: Sequence[Mapping[str, Any]] = (),
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Affinity:
    """LEEP of every source's outputs for every target's labels, as a share of the target's entropy.

    Parameters
    ----------
    labels : task → labels in the forms of :mod:`jointset.records`.
    outputs : task → ``(n, K)`` what a model of the task says of every row, such as
        :func:`~jointset.relatedness.probes.probed` or a trained model's predictions; it must not have seen the label.
    nulls : outputs of models that learnt permuted labels (:func:`~jointset.relatedness.probes.nulls`), and
    permutations : of the target's labels: both for the level of chance.

    The value is 1 + LEEP / H(y): 0 where the source says nothing, 1 where it says all. Numbers are cut into five
    groups; a label set is the mean over its labels. Raises ArrayError.

    >>> y = np.tile([0, 1], 30)
    >>> round(leep({"a": y, "b": 1 - y}, {"a": np.eye(2)[y], "b": np.eye(2)[1 - y]})["a", "b"], 3)
    1.0
    """
    given = checked(labels)
    said = aligned(given, outputs, "outputs")
    sources = {name: assignment(said[name], y) for name, y in given.items()}
    without = [
        {name: assignment(o, given[name]) for name, o in aligned(given, n, "nulls").items()} for n in nulls
    ]
    targets = {name: [coded(p) for p in parts(y)] for name, y in given.items()}

    def of(source: str, target: str) -> Pair:
        rng = np.random.default_rng(seed)
        columns = [c for c in targets[target] if (c >= 0).sum() >= FEWEST and len(np.unique(c[c >= 0])) > 1]
        if not columns:
            return Pair()
        found = np.mean([_shares(sources[source], c, rng, permutations) for c in columns], axis=0)
        others = [float(np.mean([_shares(s[source], c, rng, 0) for c in columns])) for s in without]
        support = max(int((c >= 0).sum()) for c in columns)
        return Pair(float(found[0]), support, chance_of(found[1:], others))

    return filled("leep", list(given), of, unit="share of the target's entropy", bounds=(0.0, 1.0))


def leep_score(soft: Floats, labels: Ints) -> float:
    """LEEP (Nguyen et al. 2020, eqs. 1 to 3) in nats, from −H(y) to 0.

    ``soft`` ``(n, Z)`` are probabilities of the source's classes, ``labels`` ``(n,)`` the target's codes, none missing.

    >>> round(leep_score(np.full((4, 2), 0.5), np.array([0, 1, 0, 1])), 4)
    -0.6931
    """
    if soft.ndim != 2 or soft.shape[:1] != np.shape(labels):
        raise ArrayError(
            f"leep: probabilities {soft.shape} and labels {np.shape(labels)} do not belong together"
        )
    return float(_scores(soft, np.asarray(labels)[None])[0])


def _scores(soft: Floats, draws: Ints) -> Floats:
    """LEEP of every row of ``draws`` ``(B, n)``."""
    mass, out = np.maximum(soft.sum(axis=0), 1e-300), []
    for codes in draws:
        target = one_hot(codes)
        conditional = (soft.T @ target) / mass[:, None]  # (Z, K)
        out.append(np.log(np.maximum((soft @ conditional * target).sum(axis=1), 1e-300)).mean())
    return np.array(out)


def _shares(soft: Floats, codes: Ints, rng: np.random.Generator, permutations: int) -> Floats:
    """1 + LEEP / H(y) of the labels and of their permutations, ``(1 + permutations,)``."""
    rows = codes >= 0
    y = codes[rows]
    share = np.bincount(y) / len(y)
    own = -float((share[share > 0] * np.log(share[share > 0])).sum())
    draws = np.stack([y, *(rng.permutation(y) for _ in range(permutations))])
    return np.clip(1 + _scores(soft[rows], draws) / own, 0.0, 1.0)

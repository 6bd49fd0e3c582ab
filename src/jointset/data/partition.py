"""Put whole components into parts, so that every stratum comes close to its shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def partition(
    component: Ints,
    stratum: Ints,
    targets: NDArray[np.float64],
    rng: np.random.Generator,
    allowed: NDArray[np.bool_] | None = None,
) -> Ints:
    """The part of every row, ``(n,)``: rows of one component share a part.

    ``component`` and ``stratum`` are ``(n,)`` codes from 0; ``targets`` is ``(S, P)``, the wanted number of
    rows of each stratum in each part (rows sum to the stratum's size); ``allowed`` is ``(C, P)``, the parts a
    component may go to. Components of several rows go first, the largest first, each where the squared
    deviation from their share of the targets falls most; single rows then fill up what is left, drawn at random within
    their stratum.

    >>> rng = np.random.default_rng(0)
    >>> parts = partition(np.array([0, 0, 1, 2]), np.zeros(4, np.int64), np.array([[2.0, 2.0]]), rng)
    >>> bool(parts[0] == parts[1]), np.bincount(parts).tolist()
    (True, [2, 2])
    """
    n_components, n_parts = int(component.max(initial=-1)) + 1, targets.shape[1]
    part = np.zeros(n_components, np.int64)
    size = np.bincount(component, minlength=n_components)
    single = size == 1
    deficit = targets.astype(np.float64)
    rows_of_many = ~single[component]
    if rows_of_many.any():
        many = np.bincount(stratum[rows_of_many], minlength=len(targets))
        # Their share only: a component whose stratum has no single rows must not wait for those of the others.
        wanted = deficit * (many / np.maximum(deficit.sum(1), 1.0))[:, None]
        part, missed = _place_many(component[rows_of_many], stratum[rows_of_many], wanted, size, rng, allowed)
        deficit = deficit - wanted + missed
    rows = np.flatnonzero(~rows_of_many)
    order = rows[np.lexsort((rng.random(len(rows)), stratum[rows]))]
    counts = np.bincount(stratum[order], minlength=len(targets))
    quotas = _quotas(deficit, counts, targets > 0)
    part[component[order]] = np.repeat(np.tile(np.arange(n_parts), len(targets)), quotas.ravel())
    return part[component]


def _place_many(
    component: Ints,
    stratum: Ints,
    deficit: NDArray[np.float64],
    size: Ints,
    rng: np.random.Generator,
    allowed: NDArray[np.bool_] | None,
) -> tuple[Ints, NDArray[np.float64]]:
    """Greedy placement, largest first; returns the part per component and the rows still wanted, ``(S, P)``."""
    n_strata = len(deficit)
    # one more row stands for the total, so that small strata do not pile up in one part
    deficit = np.vstack([deficit, deficit.sum(axis=0)])
    weight = 1.0 / np.maximum(deficit.sum(axis=1), 1.0)
    cells, counts = np.unique(component * n_strata + stratum, return_counts=True)
    owners, strata = np.divmod(cells, n_strata)
    present, first = np.unique(owners, return_index=True)
    last = np.append(first[1:], len(owners))
    part = np.zeros(len(size), np.int64)
    for i in np.lexsort((rng.random(len(present)), -size[present])):
        here = np.append(strata[first[i] : last[i]], n_strata)
        amount = np.append(counts[first[i] : last[i]], counts[first[i] : last[i]].sum())
        gain = (weight[here] * amount) @ deficit[here]
        if allowed is not None:
            gain = np.where(allowed[present[i]], gain, -np.inf)
        best = int(gain.argmax())
        part[present[i]] = best
        deficit[here, best] -= amount
    return part, deficit[:-1]


def _quotas(deficit: NDArray[np.float64], counts: Ints, is_open: NDArray[np.bool_]) -> Ints:
    """Whole numbers of single rows per stratum and part that sum to ``counts``, ``(S, P)``.

    What rounding leaves over is carried to the next stratum, so totals stay within a row of the targets.
    Parts that are not open to a stratum get none of its rows."""
    quotas = np.zeros(deficit.shape, np.int64)
    carry = np.zeros(deficit.shape[1])
    for s in np.flatnonzero(counts):
        parts = np.flatnonzero(is_open[s])
        wanted = np.maximum(deficit[s, parts], 0.0)
        total = wanted.sum()
        scale = counts[s] / total if total > 0 else 0.0
        exact = (wanted * scale if total > 0 else np.full(len(parts), counts[s] / len(parts))) + carry[parts]
        quotas[s, parts] = whole = _round_to(exact, int(counts[s]))
        carry[parts] = np.clip(exact - whole, -1.0, 1.0)
    return quotas


def _round_to(exact: NDArray[np.float64], total: int) -> Ints:
    """Whole numbers, none negative, near ``exact`` that sum to ``total``."""
    whole = np.floor(np.maximum(exact, 0.0)).astype(np.int64)
    while (short := total - int(whole.sum())) < 0:
        worst = int(np.argmax(np.where(whole > 0, whole - exact, -np.inf)))
        whole[worst] -= 1
    order = np.argsort(whole - exact, kind="stable")
    whole += short // len(whole)
    whole[order[: short % len(whole)]] += 1
    return whole

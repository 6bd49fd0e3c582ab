"""How much the sites of a study differ, and what their law leads one to expect."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointset.audit.shift.covariate import classifier_test
from jointset.data.sites.expected import dirichlet_share, gini_of_dirichlet, gini_of_lognormal
from jointset.data.sites.heterogeneity import Heterogeneity
from jointset.records import Floats, Ints
from jointset.study.plan import Plan

SAMPLE = 500  # rows of each side that a classifier sees
MANY_SITES = 30
FEWEST = 20


def distances(
    site: Ints, names: list[str], embedding: Floats, component: Ints, seed: int
) -> dict[str, float | None]:
    """The proxy A-distance of each site to all others, 2 (1 − 2 ε) in [0, 2] (Ben-David et al. 2007, sec. 3).

    ε is the held-out balanced error of a linear classifier that tells the site's rows from the others'; below 0 is 0.
    None for sites of fewer than 20 rows."""
    rng = np.random.default_rng(seed)
    found: dict[str, float | None] = {}
    for j, name in enumerate(names):
        mine, rest = np.flatnonzero(site == j), np.flatnonzero(site != j)
        if min(len(mine), len(rest)) < FEWEST:
            found[name] = None
            continue
        rows = np.concatenate([rng.permutation(mine)[:SAMPLE], rng.permutation(rest)[:SAMPLE]])
        side = (site[rows] == j).astype(np.int64)
        odds, _, _ = classifier_test(embedding[rows].astype(np.float64), side, component[rows], seed)
        error = np.mean([np.mean((odds[side == s] > 0) != s) for s in (0, 1)])
        found[name] = round(float(np.clip(2 * (1 - 2 * error), 0, 2)), 4)
    return found


def expected(plan: Plan, found: Heterogeneity) -> dict[str, Any] | None:
    """Beside what a draw gave, what its law says; None where there is no law in closed form."""
    p, strength = len(found.sizes), plan.strength
    if strength is None:
        return None
    shares = found.sizes / found.sizes.sum()
    if plan.method == "quantity":
        law = dirichlet_share(np.full(p, strength))
        return {
            "site's share of the rows": _beside(law.mean[0], law.variance[0], shares),
            "gini": {"expected": round(gini_of_dirichlet(strength, p), 6), "found": round(found.gini, 6)},
        }
    if plan.method == "lognormal":
        return {"gini": {"expected": round(gini_of_lognormal(strength), 6), "found": round(found.gini, 6)}}
    if found.labels is None or plan.method not in ("dirichlet", "mixture"):
        return None
    counts, pooled = found.labels.counts, found.labels.pooled
    if plan.method == "dirichlet":
        law = dirichlet_share(np.full(p, strength))
        return {
            "site's share of a class": _beside(law.mean[0], law.variance[0], (counts / counts.sum(0)).ravel())
        }
    present = pooled > 0
    law = dirichlet_share(strength * pooled[present], rows=max(int(found.sizes.mean()), 1))
    q = counts[:, present] / counts.sum(1, keepdims=True)
    return {
        "deviation of a class's share at a site": {
            "expected": round(float(np.sqrt(law.variance.mean())), 6),
            "found": round(float(np.sqrt(((q - law.mean) ** 2).mean())), 6),
        },
        "sum of squared shares at a site": {
            "expected": round(law.concentration, 6),
            "found": round(float((q**2).sum(1).mean()), 6),
        },
    }


def _beside(mean: float, variance: float, drawn: Floats) -> dict[str, float]:
    return {
        "mean": round(float(mean), 6),
        "deviation": round(float(np.sqrt(variance)), 6),
        "mean found": round(float(np.nanmean(drawn)), 6),
        "deviation found": round(float(np.nanstd(drawn)), 6),
    }

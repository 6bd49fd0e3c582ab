"""What partition.py's draws are held against: closed forms, or, where empty sites are drawn again, a simulated law."""

from __future__ import annotations

import numpy as np
from scipy import integrate, special, stats

SITES, SIMULATED, GRID = 8, 40_000, 1500


def dirichlet_laws(counts: np.ndarray, alpha: float) -> tuple[dict[str, tuple[float, float]], str]:
    """Variance of a share, TV and JS with their errors: in closed form, or simulated given that no site is empty."""
    q = np.random.default_rng(7).dirichlet(np.full(SITES, alpha), size=(SIMULATED, 2))  # (draw, K, P)
    kept = (q * counts[:, None]).sum(1).min(1) >= 0.5
    if kept.mean() > 0.999:
        variance = (SITES - 1) / (SITES**2 * (SITES * alpha + 1))
        return {
            "variance": (variance, 0.0),
            **dict(zip(("tv", "js"), integrals(counts, alpha), strict=True)),
        }, ""
    p, q = counts / counts.sum(), q[kept]
    weight = np.einsum("k,dkj->dj", p, q)
    mixed = p[:, None] * q / weight[:, None]
    tv, js = distances_of(np.moveaxis(mixed, 1, 2), p)
    values = {
        "variance": ((q - 1 / SITES) ** 2).mean((1, 2)),
        "tv": (weight * tv).sum(1),
        "js": (weight * js).sum(1),
    }
    note = f" (simulated: {1 - kept.mean():.0%} drawn again)"
    return {k: (float(v.mean()), float(v.std() / np.sqrt(len(v)))) for k, v in values.items()}, note


def integrals(counts: np.ndarray, alpha: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """E of the rows' mean TV and JS for two classes, and their errors."""
    law, p = stats.beta(alpha, (SITES - 1) * alpha), counts / counts.sum()
    spread = 2 * integrate.quad(lambda x: law.cdf(x) * law.sf(x), 0, 1, limit=200)[0]
    x = law.ppf((np.arange(GRID) + 0.5) / GRID)
    weight = p[0] * x[:, None] + p[1] * x[None]
    first = p[0] * x[:, None] / weight
    _, js = distances_of(np.stack([first, 1 - first], -1), p)
    return (SITES * p[0] * p[1] * spread, 0.0), (float(SITES * (weight * js).mean()), 0.0)


def distances_of(mixed: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Total variation and Jensen–Shannon distance (base 2) of mixtures ``(…, K)`` to ``p``."""
    middle = (mixed + p) / 2
    divergence = (special.rel_entr(mixed, middle) + special.rel_entr(p, middle)).sum(-1) / 2
    return np.abs(mixed - p).sum(-1) / 2, np.sqrt(np.maximum(divergence, 0) / np.log(2))


def size_laws(n: int, alpha: float) -> tuple[list[tuple[float, float]], str]:
    """Variance of a share and Gini coefficient, each with its error: as for classes."""
    q = np.random.default_rng(7).dirichlet(np.full(SITES, alpha), size=SIMULATED)
    kept = q.min(1) * n >= 0.5
    if kept.mean() > 0.999:
        gini = special.gamma(alpha + 0.5) / (np.sqrt(np.pi) * special.gamma(alpha + 1)) * (SITES - 1) / SITES
        return [((SITES - 1) / (SITES**2 * (SITES * alpha + 1)), 0.0), (float(gini), 0.0)], ""
    values = (variance_of(q[kept]), gini_of(q[kept]))
    note = f" (simulated: {1 - kept.mean():.0%} drawn again)"
    return [(float(v.mean()), float(v.std() / np.sqrt(len(v)))) for v in values], note


def variance_of(shares: np.ndarray) -> np.ndarray:
    return np.asarray(((shares - 1 / SITES) ** 2).mean(-1))


def gini_of(shares: np.ndarray) -> np.ndarray:
    """Of shares ``(…, P)`` that sum to 1: half the relative mean difference."""
    return np.asarray(np.abs(shares[..., :, None] - shares[..., None, :]).sum((-2, -1)) / (2 * SITES))

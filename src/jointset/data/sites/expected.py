"""What the ways to draw sites lead one to expect, in closed form; the tests hold the drawn ones against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jointset.errors import ArrayError
from jointset.records import Floats


@dataclass(frozen=True)
class Moments:
    """Mean and variance of each share of a random mixture, ``(K,)`` both, and the expected sum of the shares' squares.

    The reciprocal of ``concentration`` is about the number of parts that matter (Simpson 1949)."""

    mean: Floats
    variance: Floats
    concentration: float


def dirichlet_share(alpha: ArrayLike, rows: int | None = None) -> Moments:
    """Moments of q ~ Dir(α), α ``(K,)``; with ``rows``, of the shares among that many rows drawn from q.

    E q_k = α_k/α_0 and Var q_k = α_k (α_0 − α_k) / (α_0² (α_0 + 1)), with α_0 = Σ α. Shares among n rows are
    Dirichlet-multinomial: the same mean, and the variance E q_k (1 − E q_k) (n + α_0) / (n (1 + α_0)).

    What it stands for: with α = (a, …, a), one a per site, the share of a class (``dirichlet``) or of all rows
    (``quantity``) that a site gets; with α = a p, the shares of the classes at one site (``mixture``), ``rows`` being
    its size. Raises ``ArrayError``.

    >>> found = dirichlet_share([1.0, 3.0])
    >>> found.mean.tolist(), found.variance.tolist()
    ([0.25, 0.75], [0.0375, 0.0375])
    """
    a = np.asarray(alpha, np.float64)
    if a.ndim != 1 or not len(a) or not (np.isfinite(a).all() and (a > 0).all()):
        raise ArrayError(f"alpha must be (K,) numbers above 0, found {a.tolist()}")
    total = a.sum()
    mean = a / total
    variance = mean * (1 - mean) / (total + 1)
    if rows is not None:
        variance = variance * (rows + total) / rows
    return Moments(mean, variance, float((variance + mean**2).sum()))


def gini_of_dirichlet(alpha: float, sites: int) -> float:
    """The expected Gini coefficient of P shares by Dir(α 1): (P − 1)/P · Γ(α + ½) / (√π Γ(α + 1)).

    The second factor is that of the gamma law (McDonald and Jensen 1979); the first makes it exact for P shares, which
    are independent of their gammas' sum.

    >>> round(gini_of_dirichlet(1.0, 10), 12)  # exponential sizes
    0.45
    """
    from scipy.special import gammaln

    law = np.exp(gammaln(alpha + 0.5) - gammaln(alpha + 1)) / np.sqrt(np.pi)
    return float((sites - 1) / sites * law)


def gini_of_lognormal(sigma: float) -> float:
    """The Gini coefficient of many log-normal sizes: erf(σ/2) (Aitchison and Brown 1957).

    >>> round(gini_of_lognormal(1.0), 4)
    0.5205
    """
    from scipy.special import erf

    return float(erf(sigma / 2))

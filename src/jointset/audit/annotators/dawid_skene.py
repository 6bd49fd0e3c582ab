"""Maximum-likelihood estimation of observer error rates by EM, with priors and a model as one more annotator.

Dawid and Skene (1979): votes are independent given the truth, ``P(t | votes) ∝ p_t prod_a P(a says j_a | t)``
(eq. 2.5), and class shares and error rates are counted with these posteriors (eqs. 2.3, 2.4). Here counts are
shrunk towards the average annotator (``confusions.estimate``). With a model, the class shares of a row are
``softmax(w log p(x) + b)``, fitted in the same EM (Raykar et al. 2010, eq. 9, with the classifier's
probabilities given and only their weight and bias learnt): one annotator that votes everywhere, softly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jointset.audit.annotators.agreement import vote_counts
from jointset.audit.annotators.base import Fit
from jointset.audit.annotators.confusions import estimate, speaks_for_itself
from jointset.audit.annotators.votes import Annotations
from jointset.records import Floats

ROUNDS = 200
TOLERANCE = 1e-5
REFITS = 5  # of the priors' strengths, which are then held so that EM can settle
RIDGE = 1.0


@dataclass(frozen=True)
class Discount:
    """Weight of every vote ``(v,)`` and of every annotator's silence ``(A,)``."""

    vote: Floats
    silence: Floats


def dawid_skene(
    votes: Annotations,
    n_classes: int,
    probs: Floats | None = None,
    discount: Discount | None = None,
    *,
    rows: Floats | None = None,
    start: Floats | None = None,
    strengths: tuple[float, float] | None = None,
    tolerance: float = TOLERANCE,
) -> Fit:
    """Fit annotators and posteriors; ``probs`` ``(n, K)`` are the cross-fitted probabilities of a model.

    ``rows`` ``(n,)`` are weights of the rows, one each by default, ``start`` ``(n, K)`` is the posterior to start from,
    that of the votes by default, and ``strengths`` are those of the priors, by default fitted too.

    Raises nothing: arrays are checked before. Better than chance on average is assumed, by the start from the
    votes as they are; which class is which cannot be told otherwise.

    >>> from jointset.audit.annotators.votes import from_table
    >>> said = np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]] * 25)
    >>> dawid_skene(from_table(said), 2).posterior.argmax(axis=1)[:4].tolist()
    [0, 1, 0, 1]
    """
    fires = speaks_for_itself(votes, n_classes)
    weight = Discount(np.ones(len(votes)), np.ones(votes.n_annotators)) if discount is None else discount
    said, ones = votes.said(n_classes, weight.vote), votes.said(n_classes)
    spoke = votes.spoke()
    spoke.data = weight.silence[votes.annotator]
    counted = np.asarray(ones.sum(axis=1)).ravel() > 0
    if fires.any() or probs is not None:
        counted[:] = True
    posterior = _first(votes, n_classes, probs) if start is None else start
    mass = np.ones(votes.n_rows) if rows is None else rows
    size = mass[counted].sum()
    model = None if probs is None else Model(probs, mass)
    held = strengths
    for turn in range(ROUNDS):
        weighed = mass[:, None] * posterior
        prior = (weighed[counted].sum(axis=0) + 1) / (size + n_classes)
        counts = np.asarray(ones.T @ weighed).reshape(-1, n_classes, n_classes)
        rates, held = estimate(counts, prior, size, fires, strengths or (held if turn >= REFITS else None))
        log = np.log(prior) if model is None else model.fit(posterior)
        silent = (weight.silence[:, None] * rates.silent).sum(axis=0) - spoke @ rates.silent
        before, posterior = posterior, softmax(log + said @ rates.said + silent)
        if turn >= REFITS and np.abs(posterior - before).max(initial=0.0) < tolerance:
            break
    return Fit(
        posterior,
        rates.confusion,
        rates.coverage,
        rates.pooled,
        prior,
        float("nan") if model is None else model.weight,
        strengths=held,
    )


def _first(votes: Annotations, n_classes: int, probs: Floats | None) -> Floats:
    """Shares of votes, with a model's probabilities or a flat opinion as one vote more."""
    counts = vote_counts(votes, n_classes)
    base = np.full(counts.shape, 1 / n_classes) if probs is None else probs
    return np.asarray((counts + base) / (counts.sum(axis=1, keepdims=True) + 1))


def softmax(z: Floats) -> Floats:
    """Rows of ``exp(z)`` that sum to one."""
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


class Model:
    """The model's log-odds with a weight and a bias per class, fitted to soft labels of weighted ``rows`` by maximum
    likelihood."""

    def __init__(self, probs: Floats, rows: Floats) -> None:
        self.logs, self.rows = np.log(np.clip(probs, 1e-6, None)), rows[:, None]
        self.x = np.r_[1.0, np.zeros(probs.shape[1])]

    @property
    def weight(self) -> float:
        """The exponent of the model's probabilities."""
        return float(self.x[0])

    def fit(self, target: Floats) -> Floats:
        """Improve weight and bias towards ``target`` ``(n, K)`` and return the logits ``(n, K)``."""
        from scipy.optimize import minimize

        n, logs, rows = len(target), self.logs, self.rows

        def loss(x: Floats) -> tuple[float, Floats]:
            z = x[0] * logs + x[1:]
            top = z.max(axis=1, keepdims=True)
            p = np.exp(z - top)
            total = p.sum(axis=1, keepdims=True)
            value = (rows * (np.log(total) + top - (target * z).sum(axis=1, keepdims=True))).sum()
            value += 0.5 * RIDGE * x[1:] @ x[1:]
            p = rows * (p / total - target)
            return value / n, np.r_[(p * logs).sum(), p.sum(axis=0) + RIDGE * x[1:]] / n

        bounds = [(0.0, 20.0)] + [(None, None)] * (len(self.x) - 1)
        self.x = minimize(loss, self.x, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 10}).x
        return self.x[0] * logs + self.x[1:]

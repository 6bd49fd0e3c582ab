"""``consensus``: votes, and optionally a model, in; agreed labels and annotator quality out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.annotators.accuracy import Refit, accuracy
from jointset.audit.annotators.agreement import measure, vote_counts
from jointset.audit.annotators.base import Consensus, Dependence, Fit
from jointset.audit.annotators.confusions import STRENGTHS, estimate
from jointset.audit.annotators.dawid_skene import Discount, dawid_skene
from jointset.audit.annotators.dependence import discount, find_dependence
from jointset.audit.annotators.votes import Annotations, from_table
from jointset.audit.base import check_precision, choose
from jointset.audit.checks import check_arrays
from jointset.audit.nodes import MAX_FIT, Node, fit_nodes
from jointset.audit.noise_fit import uniform_noise
from jointset.errors import ArrayError
from jointset.records import Floats

ROUGH = 1e-4  # change of the posterior at which a fit of random weights ends
CHUNK = 1 << 16


def consensus(
    annotations: ArrayLike | Annotations,
    pred_probs: ArrayLike | None = None,
    *,
    n_classes: int | None = None,
    precision: float = 0.9,
    method: str = "joint",
    seed: int = 0,
) -> Consensus:
    """Agree on one label per row and judge the annotators, people or labelling rules.

    ``annotations`` is ``(n, A)`` class codes, -1 or NaN where not annotated, or ``from_long(...)``;
    ``pred_probs`` ``(n, K)`` are cross-fitted probabilities of a model. ``method`` is one of

    - ``"majority"``: shares of votes;
    - ``"dawid_skene"``: annotators' confusions by EM, shrunk towards the average one (Dawid and Skene 1979),
      and silence as evidence for annotators with one label, as labelling rules are (Ratner et al. 2017);
    - ``"joint"``: with the model as one more annotator, its log-odds weighted and biased as the votes ask for
      (Raykar et al. 2010; the idea of CROWDLAB, Goh et al. 2022, where weights are set by agreement), and
      with annotators that repeat each other discounted. A single annotator's votes are judged by the noise
      posterior of ``find_label_errors``.

    The model must be cross-fitted (no row's probabilities from a model that saw its votes) and, where rules
    are functions of the input, see something that the rules do not (``give_away``): a model that has learnt
    the rules' mistakes confirms them, and nothing in the arrays tells. Mistakes that annotators share for the
    row's own reasons (a hard image) are not seen either: confidence is then too high. ``precision`` is the
    expected share of really wrong votes among those flagged; ``seed`` draws the rows that a single
    annotator's noise is fitted to.
    Raises ``ArrayError``.

    >>> rng = np.random.default_rng(0)
    >>> true = rng.integers(0, 3, 300)
    >>> wrong = rng.random((300, 4)) < [0.05, 0.1, 0.2, 0.6]
    >>> said = np.where(wrong, (true[:, None] + 1) % 3, true[:, None])
    >>> said[rng.random((300, 4)) < 0.3] = -1
    >>> found = consensus(said)
    >>> np.argsort(-found.annotator_quality).tolist()
    [0, 1, 2, 3]
    """
    check_precision(precision)
    if method not in METHODS:
        raise ArrayError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    votes = annotations if isinstance(annotations, Annotations) else from_table(annotations)
    probs = None if pred_probs is None else _probs(votes, pred_probs)
    if probs is not None and method != "joint":
        raise ArrayError(f"method {method!r} uses votes only; leave pred_probs out or say method='joint'")
    k = _n_classes(votes, probs, n_classes)
    fit, found, weight, refit = METHODS[method](votes, k, probs, seed)
    judged = accuracy(votes, fit.posterior, refit, seed=seed)
    return _report(votes, fit, found, weight, judged, probs is not None, precision)


def _probs(votes: Annotations, pred_probs: ArrayLike) -> Floats:
    pred = np.asarray(pred_probs)
    kind = "binary" if pred.ndim == 1 or (pred.ndim == 2 and pred.shape[1] <= 2) else "multiclass"
    return check_arrays(np.full(votes.n_rows, -1), pred, kind, "annotations").probs


def _n_classes(votes: Annotations, probs: Floats | None, n_classes: int | None) -> int:
    top = int(votes.label.max(initial=-1)) + 1
    k = n_classes if n_classes is not None else max(top, 2) if probs is None else probs.shape[1]
    if k < 2:
        raise ArrayError(f"n_classes must be at least 2, found {k}")
    if probs is not None and probs.shape[1] != k:
        raise ArrayError(f"n_classes is {k} but predictions have {probs.shape[1]} columns")
    if top > k:
        raise ArrayError(f"annotation {top - 1} is out of range for {k} classes (0 to {k - 1}, -1 = missing)")
    return k


Fitted = tuple[Fit, Dependence, Floats, Refit | None]


def _majority(votes: Annotations, k: int, probs: Floats | None, seed: int) -> Fitted:
    counts = vote_counts(votes, k)
    share = (counts.sum(axis=0) + 1) / (counts.sum() + k)
    posterior = counts + 1e-6 * share  # ties, and rows without a vote, go by the class shares
    posterior /= posterior.sum(axis=1, keepdims=True)
    return _counted(votes, posterior, share), Dependence.none(), np.ones(len(votes)), None


def _dawid_skene(votes: Annotations, k: int, probs: Floats | None, seed: int) -> Fitted:
    if not _overlap(votes):
        return _lone(votes, k)
    fit, refit = _fitted(votes, k, None, None)
    return fit, Dependence.none(), np.ones(len(votes)), refit


def _joint(votes: Annotations, k: int, probs: Floats | None, seed: int) -> Fitted:
    if probs is None and not _overlap(votes):
        return _lone(votes, k)
    if probs is not None and len(np.unique(votes.annotator)) == 1:
        return _single(votes, probs, seed), Dependence.none(), np.ones(len(votes)), None
    found = find_dependence(votes, k)
    weight = discount(votes, k, found)
    fit, refit = _fitted(votes, k, probs, weight)
    return fit, found, weight.vote, refit


def _fitted(votes: Annotations, k: int, probs: Floats | None, weight: Discount | None) -> tuple[Fit, Refit]:
    """A fit, and how it is repeated with weights of the rows and annotators that are hardly shrunk: the average one
    is near them all, and draws around it would look surer than they are."""
    fit = dawid_skene(votes, k, probs, weight)
    assert fit.strengths is not None
    again = partial(
        dawid_skene, votes, k, probs, weight, strengths=(STRENGTHS[0], fit.strengths[1]), tolerance=ROUGH
    )
    own = again(start=fit.posterior).posterior
    return fit, lambda rows: again(rows=rows, start=own).posterior


METHODS: dict[str, Callable[[Annotations, int, Floats | None, int], Fitted]] = {
    "majority": _majority,
    "dawid_skene": _dawid_skene,
    "joint": _joint,
}


def _overlap(votes: Annotations) -> bool:
    return bool(len(votes) and np.bincount(votes.row).max() > 1)


def _lone(votes: Annotations, k: int) -> Fitted:
    """No row has two votes and no model speaks: nothing tells right from wrong."""
    fit, found, weight, _ = _majority(votes, k, None, 0)
    note = "no row has two votes and there is no model: which votes are right cannot be told"
    fit = Fit(
        fit.posterior,
        fit.confusion,
        fit.coverage,
        fit.pooled,
        fit.prior,
        identified=False,
        notes=(note,) if len(votes) else ("nobody voted",),
    )
    return fit, found, weight, None


def _counted(votes: Annotations, posterior: Floats, prior: Floats) -> Fit:
    """Annotators' rates under fixed posteriors."""
    k = posterior.shape[1]
    counts = np.asarray(votes.said(k).T @ posterior).reshape(-1, k, k)
    fires = np.zeros(votes.n_annotators, bool)
    rates, _ = estimate(counts, prior, votes.n_rows, fires, None)
    return Fit(posterior, rates.confusion, rates.coverage, rates.pooled, prior)


def _single(votes: Annotations, probs: Floats, seed: int) -> Fit:
    """One annotator and a model: the noise posterior of one task."""
    k = probs.shape[1]
    given = np.full(votes.n_rows, -1)
    given[votes.row] = votes.label
    (noise,) = fit_nodes([Node("votes", probs, given)], np.ones(len(given), bool), MAX_FIT, seed).fits
    posterior, transition = noise.posterior.astype(np.float64), np.asarray(noise.model.transition)
    confusion = np.broadcast_to(uniform_noise(0.0, k), (votes.n_annotators, k, k)).copy()
    confusion[votes.annotator[0]] = transition
    share = np.bincount(votes.annotator, minlength=votes.n_annotators) / votes.n_rows
    return Fit(
        posterior,
        confusion,
        np.repeat(share[:, None], k, axis=1),
        transition,
        posterior.mean(axis=0),
        1.0,
        notes=("one annotator: judged by the noise posterior of a single task",),
    )


def _report(
    votes: Annotations,
    fit: Fit,
    found: Dependence,
    weight: Floats,
    judged: tuple[Floats, Floats],
    model: bool,
    precision: float,
) -> Consensus:
    label = fit.posterior.argmax(axis=1)
    voted = np.bincount(votes.row, minlength=votes.n_rows) > 0
    label[~voted & (not model)] = -1
    confidence = np.where(label >= 0, fit.posterior.max(axis=1, initial=0.0), np.nan)
    p_right, quality = _judge(votes, fit.posterior)
    share, interval = judged
    if not fit.identified:
        for untold in (confidence, p_right, quality, share, interval):
            untold[:] = np.nan
    wrong = np.isfinite(p_right) & (label[votes.row] != votes.label)
    flagged, promised = choose(1 - p_right, quality, wrong, precision)
    return Consensus(
        votes,
        label,
        confidence,
        fit.posterior,
        quality,
        flagged,
        weight,
        promised,
        share,
        interval,
        fit.confusion,
        fit.coverage,
        fit.prior,
        measure(votes, fit.posterior.shape[1], label),
        found,
        expected_gain(fit.posterior, fit.pooled),
        fit.model_weight,
        (*fit.notes, *_doubts(fit)),
    )


def _judge(votes: Annotations, posterior: Floats) -> tuple[Floats, Floats]:
    """P(right) and margin of every vote."""
    p_right, quality = np.empty(len(votes)), np.empty(len(votes))
    for start in range(0, len(votes), CHUNK):
        part = slice(start, start + CHUNK)
        own = posterior[votes.row[part]]
        p_right[part] = own[np.arange(len(own)), votes.label[part]]
        quality[part] = p_right[part]
    return p_right, quality


def expected_gain(posterior: Floats, confusion: Floats) -> Floats:
    """Expected fall of the entropy of the truth, in nats, from one vote of an annotator with ``confusion``.

    The mutual information of truth and vote, H(sum_t q_t P(j | t)) - sum_t q_t H(P(. | t)): asked where it is
    largest (Lindley 1956; active labels as in Goh and Mueller 2023, by information instead of confidence).

    >>> q = np.array([[0.5, 0.5], [1.0, 0.0]])
    >>> expected_gain(q, np.eye(2)).round(3)
    array([0.693, 0.   ])
    """
    from scipy.special import xlogy

    out = np.empty(len(posterior))
    noise = -xlogy(confusion, confusion).sum(axis=1)
    for start in range(0, len(out), CHUNK):
        q = posterior[start : start + CHUNK]
        said = q @ confusion
        out[start : start + CHUNK] = -xlogy(said, said).sum(axis=1) - q @ noise
    return np.maximum(out, 0.0)


def _doubts(fit: Fit) -> tuple[str, ...]:
    """Why the result may not be trusted."""
    k = len(fit.prior)
    own = np.diag(fit.pooled)
    lost = np.flatnonzero(own < fit.pooled.max(axis=1))
    if fit.identified and len(lost):
        codes = ", ".join(map(str, lost))
        return (f"the average annotator mostly misses class {codes} of {k}; check some rows by hand",)
    return ()

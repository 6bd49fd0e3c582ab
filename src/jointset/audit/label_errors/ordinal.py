"""Label errors of ordinal tasks (grades, stars): honest scatter between neighbouring grades is not noise.

Two people who agree about a wine may still say 5 and 6. From labels alone that scatter and wrong labels one
grade off are the same thing, so a noise model without order takes it for noise. Here a given grade is

``P(given j | x) = (1 - e) sum_t P(t | x) N[t, j] + e (1 - P(j | x)) / (K - 1)``

- P(t | x) is an adjacent-category logit (Goodman 1983; Agresti 2010, section 4.1),
  ``log P(t | x) = c1 log p_t - c2 (t - m)^2 + c3 log q_t + bias_t``, whose tails fall off with distance: q are the
  calibrated cross-fitted probabilities and p the deconvolved ones, as in ``posterior``; ``m = sum_t t p_t``;
- ``e`` is the share of labels given without regard to x, evenly over the other grades (the uncertainty part of
  D'Elia and Piccolo 2005, the lapses of Wichmann and Hill 2001): labels out of reach of scatter show it
  (``lapses``);
- ``N`` moves labels to neighbours. It is the identity unless neighbours are told apart sharply out of sample
  (``neighbour_noise``).

``c``, ``bias`` and ``e`` are fitted together by maximum likelihood of the given labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jointset.audit.base import Scores, TaskArrays, TaskAudit, finished, flaggable
from jointset.audit.nodes import Node, NodeFit, remarks
from jointset.audit.noise_fit import PRIOR, RIDGE, SHRINK, calibrate, fit_noise_model, logits, uniform_noise
from jointset.audit.posterior import FLOOR, NoiseModel, deconvolve, log, softmax
from jointset.records import Bools, Floats, Ints

START = 0.05  # of e: where its prior of SHRINK pseudo-labels puts it
SUREST = 0.1  # of a grade's labels: the rows at either end of a pair of neighbours that should be decided
RESOLVED = 0.75  # what two neighbours share of a row that is surely one of them
NOT_REJECTED = 1.92  # drop of the log-likelihood at the end of a 95 % interval (half of chi-squared's 3.84)
MIN_PAIR = 40  # labels of each of two neighbours; fewer cannot show that they are told apart


@dataclass(frozen=True)
class OrdinalModel(NoiseModel):
    """A noise model whose features know the order of the classes.

    ``anchor`` is the first T, ``neighbours`` is N ``(K, K)``; ``weights`` are c1, c2, c3 and those of the extra
    features.
    """

    neighbours: Floats

    def features(self, p_given: Floats, log_given: Floats) -> list[Floats]:
        """See :func:`ordered_features`."""
        return ordered_features(p_given, self.anchor.astype(p_given.dtype))


def nodes(task: TaskArrays) -> list[Node]:
    """The task as one variable of the joint label model."""
    return [Node(task.name, task.probs, task.labels, task.views, fit)]


def ordered_features(p_given: Floats, transition: Floats) -> list[Floats]:
    """Log of the deconvolved p, minus the squared distance of every grade to the expected one, log of p given x.

    >>> ordered_features(np.array([[0.0, 0.5, 0.5]]), np.eye(3))[1].round(2)
    array([[-2.25, -0.25, -0.25]])
    """
    p = deconvolve(p_given, transition)
    return [np.log(p + FLOOR), -(distance(p) ** 2), log(p_given)]


def distance(probs: Floats) -> Floats:
    """Of every grade to the expected one, ``(n, K)``."""
    grades = np.arange(probs.shape[1])
    return np.abs(grades - (probs @ grades)[:, None])


def fit(
    views: Sequence[Floats], given: Ints, extra: Sequence[Floats] = (), start: NoiseModel | None = None
) -> NoiseModel:
    """Fit the ordinal noise model to rows that carry a label; called as ``noise_fit.fit_noise_model`` is.

    ``views`` are ``(n, K)``, ``given`` ``(n,)`` codes in order without missing ones, ``extra`` holds log-messages
    of other tasks ``(n, K)``, whose weights are kept in [0, 1]; ``start`` is a model fitted without them.

    >>> rng = np.random.default_rng(0)
    >>> true = rng.integers(0, 5, 3000)
    >>> probs = 0.96 * np.eye(5)[true] + 0.008
    >>> bool(fit([probs], np.where(rng.random(3000) < 0.02, 4 - true, true)).transition[0, 0] > 0.97)
    True
    """
    views = [np.asarray(v, np.float64) for v in views]
    extra = [np.asarray(e, np.float64) for e in extra]
    base, k = start or calibrate(views, given), views[0].shape[1]
    if k == 2 or not base.informative:
        return fit_noise_model(views, given, extra, start)
    p_given = base.p_given(views)
    if isinstance(start, OrdinalModel):
        near, anchor = start.neighbours, start.anchor
        first = (k - anchor.trace()) / k  # close enough to start from
    else:
        first = lapses(p_given, given)
        near = neighbour_noise(p_given, given, first / (k - 1))
        anchor = near + first * (uniform_noise(1.0, k) - near)
    features = [*ordered_features(p_given, anchor), *extra]
    e, weights, bias, _ = _maximise(features, given, near, first, PRIOR)
    transition = near + e * (uniform_noise(1.0, k) - near)
    return OrdinalModel(transition, anchor, base.temperatures, base.given_bias, weights, bias, True, near)


def lapses(p_given: Floats, given: Ints) -> float:
    """The least e that the given labels do not reject, when scatter falls off with distance alone.

    Only the expected grade of every row is used: probabilities learnt from wrong labels have lapses built in and
    would explain them away. Scatter may be as heavy-tailed as ``exp(-c |t - m| - c' (t - m)^2)``.
    """
    tails = distance(p_given)
    features = [-tails, -(tails**2)]
    near = np.eye(p_given.shape[1])
    best, *_, likelihood = _maximise(features, given, near, START, SHRINK)
    for share in (0.0, 0.25, 0.5, 0.75):
        *_, lower = _maximise(features, given, near, share * best, np.inf)
        if lower >= likelihood - NOT_REJECTED:
            return share * best
    return best


def neighbour_noise(p_given: Floats, given: Ints, lapse: float = 0.0) -> Floats:
    """N: labels moved one grade, as far as neighbours are told apart sharply enough to know, ``(K, K)``.

    Of two neighbours, ``q`` is the predicted share of the upper one, on rows that are surely one of the two. The
    given labels of the surest rows at both ends of q show the rates of moved labels; ``lapse``, the rate of
    labels moved there from anywhere, is taken off. The given labels also measure, out of sample, the variance R²
    that q explains. A symmetric Beta(a, a) distribution has R² = 1 / (2 a + 1): 1/3 when flat, more with its mass
    at the ends (two kinds of rows, which mistakes mix), less with its mass in the middle (one scale, on which
    graders scatter). N takes none of the rates at 1/3 and all from 2/3 (a = 1/4).

    >>> y = np.repeat([0, 1], 2000)
    >>> sharp = np.stack([0.99 - 0.98 * y, 0.01 + 0.98 * y], axis=1)
    >>> neighbour_noise(sharp, np.where(np.arange(4000) % 20 == 0, 1 - y, y)).round(2)
    array([[0.95, 0.05],
           [0.05, 0.95]])
    """
    k = p_given.shape[1]
    ends = np.zeros((2, k - 1, 3))  # up and down, pair: sharpness, moved labels, labels
    for t in range(k - 1):
        resolved = p_given[:, t] + p_given[:, t + 1] > RESOLVED
        rows = np.flatnonzero(resolved & ((given == t) | (given == t + 1)))
        ends[:, t] = _ends(p_given[rows, t : t + 2], given[rows] == t + 1)
    sharp, moved, labels = np.moveaxis(ends, 2, 0)
    moved = np.maximum(moved - lapse * labels, 0)
    overall = (sharp * moved).sum() / max((sharp * labels).sum(), 1e-12)
    up, down = sharp * (moved + SHRINK * overall) / (labels + SHRINK)
    noise = np.diag(up, 1) + np.diag(down, -1)
    noise /= np.maximum(1, 2 * noise.sum(axis=1, keepdims=True))  # a grade keeps half of its labels
    return noise + np.diag(1 - noise.sum(axis=1))


def _ends(pair: Floats, upper: Bools) -> Floats:
    """Sharpness, moved labels and labels at the low and the high end of q, ``(2, 3)``.

    ``pair`` ``(n, 2)`` are the probabilities of two neighbours, ``upper`` ``(n,)`` says which one was given.
    """
    n, n_upper = len(upper), int(upper.sum())
    q = pair[:, 1] / np.maximum(pair.sum(axis=1), 1e-300)
    if min(n_upper, n - n_upper) < MIN_PAIR or not np.ptp(q):
        return np.zeros((2, 3))
    sharp = np.clip(3 * np.corrcoef(q, upper)[0, 1] ** 2 - 1, 0, 1)
    y = upper[np.argsort(q, kind="stable")]
    ends = y[: int(np.ceil(SUREST * (n - n_upper)))], ~y[-int(np.ceil(SUREST * n_upper)) :]
    return np.array([[sharp, end.sum(), len(end)] for end in ends])


def _maximise(
    features: list[Floats], given: Ints, near: Floats, guess: float, strength: float
) -> tuple[float, Floats, Floats, float]:
    """Maximum a posteriori of e (``strength`` pseudo-labels around ``guess``), weights and bias; log-likelihood."""
    from scipy.optimize import minimize

    (n, k), m = features[0].shape, len(features)
    slope = uniform_noise(1.0, k) - near
    guess, pull = max(guess, 1e-6), strength if np.isfinite(strength) else 0.0
    own = min(m, 3)  # features of the task itself; those of other tasks follow in pairs
    centre = np.r_[1.0, np.zeros(own - 1), np.tile([0.0, 1.0], m)[: m - own]]

    def loss(x: Floats) -> tuple[float, Floats]:
        c, b, e = x[:m], x[m:-1], x[-1]
        p = softmax(logits(c, b, features))
        joint = p * (near + e * slope).T[given]
        evidence = np.maximum(joint.sum(axis=1), 1e-300)
        value = -np.log(evidence).sum() + 0.5 * (b @ b + RIDGE * (c - centre) @ (c - centre))
        value -= pull * (guess * np.log(e) + (1 - guess) * np.log(1 - e))
        gain = (p * slope.T[given]).sum(axis=1) / evidence
        p -= joint / evidence[:, None]
        g_c = np.array([np.vdot(p, f) for f in features]) + RIDGE * (c - centre)
        g_e = -gain.sum() - pull * (guess / e - (1 - guess) / (1 - e))
        return value / n, np.concatenate([g_c, p.sum(axis=0) + b, [g_e]]) / n

    first = np.r_[[1.0, 0.1, 0.0][:own], np.tile([0.1, 0.9], m)[: m - own], np.zeros(k), guess]
    limits = [(0.0, None)] * own + [(0.0, 1.0)] * (m - own) + [(None, None)] * k
    limits += [(1e-6, 0.9) if np.isfinite(strength) else (guess, guess)]
    x = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": 200}).x
    p = (softmax(logits(x[:m], x[m:-1], features)) * (near + x[-1] * slope).T[given]).sum(axis=1)
    return float(x[-1]), x[:m], x[m:-1], float(np.log(np.maximum(p, 1e-300)).sum())


def median(posterior: Floats) -> Ints:
    """The lower median grade of every row, the Bayes decision for absolute error, ``(n,)``.

    >>> median(np.array([[0.4, 0.2, 0.4], [0.0, 0.1, 0.9]]))
    array([1, 2])
    """
    return (posterior.cumsum(axis=1) < 0.5 - 1e-12).sum(axis=1)


def severity(posterior: Floats, given: Ints) -> Floats:
    """Expected distance in grades between the given and the true label, ``(n,)``; NaN without a label.

    >>> severity(np.array([[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]), np.array([0, -1]))
    array([ 1., nan])
    """
    far = np.abs(given[:, None] - np.arange(posterior.shape[1]))
    return np.where(given >= 0, (posterior * far).sum(axis=1), np.nan)


def graded_quality(posterior: Floats, given: Ints) -> Floats:
    """P(given) times the expected agreement ``1 - E|true - given| / (K - 1)``, ``(n,)``; NaN without a label."""
    own = posterior[np.arange(len(given)), given]
    return np.clip(own * (1 - severity(posterior, given) / (posterior.shape[1] - 1)), 0, 1)


def assess(task: TaskArrays, fits: list[NodeFit], precision: float | None) -> TaskAudit:
    """Rank the given labels by how far off they are expected to be, suggest the median, flag by precision.

    ``quality`` is P(given) times the expected agreement ``1 - E|true - given| / (K - 1)`` (the linear weights of
    Cohen 1968): zero when surely wrong, and of two labels as likely wrong the one further off comes first.
    """
    posterior, given = np.asarray(fits[0].posterior), task.labels
    known = given >= 0
    n = len(given)
    suggested, p_error = median(posterior), np.full(n, np.nan)
    p_error[known] = 1 - posterior[known, given[known]]
    scores = Scores(graded_quality(posterior, given), suggested, posterior[np.arange(n), suggested], p_error)
    rate = np.array([p_error[known].mean() if known.any() else np.nan])
    candidates = known & (suggested != given)
    if fits[0].model.informative:
        candidates = flaggable(p_error, candidates, precision)
    noise = fits[0].model.transition
    labelled = int(known.sum())
    return finished(task, scores, candidates, precision, posterior, noise, rate, remarks(fits[0], labelled))

"""Scores on arrays, with intervals; every one masks missing labels and is NaN where it is undefined.

A metric is written once, for weighted rows: ``weighted(labels, outputs, weights)`` scores every row of a
``(resample, row)`` matrix of weights at once, so the plain value (all ones), a bootstrap interval and the
gate's paired comparison run through the same arithmetic. Forms of arrays: :mod:`jointset.records`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ArrayError, nearest
from jointset.records import Bools, Floats, Kind, Task, is_labelled

Array = NDArray[Any]
Weighted = Callable[[Array, Array, Floats], Floats]

NAMED = ("accuracy", "macro_f1")  # metrics of the labels that are named, not of probabilities
CHUNK = 4_000_000  # entries of a weights matrix held at a time
TINY = 1e-7  # the resolution of float32 probabilities near one


@dataclass(frozen=True)
class Metric:
    """A score: ``weighted(labels, outputs, weights (b, n)) -> (b,)``, its direction and the kinds it judges.

    >>> METRICS["accuracy"].function(np.array([0, 1, -1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.5, 0.5]]))
    0.5
    """

    weighted: Weighted
    greater_is_better: bool
    kinds: tuple[Kind, ...]
    limits: tuple[float, float] = (0.0, 1.0)

    def function(self, labels: Array, outputs: Array) -> float:
        """The score of the labelled rows; NaN where it is undefined."""
        known = is_labelled(labels)
        if not known.any():
            return float("nan")
        return float(self.weighted(labels[known], outputs[known], np.ones((1, int(known.sum()))))[0])


def default_metric(task: Task, labels: Array) -> str:
    """The metric a task is judged by when its owner names none.

    Binary: ``auc`` when the rarer class holds less than a fifth of the labels, else ``accuracy``; multiclass
    ``accuracy``; multilabel ``macro_f1``; regression ``r2``. ``labels`` are all labels of the task.

    >>> default_metric(Task("spam", "binary", ("no", "yes")), np.array([0] * 9 + [1]))
    'auc'
    """
    if task.kind == "binary":
        known = labels[labels >= 0]
        return "auc" if len(known) and min(np.mean(known == 0), np.mean(known == 1)) < 0.2 else "accuracy"
    return {"multiclass": "accuracy", "multilabel": "macro_f1", "regression": "r2"}[task.kind]


def evaluate(task: Task, labels: Array, outputs: Array, decisions: Array | None = None) -> dict[str, float]:
    """Every metric of the task's kind over its labelled rows; NaN where undefined (no label, a single class).

    ``decisions``, where a task's predictions are not read off its probabilities, are what ``NAMED`` metrics judge.
    Raises :class:`~jointset.errors.ArrayError` when labels and outputs do not belong together.

    >>> task = Task("size", "regression")
    >>> evaluate(task, np.array([1.0, 2.0, np.nan]), np.array([[1.0], [1.5], [9.0]]))
    {'r2': 0.5, 'mae': 0.25}
    """
    check(task, labels, outputs)
    decided = outputs if decisions is None else decisions
    return {
        name: m.function(labels, decided if name in NAMED else outputs)
        for name, m in METRICS.items()
        if task.kind in m.kinds
    }


def interval(
    metric: str, labels: Array, outputs: Array, *, seed: int, n: int = 1000, level: float = 0.9
) -> tuple[float, float]:
    """Percentile bootstrap interval of a metric over the labelled rows (Efron & Tibshirani 1993, ch. 13).

    ``n`` resamples of rows; ``level`` in (0, 1) is the two-sided coverage. Resamples in which the metric is
    undefined are left out; (NaN, NaN) where nothing is left. Raises ArrayError for an unknown metric.

    >>> labels = np.tile([0, 1], 50)
    >>> interval("accuracy", labels, np.eye(2)[labels], seed=0)
    (1.0, 1.0)
    """
    known = is_labelled(labels)
    score = lookup(metric).weighted
    labels, outputs = labels[known], outputs[known]
    draws = (
        [score(labels, outputs, weights) for weights in resamples(len(labels), n, seed)]
        if known.any()
        else []
    )
    return quantiles(np.concatenate(draws) if draws else np.empty(0), (1 - level) / 2, (1 + level) / 2)


def normalised(task: Task, metric: str, value: float, labels: Array) -> float:
    """The metric on a scale where 0 is the best constant prediction and 1 is perfect, for means over tasks.

    ``(value - c) / (p - c)`` with c the score of the constant (majority class, label frequencies, median or
    mean of ``labels``) and p the perfect score. A calibration error has no constant to beat and becomes
    ``1 - value``. NaN where the constant is perfect (a single class).

    >>> normalised(Task("a", "binary", ("n", "y")), "auc", 0.75, np.array([0, 1]))
    0.5
    """
    if metric == "ece":
        return 1.0 - value
    perfect = 1.0 if lookup(metric).greater_is_better else 0.0
    constant = _constant(task, metric, labels)
    return (value - constant) / (perfect - constant) if abs(perfect - constant) > 1e-12 else float("nan")


def lookup(name: str) -> Metric:
    """The metric of this name; an unknown one raises ArrayError with a suggestion."""
    if name not in METRICS:
        raise ArrayError(f"no metric is called {name!r}{nearest(name, METRICS)}; known: {', '.join(METRICS)}")
    return METRICS[name]


def bounded(name: str, value: float) -> float:
    """An estimate of a metric, no further out than the metric itself can be.

    >>> bounded("accuracy", 1.063), bounded("log_loss", -0.2), bounded("r2", -3.0)
    (1.0, 0.0, -3.0)
    """
    low, high = lookup(name).limits
    return float(np.clip(value, low, high))


def check(task: Task, labels: Array, outputs: Array) -> None:
    """Raise ArrayError unless labels and outputs have the task's shapes."""
    n = len(labels)
    shape = (n, task.n_outputs) if task.kind == "multilabel" else (n,)
    if labels.shape != shape:
        raise ArrayError(f"task {task.name}: labels of shape {shape} expected, found {labels.shape}")
    if outputs.shape != (n, task.n_outputs):
        raise ArrayError(
            f"task {task.name}: outputs of shape {(n, task.n_outputs)} expected, found {outputs.shape}"
        )


def resamples(n: int, count: int, seed: int) -> Iterator[Floats]:
    """Bootstrap weights: chunks ``(b, n)`` of how often each of n rows is drawn, ``count`` rows in all."""
    rng = np.random.default_rng(seed)
    size = max(1, CHUNK // max(n, 1))
    for start in range(0, count, size):
        b = min(size, count - start)
        drawn = rng.integers(n, size=(b, n)) + np.arange(b)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float64)


def quantiles(draws: Floats, low: float, high: float) -> tuple[float, float]:
    """Two quantiles of the finite draws, NaN where there are none."""
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return float("nan"), float("nan")
    a, b = np.quantile(draws, [low, high])
    return float(a), float(b)


def row_values(metric: str, labels: Array, outputs: Array) -> tuple[Floats, Floats]:
    """For a metric that is a mean: what each row adds and how much it counts, both ``(n,)``."""
    known = (labels >= 0) if labels.dtype.kind != "f" else np.isfinite(labels)
    values = _ENTRY[metric](labels, outputs)
    if values.ndim == 1:
        return values, known.astype(np.float64)
    return (values * known).sum(axis=1), known.sum(axis=1).astype(np.float64)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


def _mean_of(metric: str) -> Weighted:
    def weighted(labels: Array, outputs: Array, weights: Floats) -> Floats:
        top, bottom = row_values(metric, labels, outputs)
        return _ratio(weights @ top, weights @ bottom)

    return weighted


def _correct(labels: Array, outputs: Array) -> Floats:
    predicted = (outputs >= 0.5) if labels.ndim == 2 else outputs.argmax(axis=1)
    return (predicted == labels).astype(np.float64)


def _surprise(labels: Array, outputs: Array) -> Floats:
    p = np.clip(outputs.astype(np.float64), TINY, 1 - TINY)
    if labels.ndim == 2:
        return -np.where(labels == 1, np.log(p), np.log1p(-p))
    return -np.log(p[np.arange(len(labels)), labels])


def _distance(labels: Array, outputs: Array) -> Floats:
    return np.abs(labels - outputs[:, 0])


_ENTRY: Mapping[str, Callable[[Array, Array], Floats]] = {
    "accuracy": _correct,
    "log_loss": _surprise,
    "mae": _distance,
}


def _macro_f1(labels: Array, outputs: Array, weights: Floats) -> Floats:
    """Mean over classes of 2 tp / (2 tp + fp + fn); a class neither given nor predicted does not count."""
    if labels.ndim == 2:
        known, given, predicted = labels >= 0, labels == 1, outputs >= 0.5
    else:
        classes = np.arange(outputs.shape[1])
        known = np.ones((len(labels), len(classes)), bool)
        given, predicted = labels[:, None] == classes, outputs.argmax(axis=1)[:, None] == classes
    both = weights @ (2.0 * (given & predicted & known))
    either = weights @ (given & known).astype(float) + weights @ (predicted & known).astype(float)
    return _mean_defined(_ratio(both, either))


def _mean_defined(values: Floats) -> Floats:
    """Mean over the columns that are defined; NaN for a row without any."""
    defined = np.isfinite(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1))


def _auc(labels: Array, outputs: Array, weights: Floats) -> Floats:
    """Area under the ROC curve; macro over labels (multilabel) or classes against the rest (multiclass)."""
    if labels.ndim == 2:
        parts = [(labels[:, k] == 1, labels[:, k] >= 0, outputs[:, k]) for k in range(labels.shape[1])]
    elif outputs.shape[1] == 2:
        return _auc_one(labels == 1, np.ones(len(labels), bool), outputs[:, 1], weights)
    else:
        every = np.ones(len(labels), bool)
        parts = [(labels == k, every, outputs[:, k]) for k in np.unique(labels)]
    return _mean_defined(np.stack([_auc_one(*part, weights) for part in parts], axis=1))


def _auc_one(positive: Bools, known: Bools, score: Array, weights: Floats) -> Floats:
    """Mann-Whitney: the weight of (positive, negative) pairs in the right order, ties counted half."""
    order = np.flatnonzero(known)[np.argsort(score[known], kind="stable")]
    positive, score = positive[order], score[order]
    if not positive.any() or positive.all():
        return np.full(len(weights), np.nan)
    drawn = weights[:, order]
    negative = np.cumsum(np.where(positive, 0.0, drawn), axis=1)
    starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])
    group = np.cumsum(np.r_[True, score[1:] != score[:-1]])[positive] - 1
    ends = np.r_[starts[1:], len(score)] - 1
    below = np.where(starts == 0, 0.0, negative[:, starts - 1])
    middle = (below + negative[:, ends]) / 2
    raised = drawn[:, positive]
    pairs = np.einsum("bi,bi->b", raised, middle[:, group])
    return _ratio(pairs, raised.sum(axis=1) * negative[:, -1])


def _r2(labels: Array, outputs: Array, weights: Floats) -> Floats:
    centred = labels - labels.mean()  # keeps the sums of squares exact for labels far from zero
    total = weights.sum(axis=1)
    spread = weights @ centred**2 - _ratio((weights @ centred) ** 2, total)
    spread = np.where(spread > 1e-12 * (weights @ centred**2), spread, 0.0)
    return 1.0 - _ratio(weights @ (labels - outputs[:, 0]) ** 2, spread)


def _ece(labels: Array, outputs: Array, weights: Floats, bins: int = 15) -> Floats:
    """Expected calibration error of the top class (Naeini 2015), in equal-mass bins (Nixon 2019)."""
    confidence = outputs.max(axis=1).astype(np.float64)
    gap = (outputs.argmax(axis=1) == labels) - confidence
    member = np.zeros((len(labels), bins))
    for b, rows in enumerate(np.array_split(np.argsort(confidence, kind="stable"), bins)):
        member[rows, b] = 1.0
    return _ratio(np.abs(weights @ (member * gap[:, None])).sum(axis=1), weights.sum(axis=1))


def _constant(task: Task, metric: str, labels: Array) -> float:
    """The score of predicting the same for every row."""
    if metric == "auc":
        return 0.5
    if metric == "r2":
        return 0.0
    if metric == "mae":
        known = labels[np.isfinite(labels)]
        return float(np.mean(np.abs(known - np.median(known)))) if len(known) else float("nan")
    if task.kind == "multilabel":
        return _constant_multilabel(metric, labels)
    known = labels[labels >= 0]
    if not len(known):
        return float("nan")
    share = np.bincount(known, minlength=task.n_outputs) / len(known)
    if metric == "accuracy":
        return float(share.max())
    if metric == "log_loss":
        return float(-np.sum(share[share > 0] * np.log(share[share > 0])))
    return float(2 * share.max() / (1 + share.max()) / np.count_nonzero(share))


def _constant_multilabel(metric: str, labels: Array) -> float:
    known = labels >= 0
    count = known.sum(axis=0)
    used = count > 0
    share = (labels == 1).sum(axis=0)[used] / count[used]
    if not len(share):
        return float("nan")
    if metric == "accuracy":
        return float(np.average(np.maximum(share, 1 - share), weights=count[used]))
    if metric == "log_loss":
        p = np.clip(share, TINY, 1 - TINY)
        return float(np.average(-share * np.log(p) - (1 - share) * np.log1p(-p), weights=count[used]))
    # What a model without inputs predicts: the label where it is more often there than not.
    return (
        float(np.where(share >= 0.5, 2 * share / (1 + share), 0.0)[share > 0].mean()) if share.any() else 0.0
    )


CLASSES: tuple[Kind, ...] = ("binary", "multiclass")
LABELS: tuple[Kind, ...] = ("binary", "multiclass", "multilabel")

METRICS: dict[str, Metric] = {
    "accuracy": Metric(_mean_of("accuracy"), True, LABELS),
    "macro_f1": Metric(_macro_f1, True, LABELS),
    "auc": Metric(_auc, True, LABELS),
    "r2": Metric(_r2, True, ("regression",), (-np.inf, 1.0)),
    "mae": Metric(_mean_of("mae"), False, ("regression",), (0.0, np.inf)),
    "log_loss": Metric(_mean_of("log_loss"), False, LABELS, (0.0, np.inf)),
    "ece": Metric(_ece, False, CLASSES),
}

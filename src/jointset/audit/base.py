"""What the audit gives back: the frozen result of one task, and how many labels it flags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ArrayError
from jointset.notebook import table
from jointset.records import Bools, Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

LabelKind = Literal["binary", "multiclass", "ordinal", "multilabel", "regression"]
LIKELY = 0.5  # a label that is more likely wrong than right is worth a look, flagged or not
WORTH = 0.4  # P(error) above which the best F1 may flag a label although nothing else is more likely right
ANCHORED = 0.1  # the smallest share of the labels that T is anchored on


@dataclass(frozen=True)
class TaskArrays:
    """One task's checked arrays: labels with -1 (NaN for regression) where missing, and predictions.

    ``views`` are further predictions of the same shape; ``margin`` ``(n,)`` is the area under the margin of every
    given label, NaN where it is not known; ``std`` ``(n,)`` is the standard error of a numeric task's predictions,
    where it was given. Predictions keep their type and may be memory maps.
    """

    name: str
    kind: LabelKind
    labels: NDArray[Any]
    probs: NDArray[Any]
    views: tuple[NDArray[Any], ...] = ()
    margin: Floats | None = None
    std: Floats | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Posterior:
    """P(true | x, given) of many rows, computed when rows are asked for, as it would not fit into memory.

    >>> p = Posterior((4, 2), lambda rows: np.full((rows.stop - rows.start, 2), 0.5))
    >>> p[1:3].shape, np.asarray(p).shape
    ((2, 2), (4, 2))
    """

    shape: tuple[int, int]
    compute: Callable[[slice], Floats]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Floats:
        return self.compute(slice(*rows.indices(len(self))[:2]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)


@dataclass(frozen=True)
class Scores:
    """What is known of every label, ``(n,)`` each; see ``TaskAudit``."""

    quality: Floats
    suggested: Ints
    confidence: Floats
    p_error: Floats

    @classmethod
    def empty(cls, n: int) -> Scores:
        """Room for the scores of ``n`` labels."""
        return cls(np.full(n, np.nan), np.zeros(n, np.int64), np.zeros(n), np.full(n, np.nan))


@dataclass(frozen=True)
class TaskAudit:
    """The findings on one task; arrays are ``(n,)``, or ``(n, K)`` entry by entry for multilabel.

    ``is_error`` marks the given labels found wrong; ``quality`` is in [0, 1], 0 = surely bad, NaN where no label was
    given; ``suggested`` is the most probable label (for a missing label: the proposal to fill it in) and
    ``confidence`` the calibrated P(suggested is the true label); ``p_error`` is P(the given label is wrong), NaN
    where none was given. ``posterior`` is P(true | x, given, other tasks' labels), ``(n, K)`` (multilabel: of the
    positive class, entry by entry; regression: empty). ``noise_matrix[t, j]`` is P(given j | true t), ``(K, K)``
    (multilabel ``(K, 2, 2)``; regression empty), ``noise_rate`` the expected share of wrong given labels and
    ``noise_interval`` its 95 % interval (regression: NaN, there is none). ``promised_precision`` is the mean of
    ``p_error`` over the flagged set (NaN when nothing is flagged). ``interval`` ``(n, 2)`` (regression only, else
    None) holds the true label with the probability asked for as precision (0.9 if None), by x and the other tasks'
    labels; NaN where it cannot be told.
    """

    name: str
    kind: LabelKind
    given: NDArray[Any]
    is_error: Bools
    quality: Floats
    suggested: NDArray[Any]
    confidence: Floats
    p_error: Floats
    posterior: Any
    noise_matrix: Any
    noise_rate: float
    promised_precision: float
    notes: tuple[str, ...] = ()
    noise_interval: tuple[float, float] = (float("nan"), float("nan"))
    precision: float | None = None
    interval: Floats | None = None

    def __len__(self) -> int:
        return len(self.given)

    def told(self) -> dict[str, str]:
        """The figures of the result, in words."""
        low, high = self.noise_interval
        noise = f"{self.noise_rate:.1%}" + (f" [{low:.1%}, {high:.1%}]" if low == low else "")
        promise = (
            f"{self.promised_precision:.2f}" if self.promised_precision == self.promised_precision else "–"
        )
        return {
            "task": self.name,
            "kind": self.kind,
            "labels": f"{int(np.isfinite(self.quality).sum()):,}",
            "missing": f"{int((~np.isfinite(self.quality)).sum()):,}",
            "flagged": f"{int(self.is_error.sum()):,}",
            "noise": noise,
            "promised precision": promise,
        }

    def __repr__(self) -> str:
        told = self.told()
        figures = ", ".join(f"{name} {told[name]}" for name in list(told)[2:])
        return f"TaskAudit({'; '.join([f'{self.name!r}, {self.kind}: {figures}', *self.notes])})"

    def _repr_html_(self) -> str:
        told = self.told()
        return table("TaskAudit", list(told), [list(told.values())], "; ".join(self.notes))

    def ranked(self, n: int | None = None) -> Ints:
        """Indices of the labels that were given, worst first; for multilabel, flat indices of the entries."""
        quality = self.quality.ravel()
        order = np.argsort(quality, kind="stable")
        return order[: int(np.isfinite(quality).sum())][:n]

    @property
    def advice(self) -> NDArray[np.str_]:
        """What to do with every given label, in the shape of ``given``: "relabel", "drop", "ask" or "".

        Of the flagged labels, as many as keep the precision asked for are to be relabelled; of the rest only that they
        are wrong is known, so they are to be dropped. A label that is more likely wrong than right, but not flagged, is
        one to ask a person about, and so is one that is flagged although it is more likely right.
        """
        p_error, confidence = self.p_error.ravel(), self.confidence.ravel()
        flagged, likely = self.is_error.ravel(), np.nan_to_num(p_error) > LIKELY
        out = np.full(p_error.shape, "", "<U7")
        out[likely | flagged] = "ask"
        out[likely & flagged] = "drop"
        other = flagged & (self.suggested.ravel() != self.given.ravel())
        sure, _ = choose(confidence, 1 - confidence, other, self.precision or LIKELY)
        out[sure] = "relabel"
        return out.reshape(self.given.shape)

    def to_pandas(self) -> pd.DataFrame:
        """One row a label, in the order of the input: row, class (multilabel only), given and suggested label,
        is_error, quality, p_error, confidence of the suggestion and advice."""
        import pandas as pd

        k = self.given.shape[1] if self.given.ndim == 2 else 1
        place = np.arange(self.given.size)
        columns: dict[str, Any] = {"row": place // k}
        if self.given.ndim == 2:
            columns["class"] = place % k
        names = ("given", "suggested", "is_error", "quality", "p_error", "confidence", "advice")
        return pd.DataFrame(columns | {n: np.asarray(getattr(self, n)).ravel() for n in names})


class TaskAudits(Mapping[str, TaskAudit]):
    """Results by task name, read-only; the answer of ``find_label_errors`` to mappings."""

    def __init__(self, tasks: Mapping[str, TaskAudit]) -> None:
        self._tasks = dict(tasks)

    def __getitem__(self, name: str) -> TaskAudit:
        return self._tasks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        flagged = ", ".join(f"{k}: {v.told()['flagged']} flagged" for k, v in self._tasks.items())
        return f"{type(self).__name__}({flagged})"

    def _repr_html_(self) -> str:
        told = [v.told() for v in self._tasks.values()]
        return table(type(self).__name__, list(told[0]) if told else [], [list(t.values()) for t in told])


def check_precision(precision: float | None) -> float | None:
    """Return ``precision`` if it can be promised: above 0 and at most 1, or None for the best expected F1."""
    if precision is not None and not 0 < precision <= 1:
        raise ArrayError(f"precision must be above 0 and at most 1, or None, found {precision}")
    return None if precision is None else float(precision)


def flaggable(p_error: Floats, differs: Bools, precision: float | None) -> Bools:
    """Labels that may be flagged: those that something else is more likely to be than what was given. Where no
    precision is to be kept, also those that are wrong with a probability above 0.4.

    >>> flaggable(np.array([0.6, 0.45, 0.1]), np.array([True, False, False]), None)
    array([ True,  True, False])
    """
    return differs if precision is not None else differs | (np.nan_to_num(p_error) > WORTH)


def choose(
    p_error: Floats, quality: Floats, candidates: Bools, precision: float | None
) -> tuple[Bools, float]:
    """Flag the largest set, worst quality first, whose mean ``p_error`` reaches ``precision``.

    Without a precision, the set of the highest expected F1 (Lewis 1995; the ratio of expectations): twice the errors
    expected in it over its size plus all errors expected. Returns the mask and the precision it promises (NaN for an
    empty set).

    >>> choose(np.array([1.0, 0.9, 0.8, 0.1]), np.array([0.0, 0.1, 0.2, 0.9]), np.ones(4, bool), 0.9)
    (array([ True,  True,  True, False]), 0.9)
    >>> choose(np.array([1.0, 0.9, 0.5, 0.1]), np.array([0.0, 0.1, 0.2, 0.9]), np.ones(4, bool), None)[0]
    array([ True,  True,  True, False])
    """
    flagged = np.zeros(p_error.shape, bool)
    index = np.flatnonzero(candidates)
    order = index[np.argsort(quality.ravel()[index], kind="stable")]
    if not len(order):
        return flagged, float("nan")
    found, count = np.cumsum(p_error.ravel()[order]), np.arange(1, len(order) + 1)
    if precision is None:
        last = int(np.argmax(found / (count + np.nansum(p_error))))
    else:
        enough = np.flatnonzero(found / count >= precision - 1e-12)
        if not len(enough):
            return flagged, float("nan")
        last = int(enough[-1])
    flagged.ravel()[order[: last + 1]] = True
    return flagged, float(found[last] / count[last])


def finished(
    task: TaskArrays,
    scores: Scores,
    candidates: Bools,
    precision: float | None,
    posterior: Any,
    noise_matrix: Any,
    rates: Floats,
    notes: tuple[str, ...],
) -> TaskAudit:
    """Flag labels among ``candidates`` ``(n,)`` and put the result of a task together; ``rates`` are the noise
    rate and those of the members of the mixture it is the mean of."""
    flagged, promised = choose(scores.p_error, scores.quality, candidates, precision)
    labelled = int(np.isfinite(scores.p_error).sum())
    rate = float(rates[0]) if labelled else float("nan")
    return TaskAudit(
        task.name,
        task.kind,
        task.labels,
        flagged,
        scores.quality,
        scores.suggested,
        scores.confidence,
        scores.p_error,
        posterior,
        noise_matrix,
        rate,
        promised,
        notes,
        interval(rate, rates[1:], labelled),
        precision,
    )


def interval(rate: float, rates: Floats, labelled: int) -> tuple[float, float]:
    """95 % interval of a noise rate: T is counted on a part of the labels, and the members differ in which.

    >>> [round(v, 3) for v in interval(0.2, np.array([0.19, 0.2, 0.21]), 10_000)]
    [0.168, 0.232]
    """
    if not labelled:
        return float("nan"), float("nan")
    spread = float(np.var(rates, ddof=1)) if len(rates) > 1 else 0.0
    error = 1.96 * float(np.sqrt(max(rate * (1 - rate), 1 / labelled) / (ANCHORED * labelled) + spread))
    return max(rate - error, 0.0), min(rate + error, 1.0)

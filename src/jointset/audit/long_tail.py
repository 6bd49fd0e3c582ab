"""The long tail: how often every class comes, how well it is told, and which classes cannot be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.findings import Checked, Findings, ended
from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints

FEW = 20  # training rows below which a class is called rare
JUDGED = 10  # held-out rows that a class needs to be judged
BETA = 0.999
RATIO = 10.0  # commonest over rarest class from which a tail is called long
BANDS = ("head", "middle", "tail")


@dataclass(frozen=True, repr=False)
class LongTail(Checked):
    """``counts`` ``(K,)`` are the given labels of every class, ``effective`` ``(K,)`` their effective number, ``band``
    ``(K,)`` is 0 for head, 1 for middle, 2 for tail; ``accuracy`` is band → share of held-out labels that are
    predicted, and its 95 % interval; ``ratio`` is the commonest over the rarest class that occurs."""

    counts: Ints
    effective: Floats
    band: Ints
    accuracy: dict[str, tuple[float, float, float]]
    ratio: float


def long_tail(
    labels: ArrayLike,
    n_classes: int,
    *,
    names: Sequence[str] | None = None,
    held_out: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
    beta: float = BETA,
    subject: str = "",
) -> LongTail:
    """Count the classes of a task, and where predictions are given, judge them by how frequent they are.

    ``labels`` are codes ``(n,)`` with -1 where missing, or ``(n, K)`` of 0, 1 and -1; ``held_out`` ``(n,)`` marks the
    rows that judge, and ``predicted``, of the shape of ``labels``, are out-of-sample predictions (accuracy, or for
    label sets the share of given labels that are found). Head, middle and tail are the thirds of the classes by
    training rows; the interval is Wilson's (1927). The effective number of n rows is (1 − βⁿ) / (1 − β) (Cui et al.
    2019, eq. 2). Codes: ``rare_class`` (fewer than 20 training rows; score rows / 20), ``unjudged_class`` (fewer than
    ten held-out rows; rows / 10), ``long_tail`` (ten times as many rows in the commonest class as in the rarest;
    score 10 / ratio). Raises ``ArrayError``.

    >>> found = long_tail([0] * 100 + [1] * 5, 2, names=["no", "yes"])
    >>> found.findings.code.tolist(), found.findings.subject.tolist()
    (['rare_class', 'long_tail'], ['yes', ''])
    """
    y = np.asarray(labels)
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] != n_classes) or y.dtype.kind not in "iub":
        raise ArrayError(
            f"labels must be codes (n,) or (n, {n_classes}) of 0, 1 and -1, found {y.dtype} {y.shape}"
        )
    if y.ndim == 1 and len(y) and y.max() >= n_classes:
        raise ArrayError(f"labels go up to {y.max()}, and there are {n_classes} classes")
    if not 0 <= beta < 1:
        raise ArrayError(f"beta must be at least 0 and below 1, found {beta}")
    held = np.zeros(len(y), bool) if held_out is None else np.asarray(held_out, bool)
    if held.shape != (len(y),):
        raise ArrayError(f"held_out must be a mask of {len(y)} rows, found {held.shape}")
    called = [str(n) for n in names] if names is not None else [str(k) for k in range(n_classes)]
    counts, judges = _counts(y[~held], n_classes), _counts(y[held], n_classes)
    band = np.empty(n_classes, np.int64)
    order = np.argsort(-counts, kind="stable")
    for i, part in enumerate(np.array_split(order, 3)):
        band[part] = i
    effective = (1 - beta**counts) / (1 - beta)
    present = counts[counts > 0]
    ratio = float(present.max() / present.min()) if len(present) else float("nan")
    accuracy = {} if predicted is None else _accuracy(y, np.asarray(predicted), held, band)
    found = _findings(counts, judges, called, ratio, subject, bool(held.any()))
    facts = {
        "labels": int(counts.sum()),
        "classes": n_classes,
        "ratio": ratio,
        "tail_share": float(counts[band == 2].sum() / max(counts.sum(), 1)),
        "effective": float(effective.sum()),
        "counts": dict(zip(called, counts.tolist(), strict=True)) if n_classes <= 100 else {},
        "accuracy": {b: list(v) for b, v in accuracy.items()},
    }
    rare, blind = (int((found.code == c).sum()) for c in ("rare_class", "unjudged_class"))
    few = [f"{rare} of {n_classes} classes have fewer than {FEW} training rows"] if rare else []
    few += (
        [f"{blind} of {n_classes} classes have fewer than {JUDGED} held-out rows to be judged by"]
        if blind
        else []
    )
    even = f"{n_classes} classes, the commonest {ratio:.3g} times the rarest"
    outcome, reason = ended(found, "; ".join([even, *few]), even)
    if not counts.sum():
        outcome, reason, found = "not applicable", "there are no labels", Findings.empty()
    return LongTail(outcome, reason, found, facts, counts, effective, band, accuracy, ratio)


def _counts(y: NDArray[Any], k: int) -> Ints:
    return np.bincount(y[y >= 0], minlength=k) if y.ndim == 1 else (y == 1).sum(axis=0)


def _findings(
    counts: Ints, judges: Ints, names: list[str], ratio: float, subject: str, judged: bool
) -> Findings:
    prefix = f"{subject}: " if subject else ""
    rare = np.flatnonzero(counts < FEW)
    blind = np.flatnonzero(judges < JUDGED) if judged else np.empty(0, np.int64)
    parts = [
        Findings.of(
            "rare_class",
            subjects=[prefix + names[k] for k in rare],
            scores=counts[rare] / FEW,
            evidence=[{"rows": int(counts[k])} for k in rare],
        ),
        Findings.of(
            "unjudged_class",
            subjects=[prefix + names[k] for k in blind],
            scores=judges[blind] / JUDGED,
            evidence=[{"held_out": int(judges[k])} for k in blind],
        ),
    ]
    if ratio >= RATIO:
        parts.append(
            Findings.of(
                "long_tail", subjects=[subject], scores=[RATIO / ratio / 2], evidence=[{"ratio": ratio}]
            )
        )
    return Findings.concat(parts)


def _accuracy(
    y: NDArray[Any], predicted: NDArray[Any], held: Bools, band: Ints
) -> dict[str, tuple[float, float, float]]:
    """Band → share of the held-out (without any, of all) given labels that are predicted, and its interval."""
    if predicted.shape != y.shape:
        raise ArrayError(f"predicted must have the shape of the labels {y.shape}, found {predicted.shape}")
    rows = held if held.any() else np.ones(len(y), bool)
    y, predicted = y[rows], predicted[rows]
    out = {}
    for i, name in enumerate(BANDS):
        if y.ndim == 1:
            mine = (y >= 0) & (band[np.maximum(y, 0)] == i)
            right = predicted[mine] == y[mine]
        else:
            mine = (y == 1) & (band == i)[None, :]
            right = predicted[mine] == 1
        if right.size:
            out[name] = (float(right.mean()), *wilson(int(right.sum()), right.size))
    return out


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share.

    >>> [round(v, 3) for v in wilson(8, 10)]
    [0.49, 0.943]
    """
    p = right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float(middle - half), float(middle + half)

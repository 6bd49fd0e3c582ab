"""Is there anything to learn in a task's labels, or are they random?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from jointset.errors import ArrayError
from jointset.records import Floats
from jointset.relatedness.columns import Array, checked, graded, known, parts
from jointset.relatedness.logme import gains
from jointset.relatedness.probes import standardised

PERMUTATIONS = 199
ROWS = 2000
FEWEST = 40
ENOUGH = 50  # labels beside those of the commonest value; with fewer, real tasks go unnoticed as well
LEVEL = 0.05

# what it takes to act on a missing signal
SURE_LABELS = 800
SURE_RARER = 100  # labels beside the commonest
SURE_LEVEL = 0.02  # p-value above which a task is suspected; of random ones a fiftieth stays below
LOOKS = (49, 199)  # permutations of a first look, which settles most tasks, and of a second
OWN_LEVEL = 0.01  # p-value from which held-out predictions of a task's own model are worth something
SILENT = 1e-6  # of the labels' spread, or of a probability: outputs that differ by less are one constant
HELD_OUT = (80, 40)  # what :func:`enough` asks of held-out labels: few let a weak model look worthless


@dataclass(frozen=True)
class Signal:
    """Whether a task's labels go with the features: the evidence of a linear model, that of permuted labels (their
    mean), and the share of permutations that reach it (p-value)."""

    task: str
    outcome: Literal["signal", "no signal", "not judged"]
    reason: str
    value: float
    chance: float
    p_value: float
    rows: int


def label_signal(
    labels: Mapping[str, Any],
    features: Any,
    *,
    permutations: int = PERMUTATIONS,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Signal]:
    """Test every task's labels against permutations of themselves, by LogME of the ``features`` ``(n, d)``.

    The p-value is (1 + as many permutations as reach the value) / (1 + permutations) (Phipson and Smyth 2010), of the
    mean over the labels of a set; numbers count by their ranks. A task with p > ``level`` may have random labels, or
    depend on what a linear model of these features does not see: the reason says so. Where fewer than 50 labels are
    not of the commonest value, a greater p says little of real tasks, too, and they are not judged. At most 2,000 rows
    are used. Raises ArrayError.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 3))
    >>> found = label_signal({"real": (x[:, 0] > 0) * 1, "random": rng.integers(2, size=200)}, x)
    >>> found["real"].outcome, found["random"].outcome, found["real"].p_value
    ('signal', 'no signal', 0.005)
    """
    given = checked(labels)
    x = standardised(features, len(next(iter(given.values()))))
    return {name: _judged(name, y, x, permutations, level, seed) for name, y in given.items()}


def sure_signal(labels: Mapping[str, Any], features: Any, *, seed: int = 0) -> dict[str, Signal]:
    """:func:`label_signal` as one may act on it: "no signal" needs labels enough, and has to be found twice.

    With fewer than 800 labels, or 100 beside the commonest, weak tasks look random, and p > 0.02 is "not judged".
    Raises ArrayError.

    >>> rng = np.random.default_rng(1)
    >>> x, coin = rng.normal(size=(900, 3)), rng.integers(2, size=900)
    >>> few = np.where(np.arange(900) < 90, coin, -1)
    >>> found = sure_signal({"real": (x[:, 0] > 0) * 1, "coin": coin, "few": few}, x)
    >>> [s.outcome for s in found.values()]
    ['signal', 'no signal', 'not judged']
    """
    given = checked(labels)
    found: dict[str, Signal] = {}
    asked = given
    for permutations in LOOKS:
        if asked:
            found |= label_signal(asked, features, permutations=permutations, level=SURE_LEVEL, seed=seed)
            asked = {n: given[n] for n in asked if found[n].p_value > SURE_LEVEL}
    return {n: s if enough(given[n]) else _unsure(s) for n, s in found.items()}


def says_nothing(labels: Any, outputs: Any, *, seed: int = 0) -> bool:
    """Whether held-out ``outputs`` ``(n, K)`` of a task's own model are surely worth nothing for its ``labels``.

    :func:`label_signal` of the predictions in the inputs' place. Early stopping has looked at these labels, hence
    p > 0.01. Fewer than 80 labels, or 40 beside the commonest, leave it open: then the answer is no. Rows whose outputs
    are not finite are left out; a model that gives no others has diverged, and is worth nothing. Raises ArrayError.

    >>> y = np.tile([0, 1], 100)
    >>> says_nothing(y, np.eye(2)[y]), says_nothing(y, np.random.default_rng(0).random((200, 2)))
    (False, True)
    """
    given, said = checked({"task": labels})["task"], np.asarray(outputs, np.float64)
    if said.ndim != 2 or len(said) != len(given):
        raise ArrayError(f"outputs must be ({len(given)}, K) like the labels, found {said.shape}")
    if not enough(given, *HELD_OUT):
        return False
    finite = np.isfinite(said).all(axis=1)
    if not finite.any():
        return True
    given, said = given[finite], said[finite]
    if not enough(given, *HELD_OUT):
        return False
    unit = float(np.nanstd(given)) if given.dtype.kind == "f" else 1.0  # probabilities have no unit
    if not (np.ptp(said, axis=0) > SILENT * unit).any():
        return True
    about = said - said.mean(axis=0)
    return label_signal({"task": given}, about, level=OWN_LEVEL, seed=seed)["task"].outcome == "no signal"


def enough(labels: Array, fewest: int = SURE_LABELS, rarer: int = SURE_RARER) -> bool:
    """Whether a task has labels enough for a missing signal to mean something: so many, and beside the commonest.

    >>> enough(np.tile([0, 1], 400)), enough(np.r_[np.ones(99, int), np.zeros(900, int)])
    (True, False)
    """

    def one(column: Array) -> bool:
        there = column[known(column)]
        if len(there) < fewest or column.dtype.kind == "f":
            return len(there) >= fewest
        return bool(len(there) - np.bincount(there).max() >= rarer)

    return any(map(one, parts(labels)))


def _unsure(signal: Signal) -> Signal:
    if signal.outcome != "no signal":
        return signal
    reason = f"too few labels to tell whether they follow the inputs (p = {signal.p_value:.2f}, {signal.rows:,} rows)"
    return replace(signal, outcome="not judged", reason=reason)


def _judged(name: str, y: Array, x: Floats, permutations: int, level: float, seed: int) -> Signal:
    rng, draws, most, apart = np.random.default_rng(seed), [], 0, 0
    for column in map(graded, parts(y)):
        rows = rng.permutation(np.flatnonzero(known(column)))[:ROWS]
        if len(rows) >= FEWEST and np.ptp(column[rows]) > 0:
            draws.append(gains(x[rows], column[rows], permutations, rng))
            most = max(most, len(rows))
            apart = max(apart, len(rows) - int(np.unique(column[rows], return_counts=True)[1].max()))
    nan = float("nan")
    if not draws:
        return Signal(name, "not judged", f"fewer than {FEWEST} labels, or all the same", nan, nan, nan, most)
    found = np.mean(draws, axis=0)
    p_value = float((1 + (found[1:] >= found[0] - 1e-12).sum()) / (1 + permutations))
    value, chance = float(found[0]), float(found[1:].mean()) if permutations else nan
    if p_value <= level:
        reason = f"labels follow the inputs (p = {p_value:.3f}, {most:,} rows)"
        return Signal(name, "signal", reason, value, chance, p_value, most)
    if apart < ENOUGH:
        reason = (
            f"{apart} of {most:,} labels are not of the commonest value: too few to tell (p = {p_value:.2f})"
        )
        return Signal(name, "not judged", reason, value, chance, p_value, most)
    reason = (
        f"labels are no nearer to the inputs than permuted ones (p = {p_value:.2f}, {most:,} rows): random, or beyond "
        "a linear model of these features"
    )
    return Signal(name, "no signal", reason, value, chance, p_value, most)

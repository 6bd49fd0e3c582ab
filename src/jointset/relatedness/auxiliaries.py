"""Auxiliary tasks for a target: greedy along an affinity, each step checked by a training where one can be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from jointset.errors import ArrayError
from jointset.relatedness.affinity import Affinity

Interval = tuple[float, float, float]  # gain, low, high


@dataclass(frozen=True)
class Step:
    """One candidate: its affinity, the measured gain of the set with it (NaN where none was measured), and why it was
    taken or not."""

    source: str
    affinity: float
    gain: float
    low: float
    high: float
    taken: bool
    reason: str


@dataclass(frozen=True)
class Choice:
    """The auxiliary tasks of a target, what they are worth, and the way there; ``gain`` is NaN without trainings.

    ``measure`` is that of the affinity they were chosen by, ``trainings`` how many sets were asked for, and ``note``
    what else a reader should know.
    """

    target: str
    chosen: tuple[str, ...]
    gain: float = float("nan")
    trainings: int = 0
    steps: tuple[Step, ...] = field(default=())
    measure: str = ""
    note: str = ""

    @property
    def reason(self) -> str:
        """The choice in words."""
        note = f" ({self.note})" if self.note else ""
        if not self.chosen:
            why = self.steps[0].reason if self.steps else "no task says more than chance"
            return f"none: {why}{note}"
        worth = "" if np.isnan(self.gain) else f", measured gain {self.gain:+.4f}"
        return f"{', '.join(self.chosen)}{worth}{note}"


def choose_auxiliaries(
    affinity: Affinity,
    target: str,
    *,
    most: int = 3,
    gain: Callable[[tuple[str, ...]], Interval | None] | None = None,
    patience: int = 2,
    floor: float = 0.0,
    exclude: Mapping[str, str] | None = None,
) -> Choice:
    """Choose up to ``most`` auxiliary tasks for ``target``.

    Candidates are the sources above chance and above ``floor``, best affinity first; where the affinity has intervals,
    those whose lower bound is above it for all sources at once. Without ``gain`` the first ``most`` are chosen. With
    it, a set of auxiliaries → measured gain of the target over training alone with its interval (None: no more can be
    measured), a candidate stays when the gain with it is greater than without, and all of its interval above zero;
    after ``patience`` refusals in a row the search ends. ``exclude`` are sources that must not be taken, each with the
    reason. Raises ArrayError.

    >>> found = Affinity("a", ("t", "x", "y"), np.array([[1, 0, 0], [0.5, 1, 0], [0.2, 0, 1.0]]), "share", (0, 1))
    >>> choose_auxiliaries(found, "t", most=1).chosen
    ('x',)
    >>> worth = {("x",): (-0.02, -0.03, -0.01), ("y",): (0.02, 0.01, 0.03)}
    >>> choose_auxiliaries(found, "t", gain=worth.__getitem__).chosen
    ('y',)
    """
    if most < 1 or patience < 1:
        raise ArrayError(f"most and patience must be at least 1, found {most} and {patience}")
    column = affinity.index(target)
    above = affinity.above_chance()[:, column]
    least = affinity.simultaneous()[0][:, column]
    chosen: tuple[str, ...] = ()
    best, refused, trainings, steps = 0.0, 0, 0, []
    nan = float("nan")
    for source, value in affinity.top(target):
        if source in (exclude or {}):
            steps.append(Step(source, value, nan, nan, nan, False, (exclude or {})[source]))
            continue
        if not above[affinity.index(source)] or value <= floor:
            steps.append(Step(source, value, nan, nan, nan, False, "no more than chance, or hardly"))
            continue
        if not least[affinity.index(source)] > floor:
            steps.append(Step(source, value, nan, nan, nan, False, "not surely"))
            continue
        if len(chosen) == most or refused == patience:
            break
        if gain is None:
            chosen += (source,)
            steps.append(Step(source, value, nan, nan, nan, True, "by affinity alone"))
            continue
        found = gain((*chosen, source))
        if found is None:
            break
        worth, low, high = found
        trainings += 1
        taken = worth > best and low > 0
        reason = (
            f"gain {best:+.4f} → {worth:+.4f}"
            if taken
            else f"not surely better with it ({worth:+.4f} [{low:+.4f}, {high:+.4f}], {best:+.4f} without)"
        )
        steps.append(Step(source, value, worth, low, high, taken, reason))
        if taken:
            chosen, best, refused = (*chosen, source), worth, 0
        else:
            refused += 1
    measured = best if gain is not None else nan
    return Choice(target, chosen, measured, trainings, tuple(steps), affinity.measure)

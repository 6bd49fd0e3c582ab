"""Smooth losses within simple bounds: limited-memory BFGS (Nocedal 1980) on the parameters that are off their bounds.

The methods of ``scipy.optimize`` do the same, but loading it takes longer, and more memory, than most audits do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from jointset.records import Bools, Floats

MEMORY = 10
LEAST_GAIN = 1e-4  # of what the slope promises (Armijo 1966)
FLAT, STILL = 1e-5, 2e-9  # the largest slope, and the relative gain of a step, at which it ends
HALVINGS = 20
ANY = (-np.inf, np.inf)

Loss = Callable[[Floats], tuple[float, Floats]]


def minimise(
    loss: Loss, start: Floats, bounds: Sequence[tuple[float, float]], *, rounds: int = 200
) -> tuple[Floats, float]:
    """Parameters ``(p,)`` within ``bounds`` at a minimum of ``loss``, which gives value and gradient; and its value.

    >>> def loss(x):
    ...     return float((x - 3) @ (x - 3)), 2 * (x - 3)
    >>> minimise(loss, np.zeros(2), [(0, 1), ANY])[0].round(3)
    array([1., 3.])
    """
    lower, upper = np.array(bounds, np.float64).T
    x = np.clip(start, lower, upper)
    value, slope = loss(x)
    pairs: list[tuple[Floats, Floats]] = []
    for _ in range(rounds):
        free = ~((x <= lower) & (slope > 0) | (x >= upper) & (slope < 0))
        if not np.abs(slope[free]).max(initial=0.0) > FLAT:
            break
        way = -direction(np.where(free, slope, 0.0), pairs, free)
        if not way @ slope < 0:
            pairs, way = [], -np.where(free, slope, 0.0)
        size = 1.0 if pairs else min(1.0, 1.0 / float(np.sqrt(way @ way)))
        for _ in range(HALVINGS):
            there = np.clip(x + size * way, lower, upper)
            new, slope_there = loss(there)
            if new <= value + LEAST_GAIN * float(slope @ (there - x)):
                break
            size /= 2
        else:
            break
        step, change = there - x, slope_there - slope
        if step @ change > 1e-10 * (change @ change):
            pairs = [*pairs[1 - MEMORY :], (step, change)]
        gain = value - new
        x, value, slope = there, new, slope_there
        if size == 1 and gain <= STILL * max(abs(value), 1.0):
            break
    return x, value


def direction(slope: Floats, pairs: Sequence[tuple[Floats, Floats]], free: Bools) -> Floats:
    """Inverse Hessian times slope by the two-loop recursion, ``(p,)``, zero where not free."""
    out, used = slope.copy(), []
    for step, change in reversed(pairs):
        step, change = step * free, change * free
        both = float(step @ change)
        if both <= 0:
            continue
        share = float(step @ out) / both
        out -= share * change
        used.append((step, change, both, share))
    if used:
        _, change, both, _ = used[0]
        out *= both / float(change @ change)
    for step, change, both, share in reversed(used):
        out += (share - float(change @ out) / both) * step
    return out

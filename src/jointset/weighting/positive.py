"""The equation Mx = b ∘ x^(−p) in positive x, of Nash-MTL (p = 1) and FairGrad (p = 1/α)."""

from __future__ import annotations

import numpy as np

from jointset.records import Floats

STEPS = 200
ENOUGH = 1e-10  # of the residual, relative to the right side
ROUNDING = 1e-14  # of f, relative: no step that gains less is real


def solve_positive(matrix: Floats, right: Floats, power: float) -> Floats:
    """The x > 0 with Mx = b ∘ x^(−p), ``(k,)``, by Newton's method.

    It is where f(x) = ½ xᵀMx − Σ b_i φ(x_i), φ′(x) = x^(−p), is least; f is convex, so x is unique for a positive
    definite M. A step keeps x positive and is halved until f falls.

    Parameters
    ----------
    matrix
        ``(k, k)``, symmetric and positive definite.
    right
        b, ``(k,)``, positive.
    power
        p > 0.

    >>> solve_positive(np.diag([1.0, 4.0]), np.ones(2), 1.0).tolist()
    [1.0, 0.5]
    """
    x = _start(matrix, right, power)
    for _ in range(STEPS):
        pull = right * x ** (-power)
        miss = matrix @ x - pull
        if np.abs(miss / pull).max() < ENOUGH:
            break
        curve = matrix * x * x[:, None] + np.diag(power * pull * x)  # of f in x_i / x_i
        change = np.linalg.solve(curve, -miss * x)
        length = 1.0 / max(1.0, -1.1 * change.min())
        slope = float(miss * x @ change)
        value = _value(matrix, right, power, x)
        while -slope > ROUNDING * float(pull @ x) and length > 1e-8:
            if _value(matrix, right, power, x * (1 + length * change)) <= value + 1e-4 * length * slope:
                break
            length /= 2
        x = x * (1 + length * change)
        if -slope <= ROUNDING * float(pull @ x):
            break
    return x


def _start(matrix: Floats, right: Floats, power: float) -> Floats:
    """The solution for a diagonal M, shrunk or stretched to the best length."""
    x = (right / matrix.diagonal()) ** (1.0 / (1.0 + power))
    total = float(x @ matrix @ x)
    return x * (float(right @ x ** (1.0 - power)) / total) ** (1.0 / (1.0 + power))


def _value(matrix: Floats, right: Floats, power: float, x: Floats) -> float:
    """½ xᵀMx − Σ b_i φ(x_i)."""
    log_x = np.log(x)
    gain = log_x if power == 1.0 else np.expm1((1.0 - power) * log_x) / (1.0 - power)
    return float(0.5 * x @ matrix @ x - right @ gain)

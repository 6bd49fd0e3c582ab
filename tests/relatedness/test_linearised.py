"""Linearised gains against ridge and logistic regression of scikit-learn, and on gains that were planted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge

from jointset.errors import ArrayError
from jointset.relatedness import Affinity, Tangent, group_tasks, linearised_gain


def numbers(rng, weights, n):
    """Rows of a number that is linear in the gradients, where the model says 0.3."""
    g = rng.normal(size=(n, len(weights)))
    return Tangent(g, np.full(n, 0.3), np.arange(n) % 2, g @ weights + 0.5 * rng.normal(size=n))


def margins(rng, weights, n):
    """Rows of two classes, as margins of the row's own label, where the model says nothing."""
    x = rng.normal(size=(n, len(weights)))
    signs = np.where(x @ weights + rng.logistic(size=n) > 0, 1, -1)
    return Tangent(x * signs[:, None], np.zeros(n), np.arange(n) % 2)


def length(*rows):
    return np.mean([(t.gradients**2).sum(1).mean() for t in rows])


def test_of_numbers_a_set_is_the_ridge_regression_on_all_its_rows():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=5)
    rows = {"a": numbers(rng, weights, 60), "b": numbers(rng, -weights, 90)}
    found = linearised_gain(rows, ridge=0.05)
    fit, own = rows["a"].fold == 1, rows["a"]
    other = rows["b"].fold == 1
    x = np.concatenate([own.gradients[fit], rows["b"].gradients[other]])
    y = np.concatenate([(own.targets - own.outputs)[fit], (rows["b"].targets - rows["b"].outputs)[other]])
    share = np.repeat([1 / fit.sum(), 1 / other.sum()], [fit.sum(), other.sum()])
    penalty = 0.05 * length(*rows.values())
    losses = []
    for one, two, w in (
        (x, y, share),
        (own.gradients[fit], (own.targets - own.outputs)[fit], share[: fit.sum()]),
    ):
        ridge = Ridge(alpha=penalty, fit_intercept=False).fit(one, two, sample_weight=w)
        rest = own.targets - own.outputs - ridge.predict(own.gradients)
        losses.append(rest[~fit] ** 2 / 2)
    np.testing.assert_allclose(found.rows("ab", "a")[~fit], losses[1] - losses[0], atol=1e-9)


def test_of_classes_it_is_near_the_logistic_regression_where_steps_are_short():
    rng = np.random.default_rng(1)
    weights = np.array([0.4, -0.3, 0.2, 0.0])
    own = margins(rng, weights, 4000)
    found = linearised_gain({"a": own}, ridge=0.5)
    fit = own.fold == 1
    signs = rng.choice([-1, 1], fit.sum())  # a margin of either label is one row
    penalty = 0.5 * length(own)
    exact = LogisticRegression(C=1 / penalty / fit.sum(), fit_intercept=False, tol=1e-10)
    exact.fit(own.gradients[fit] * signs[:, None], signs)
    np.testing.assert_allclose(found._fitted(["a"])[0], exact.coef_[0], rtol=0.01, atol=1e-4)


def test_what_agrees_gains_what_contradicts_loses_and_what_is_orthogonal_does_little():
    rng = np.random.default_rng(2)
    way, aside = np.zeros(12), np.zeros(12)
    way[:2] = aside[2:4] = 1.5, 1.0
    rows = {
        "target": margins(rng, way, 120),
        "agrees": margins(rng, way, 400),
        "against": margins(rng, -way, 400),
        "aside": margins(rng, aside, 400),
    }
    found = linearised_gain(rows, ridge=0.02)
    order = [t for t, _ in found.affinity.top("target")]
    assert order == ["agrees", "aside", "against"]
    assert found.affinity["agrees", "target"] > 0 and found.affinity.high[2, 0] < 0
    assert abs(found.affinity["aside", "target"]) < 0.5 * abs(found.affinity["against", "target"])
    groups = group_tasks(found.affinity, 2, score=found.predicted).groups
    assert ("target", "agrees") in [g.serves[:2] for g in groups]
    assert all("against" not in g.serves or "target" not in g.serves for g in groups)


@given(st.floats(0.01, 100), st.permutations(["a", "b", "c"]), st.integers(0, 5))
def test_neither_the_scale_of_gradients_nor_the_order_of_tasks_matters(scale, order, seed):
    rng = np.random.default_rng(seed)
    rows = {t: margins(rng, rng.normal(size=4), 40) for t in "abc"}
    found = linearised_gain(rows)
    scaled = linearised_gain(
        {t: Tangent(rows[t].gradients * scale, rows[t].outputs, rows[t].fold) for t in order}
    )
    assert found.predicted("ab", "a") == pytest.approx(found.affinity["b", "a"])
    for members in ("ab", "abc", "bc"):
        assert found.predicted(members, "a") == pytest.approx(scaled.predicted(members[::-1], "a"), abs=1e-9)
    assert found.predicted("a", "a") == 0


def test_of_tasks_without_rows_nothing_is_known():
    rng = np.random.default_rng(3)
    rows = {t: margins(rng, np.ones(3), 30) for t in "ab"}
    found = linearised_gain(rows, tasks=("a", "x", "b"))
    assert np.isnan(found.affinity["x", "a"]) and np.isnan(found.affinity["a", "x"])
    assert np.isfinite(found.affinity["a", "b"]) and found.affinity.support[0].tolist() == [30, 0, 30]
    assert found.predicted("ax", "x") == 0 and found.predicted("ax", "a") == 0
    assert isinstance(Affinity.read(found.affinity.record()), Affinity)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gradients": np.ones((10, 2))}, "gradients \\(10, 3\\)"),
        ({"fold": np.zeros(10, int)}, "too few rows in 2 folds"),
        ({"targets": np.zeros(9)}, "targets \\(10,\\), found \\(9,\\)"),
        ({"constant": 0.0}, "constant's loss above 0, found 0"),
    ],
)
def test_what_does_not_fit_is_told(change, message):
    fine = {"gradients": np.ones((10, 3)), "outputs": np.zeros(10), "fold": np.arange(10) % 2}
    with pytest.raises(ArrayError, match=message):
        linearised_gain({"a": Tangent(**fine), "b": Tangent(**(fine | change))})
    with pytest.raises(ArrayError, match="ridge above 0"):
        linearised_gain({"a": Tangent(**fine)}, ridge=0)
    with pytest.raises(ArrayError, match="no task 'c'; one of a"):
        linearised_gain({"a": Tangent(**fine)}).predicted("ac", "a")

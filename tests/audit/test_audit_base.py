"""How many labels are flagged, what to do with each, and the tables they come in."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset.audit import find_label_errors
from jointset.audit.base import Posterior, TaskAudit, choose
from jointset.audit.label_errors import classification

CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def expected_f1(p, chosen):
    """Ratio of expectations (Lewis 1995): 2 E[hits] / (flagged + E[errors])."""
    return 2 * p[chosen].sum() / (len(chosen) + p.sum())


@given(CHANCES, st.data())
def test_without_a_precision_no_subset_has_a_higher_expected_f1(chances, data):
    p = np.array(chances)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(p), max_size=len(p))))
    flagged, promised = choose(p, 1 - p, allowed, None)
    rows = np.flatnonzero(allowed)
    subsets = [np.array(s) for size in range(1, len(rows) + 1) for s in combinations(rows, size)]
    assert not flagged[~allowed].any()
    if not subsets:
        assert not flagged.any() and np.isnan(promised)
    elif p.sum():
        best = max(expected_f1(p, s) for s in subsets)
        assert expected_f1(p, np.flatnonzero(flagged)) >= best - 1e-12
        assert promised == pytest.approx(p[flagged].mean())


@given(CHANCES, st.floats(0.01, 1))
def test_the_largest_set_that_keeps_the_precision_is_flagged(chances, precision):
    p = np.array(chances)
    flagged, promised = choose(p, 1 - p, np.ones(len(p), bool), precision)
    ordered = np.sort(p)[::-1]
    enough = [m for m in range(1, len(p) + 1) if ordered[:m].mean() >= precision - 1e-12]
    assert flagged.sum() == max(enough, default=0)
    assert np.isnan(promised) if not enough else promised >= precision - 1e-9


def test_unknown_labels_do_not_count():
    p = np.array([0.9, np.nan, 0.3, np.nan])
    known = np.isfinite(p)
    # .9 / (1 + 1.2) > 1.2 / (2 + 1.2)
    np.testing.assert_array_equal(choose(p, 1 - p, known, None)[0], [True, False, False, False])


def audit_of(p_error, confidence, is_error, precision, given=None):
    n = np.shape(p_error)
    given = np.zeros(n, int) if given is None else given
    p_error = np.asarray(p_error)
    return TaskAudit(
        "t",
        "multiclass",
        given,
        np.asarray(is_error),
        1 - p_error,
        np.ones(n, int),
        np.asarray(confidence),
        p_error,
        None,
        None,
        0.1,
        0.9,
        precision=precision,
    )


def test_golden_advice():
    # .95, .9 and .75 keep .85 in the mean, with .3 they would not; .6 is doubtful, .2 is fine, NaN is not given
    audit = audit_of(
        [0.99, 0.95, 0.9, 0.9, 0.6, 0.2, np.nan],
        [0.95, 0.9, 0.75, 0.3, 0.6, 0.8, 0.99],
        [True] * 4 + [False] * 3,
        0.85,
    )
    assert audit.advice.tolist() == ["relabel", "relabel", "relabel", "drop", "ask", "", ""]


def test_without_a_precision_a_suggestion_has_to_be_likely():
    audit = audit_of([0.9, 0.9], [0.8, 0.1], [True, True], None)
    assert audit.advice.tolist() == ["relabel", "drop"]


def softmax(z):
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def drawn(n=4000, k=4, noise=0.2, sharp=3.0, seed=0):
    """Drawn from the model of noise itself."""
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(0, sharp, (n, k)))
    true = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    transition = np.where(np.eye(k, dtype=bool), 1 - noise, noise / (k - 1))
    given = (transition[true].cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return p @ transition, true, given


def test_relabelled_are_right_as_often_as_asked_for():
    probs, true, given = drawn(12_000, noise=0.3)
    found = find_label_errors(given, probs, precision=0.8)
    advice = found.advice
    np.testing.assert_array_equal(found.is_error, np.isin(advice, ["relabel", "drop"]))
    assert abs((found.suggested == true)[advice == "relabel"].mean() - 0.8) < 0.05
    assert not ((advice == "ask") & (found.p_error <= 0.5)).any()


def test_the_set_of_the_best_expected_f1_is_near_the_best_real_one():
    probs, true, given = drawn(12_000)
    found = find_label_errors(given, probs, precision=None)
    error = given != true

    def f1(flagged):
        return 2 * (error & flagged).sum() / (error.sum() + flagged.sum())

    order = found.ranked()
    hits = np.cumsum(error[order])
    best = (2 * hits / (np.arange(1, len(order) + 1) + error.sum())).max()
    assert f1(found.is_error) > best - 0.02
    assert f1(found.is_error) > f1(find_label_errors(given, probs, precision=0.95).is_error)


def test_a_table_of_classes():
    probs, _, given = drawn(500)
    given[:7] = -1
    found = find_label_errors(given, probs, precision=0.7)
    table = found.to_pandas()
    names = ["row", "given", "suggested", "is_error", "quality", "p_error", "confidence", "advice"]
    assert list(table.columns) == names and table.row.tolist() == list(range(500))
    for name in names[1:]:
        np.testing.assert_array_equal(table[name].to_numpy(), getattr(found, name))
    assert table.quality.isna().sum() == 7 and table.is_error.any()
    worst = table.sort_values("quality", kind="stable").row[: len(found.ranked())]
    assert worst.tolist() == found.ranked().tolist()


def test_a_table_of_flags_has_a_row_an_entry():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, (400, 3))
    given = np.where(rng.random((400, 3)) < 0.1, 1 - true, true)
    given[0, 1] = -1
    found = find_label_errors(given, np.clip(0.1 + 0.8 * true + 0.05 * rng.normal(size=true.shape), 0, 1))
    table = found.to_pandas()
    assert list(table.columns[:2]) == ["row", "class"] and len(table) == 1200
    assert found.advice.shape == (400, 3) and found.advice[0, 1] == ""
    for i in rng.integers(0, 1200, 50):
        line = table.iloc[i]
        place = (int(line["row"]), int(line["class"]))
        assert line["given"] == given[place] and line["is_error"] == found.is_error[place]
        assert line["advice"] == found.advice[place]
        np.testing.assert_equal(line["quality"], found.quality[place])


def test_a_table_of_numbers():
    rng = np.random.default_rng(0)
    pred = rng.normal(size=200)
    given = pred + 0.1 * rng.normal(size=200)
    given[:5] += 3
    given[5] = np.nan
    table = find_label_errors(given, pred).to_pandas()
    np.testing.assert_array_equal(table.given, given)
    assert table.is_error[:5].all() and np.isnan(table.quality[5])


@pytest.mark.parametrize("k", [4, 70])
def test_a_posterior_that_is_not_kept_is_the_same(monkeypatch, k):
    probs, _, given = drawn(1500, k)
    given[::9] = -1
    kept = find_label_errors(given, probs)
    monkeypatch.setattr(classification, "KEEP", 0)
    lazy = find_label_errors(given, probs)
    assert isinstance(lazy.posterior, Posterior) and isinstance(kept.posterior, np.ndarray)
    for field in ("quality", "suggested", "confidence", "p_error", "is_error"):
        np.testing.assert_array_equal(getattr(lazy, field), getattr(kept, field))
    assert lazy.noise_rate == kept.noise_rate and lazy.posterior.shape == kept.posterior.shape
    np.testing.assert_allclose(np.asarray(lazy.posterior), kept.posterior, atol=1e-6)
    np.testing.assert_allclose(lazy.posterior[300:310], kept.posterior[300:310], atol=1e-6)
    np.testing.assert_allclose(lazy.posterior[-5:], kept.posterior[-5:], atol=1e-6)


def test_the_interval_holds_the_noise_rate():
    inside, width = [], []
    for seed in range(8):
        for k, noise in ((2, 0.1), (3, 0.05), (4, 0.2)):
            probs, true, given = drawn(4000, k, noise, seed=seed)
            found = find_label_errors(given, probs)
            low, high = found.noise_interval
            assert 0 <= low <= found.noise_rate <= high <= 1
            inside.append(low <= (given != true).mean() <= high)
            width.append(high - low)
    assert np.mean(inside) >= 0.8 and np.mean(width) < 0.12  # 0.95 is meant


def test_more_labels_narrow_the_interval():
    widths = []
    for n in (500, 8000):
        probs, _, given = drawn(n)
        low, high = find_label_errors(given, probs).noise_interval
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]


@settings(max_examples=20)
@given(st.integers(0, 5))
def test_ranked_leaves_missing_labels_out(n):
    audit = audit_of([0.2, np.nan, 0.9, 0.5], [0.5] * 4, [False] * 4, 0.9)
    assert audit.ranked(n).tolist() == [2, 3, 0][:n]
    assert audit.ranked().tolist() == [2, 3, 0]


def test_the_best_f1_may_flag_labels_that_are_more_likely_right_and_asks_about_them():
    probs, _, given = drawn(12_000, noise=0.3)
    found = find_label_errors(given, probs, precision=None)
    doubtful = found.is_error & (found.p_error <= 0.5)
    assert doubtful.any()
    assert (found.p_error[found.is_error] > 0.4).all()
    assert (found.advice[doubtful] == "ask").all()
    assert not (found.advice[found.suggested == given] == "relabel").any()

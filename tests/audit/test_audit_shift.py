"""Shift: against closed forms and the papers' formulas, and levels that are kept."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from jointset.audit import (
    column_shift,
    concept_shift,
    covariate_shift,
    importance_weights,
    label_shift,
    share_shift,
    shift_matrix,
)
from jointset.audit.shift.columns import holm
from jointset.audit.shift.covariate import kernel_test
from jointset.errors import ArrayError


def test_the_kernel_distance_is_equation_3_of_gretton():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)), rng.normal(0.8, 1, size=(20, 2))
    both = np.concatenate([x, y])
    squared = ((both[:, None] - both[None]) ** 2).sum(-1)
    width = np.median(squared[np.triu_indices(50, 1)])

    def k(a, b):
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / width)

    kx, ky = k(x, x), k(y, y)
    want = (kx.sum() - 30) / (30 * 29) + (ky.sum() - 20) / (20 * 19) - 2 * k(x, y).mean()
    got, p = kernel_test(both, np.repeat([False, True], [30, 20]), np.random.default_rng(0))
    assert got**2 == pytest.approx(want, rel=1e-6) and p <= 0.01


@pytest.mark.parametrize("what", ["mean", "spread", "shape"])
def test_shifts_of_several_kinds_are_seen(what):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(400, 5))
    b = {
        "mean": a[::-1] + 0.4,
        "spread": rng.normal(size=(400, 5)) * 1.6,
        "shape": rng.choice([-1.0, 1.0], (400, 5)),
    }[what]
    found = covariate_shift(a, b)
    assert found.outcome == "found" and found.p_value < 0.01


def test_alarms_on_random_halves_keep_the_level():
    rng = np.random.default_rng(0)
    p = [covariate_shift(*np.split(rng.exponential(size=(160, 3)), 2), seed=i).p_value for i in range(40)]
    assert np.mean(np.array(p) < 0.1) <= 0.2


def test_the_kernel_test_finds_its_pair_among_many():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 4 * 120))
    sign = np.repeat(
        [0.97, -0.97, 0.97, 0.97], 120
    )  # the second group's columns correlate the other way round
    points = np.stack([x, sign * x + np.sqrt(1 - sign**2) * z], axis=1)
    found = shift_matrix(points, np.repeat(["a", "b", "c", "d"], 120))
    assert sorted(found.findings.subject) == ["a × b", "b × c", "b × d"]


def test_more_permutations_leave_the_kernel_test_its_level():
    rng = np.random.default_rng(0)
    least = [
        kernel_test(rng.normal(size=(30, 1)), np.arange(30) % 2, np.random.default_rng(i), 19, finest=0.005)[
            1
        ]
        for i in range(400)
    ]
    assert 0 < np.mean(np.array(least) <= 0.05) <= 0.08 and np.mean(np.array(least) <= 0.01) <= 0.02
    assert min(least) < 0.05 / 2  # 19 permutations alone end at 0.05


def test_columns_are_tested_by_kolmogorov_and_smirnov_and_corrected_by_holm():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=200), rng.normal(1, 1, size=150)
    found = column_shift({"x": a, "same": a[:100]}, {"x": b, "same": a[100:]})
    assert found.effect["x"] == pytest.approx(ks_2samp(a, b).statistic)
    assert found.findings.subject.tolist() == ["x"]
    # the example of Holm (1979) as it is usually told: 0.01, 0.02, 0.03 and 0.04 out of four
    assert list(holm({"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.04}).values()) == pytest.approx(
        [0.04, 0.06, 0.06, 0.06]
    )


def test_missing_values_that_come_more_often_are_a_shift():
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    gone = np.where(rng.random(300) < 0.3, np.nan, x[300:])
    words = np.array(["a", "b"], object)[rng.integers(0, 2, 600)]
    found = column_shift({"x": x[:300], "w": words[:300]}, {"x": gone, "w": words[300:]})
    assert found.findings.subject.tolist() == ["x"]


def test_shares_of_classes_are_recovered_from_predictions():
    rng = np.random.default_rng(0)
    means = np.array([[0, 0], [2, 0], [0, 2]])

    def draw(share, n):
        y = rng.choice(3, n, p=share)
        x = means[y] + rng.normal(size=(n, 2))
        density = np.exp(-((x[:, None] - means[None]) ** 2).sum(-1) / 2) * np.array([0.6, 0.3, 0.1])
        return y, density / density.sum(1, keepdims=True)

    y, p = draw([0.6, 0.3, 0.1], 4000)
    _, q = draw([0.2, 0.3, 0.5], 4000)
    found = label_shift(y, p, q)
    assert found.outcome == "found" and found.target == pytest.approx([0.2, 0.3, 0.5], abs=0.04)
    assert label_shift(y, p, draw([0.6, 0.3, 0.1], 4000)[1]).outcome == "passed"


def test_the_test_of_mean_predictions_is_hotellings_and_keeps_its_level():
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        y = rng.integers(0, 10, 100)
        probs = np.exp(rng.normal(size=(100, 10)) + 2 * (y[:, None] == np.arange(10)))
        probs /= probs.sum(axis=1, keepdims=True)
        found = label_shift(y[:50], probs[:50], probs[50:])
        alarms += found.p_value < 0.05
    assert 3 <= alarms <= 25  # 15 are expected
    assert label_shift(y[:20], probs[:20], probs[20:]).outcome == "not applicable"
    one = rng.random((2, 30))  # with two classes, T² is the square of Student's t
    p, q = (np.stack([u, 1 - u], axis=1) for u in one)
    found = label_shift(np.arange(30) % 2, p, q)
    assert found.p_value == pytest.approx(ttest_ind(*one).pvalue)


def test_labels_of_floats_are_codes_and_nan_is_missing():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 2))
    y = (x[:, 0] > 0).astype(int)
    some = np.where(np.arange(240) < 9, np.nan, y)
    site = np.arange(240) % 2
    told = [shift_matrix(x, site, labels=v) for v in (some, np.where(np.isnan(some), -1, y))]
    assert np.array_equal(told[0].loss, told[1].loss, equal_nan=True) and not np.isnan(told[0].loss[0, 1])
    halves = [concept_shift(x[:120], v[:120], x[120:], v[120:]).p_value for v in (y, y.astype(float))]
    assert halves[0] == halves[1]


def test_other_labels_for_like_inputs_are_concept_shift_and_other_inputs_are_none():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 3))
    y = (x[:, 0] + rng.normal(size=1200) > 0).astype(int)
    a, b = slice(0, 600), slice(600, None)
    assert concept_shift(x[a], y[a], x[b], (x[b][:, 1] > 0).astype(int)).outcome == "found"
    assert concept_shift(x[a], y[a], x[b], y[b]).outcome == "passed"
    moved = x + np.array([0, 1.0, 0])  # the inputs move where labels do not depend on them
    assert concept_shift(x[a], y[a], moved[b], y[b]).outcome == "passed"
    assert concept_shift(x[a], y[a], x[b] + 50, y[b]).outcome == "not applicable"


@pytest.mark.parametrize("columns", [1, 5])
@pytest.mark.parametrize(
    ("curve", "rises"),
    [
        (lambda z: np.where(np.abs(z) > 1, 0.9, 0.1), False),
        (lambda z: np.where((z > 0) & (z < 1), 0.8, 0.2), False),
        (lambda z: 0.5 + 0.4 * np.tanh(3 * (z - 1)), True),
        (lambda z: 1 / (1 + np.exp(-2 * z)), True),
    ],
    ids=["beyond one", "bump", "tanh", "logistic"],
)
def test_inputs_that_move_along_a_curve_are_no_concept_shift(curve, rises, columns):
    rng = np.random.default_rng(0)
    alarms = missed = 0
    for seed in range(8):
        a, b = rng.normal(size=(2, 500, columns))
        b[:, 0] += 1
        y_a, y_b = ((rng.random(500) < curve(x[:, 0])).astype(int) for x in (a, b))
        alarms += concept_shift(a, y_a, b, y_b, seed=seed).outcome == "found"
        turned = np.where(b[:, 0] > 0.5, 1 - y_b, y_b)  # labels change their meaning in a region
        missed += concept_shift(a, y_a, b, turned, seed=seed).outcome != "found"
    assert alarms <= 1 and (missed <= 1 or not rises)  # a linear model sees no turn of what falls again


def test_other_shares_of_the_classes_are_no_concept_shift():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 3))
    odds = np.stack([np.zeros(1200), 2 * x[:, 0], x[:, 1]], axis=1)
    odds[600:] += [0, 1, -1]  # p(x | y) stays
    y = (odds + rng.gumbel(size=odds.shape)).argmax(axis=1)
    assert concept_shift(x[:600], y[:600], x[600:], y[600:]).p_value > 0.01


def test_importance_weights_are_the_ratio_of_two_normal_densities():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4000, 1)), rng.normal(0.7, 1, size=(4000, 1))
    found = importance_weights(a, b)
    want = np.exp(0.7 * a[:, 0] - 0.7**2 / 2)
    assert np.corrcoef(found.weights, want)[0, 1] > 0.98
    assert found.weights.mean() == pytest.approx(1)
    # Kish's number for this ratio: n / E[w²] = n exp(-0.49)
    assert found.effective == pytest.approx(4000 * np.exp(-0.49), rel=0.1)
    assert importance_weights(a, b + 9).outcome == "found"


def test_the_matrix_names_the_group_that_is_apart():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(450, 3))
    y = (x[:, 0] > 0).astype(int)
    y[300:] = 1 - y[300:]
    found = shift_matrix(x, np.repeat(["a", "b", "c"], 150), labels=y)
    codes = list(zip(found.findings.code, found.findings.subject, strict=True))
    assert ("concept_shift", "a × c") in codes and ("bad_transfer", "a → c") in codes
    assert not any(s in ("a × b", "a → b", "b → a") for _, s in codes)


def test_small_sides_are_not_judged_and_mistakes_are_one_line():
    x = np.random.default_rng(0).normal(size=(40, 2))
    half = np.full((40, 2), 0.5)
    assert covariate_shift(x[:5], x).outcome == "not applicable"
    assert concept_shift(x, np.zeros(40, int), x, np.zeros(40, int)).outcome == "not applicable"
    assert shift_matrix(x, ["a"] * 40).outcome == "not applicable"
    for call in (
        lambda: covariate_shift(x, x[:, :1]),
        lambda: covariate_shift(np.full((30, 2), np.nan), x),
        lambda: column_shift({"a": [1]}, {"b": [1]}),
        lambda: label_shift([0], np.ones((2, 2)), np.ones((2, 2))),
        lambda: concept_shift(x, [0], x, [0]),
        lambda: importance_weights(x, x, flatten=2),
        lambda: shift_matrix(x, ["a"]),
        lambda: shift_matrix(x, ["a"] * 40, labels=[0]),
        lambda: covariate_shift(x, x, groups=np.arange(40)),
        lambda: concept_shift(*2 * (np.tile(x, (2, 1)), np.zeros(80)), groups=np.arange(80)),
        lambda: concept_shift(x, np.full(40, 0.5), x, np.zeros(40)),
        lambda: share_shift({"x": (np.zeros(40, int), np.zeros(40))}),
        lambda: share_shift({"x": (np.zeros(40, int), np.ones(40, int))}, names=["a"]),
        lambda: column_shift({"x": x}, {"x": x}),
        lambda: label_shift(np.full(40, 2), half, half),
        lambda: label_shift(np.full(40, 0.5), half, half),
        lambda: label_shift(np.zeros(40), half * np.nan, half),
        lambda: label_shift(np.zeros(40), half, half, names=["a"]),
    ):
        with pytest.raises(ArrayError, match=r"^\S[^\n]+$"):
            call()


def test_linear_models_of_the_matrix_may_read_sparse_terms():
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    site = np.repeat(["a", "b", "c"], 100)
    word = np.where(site == "c", 2 + labels, labels)  # the third site says it in words of its own
    terms = csr_matrix(np.eye(4)[word] + rng.random((300, 4)) * 0.05)
    points = rng.normal(size=(300, 3))
    found = shift_matrix(points, site, labels=labels, terms=terms)
    assert found.loss[0, 1] < 0.02 and found.worth[0, 1] > 0.5
    assert found.loss[0, 2] > 0.2 and found.worth[0, 2] < 0.1
    blind = shift_matrix(points, site, labels=labels)
    assert (blind.covariate[0, 1], blind.worth[0, 1] < 0.1) == (found.covariate[0, 1], True)


def test_given_labels_are_compared_at_the_stated_level():
    from scipy.stats import chi2_contingency

    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        y = rng.choice(4, 600, p=[0.5, 0.3, 0.15, 0.05])
        sides = np.array_split(y, 3)
        pairs = {f"{i}{j}": (sides[i], sides[j]) for i, j in ((0, 1), (0, 2), (1, 2))}
        alarms += share_shift(pairs, level=0.05, least=0.0).outcome == "found"
    assert 0 < alarms <= 30  # 20 are expected at most

    a, b = np.repeat([0, 1, 2], [30, 30, 40]), np.repeat([0, 1, 2, -1], [50, 25, 25, 9])
    found = share_shift({"a × b": (a, b)}, least=0.0)
    assert found.p_value["a × b"] == pytest.approx(chi2_contingency([[30, 30, 40], [50, 25, 25]]).pvalue)
    assert found.effect["a × b"] == pytest.approx(0.2)
    x, y = rng.normal(size=300), rng.normal(0.5, 1, 300)
    numbers = share_shift({"x × y": (np.append(x, np.nan), y)})
    assert numbers.effect["x × y"] == pytest.approx(ks_2samp(x, y).statistic) and numbers.outcome == "found"


def test_many_rows_do_not_make_a_trifle_a_shift():
    a, b = np.repeat([0, 1], [500_000, 500_000]), np.repeat([0, 1], [505_000, 495_000])
    found = share_shift({"a × b": (a, b)})
    assert found.p_value["a × b"] < 1e-6 and found.outcome == "passed"
    assert share_shift({"a × b": (a[:19], b)}).outcome == "not applicable"
    with pytest.raises(ArrayError, match="a × b: labels must be class codes"):
        share_shift({"a × b": (np.array(["x"]), b)})


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_the_unit_of_the_inputs_does_not_hide_a_shift(unit):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300, 3))
    b = b + 0.6
    plain, scaled = covariate_shift(a, b), covariate_shift(a * unit, b * unit)
    assert plain.outcome == scaled.outcome == "found"
    assert scaled.area == pytest.approx(plain.area, abs=0.01)
    y = [(x[:, 0] > 0).astype(int) for x in (a, 0.6 - b)]
    told = [concept_shift(a * u, y[0], b * u, y[1]) for u in (1.0, unit)]
    assert told[1].p_value == pytest.approx(told[0].p_value, abs=0.01)


def test_rare_counts_are_tested_exactly():
    from scipy.stats import fisher_exact

    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(150):  # χ² alone is below 0.01 in one of twenty, as its expected counts are near none
        a, b = (np.where(rng.random(n) < 0.001, np.nan, rng.normal(size=n)) for n in (100, 5000))
        alarms += column_shift({"x": a}, {"x": b}).outcome == "found"
    assert alarms <= 2
    one, none = np.array(["z"] + ["a"] * 199), np.array(["a"] * 4000)
    assert column_shift({"x": one}, {"x": none}).p_value["x"] == pytest.approx(
        fisher_exact([[1, 199], [0, 4000]]).pvalue
    )
    many = np.array(["z"] * 8 + ["a"] * 192)
    assert column_shift({"x": many}, {"x": none}).outcome == "found"  # a rare value that came is still seen


def test_rare_categories_of_either_side_are_compared_with_chance():
    a, b = (np.array([f"{side}{i % 100}" for i in range(300)], object) for side in "ab")
    found = column_shift({"zip": a}, {"zip": b})
    assert found.outcome == "found" and found.effect["zip"] > 0.9
    rng = np.random.default_rng(0)
    same = [column_shift({"zip": rng.choice(a, 200)}, {"zip": rng.choice(a, 300)}) for _ in range(40)]
    assert sum(s.p_value["zip"] < 0.05 for s in same) <= 6
    own = [np.array([f"{side}{i}" for i in range(300)], object) for side in "ab"]  # keys: each value once
    assert column_shift({"id": own[0]}, {"id": own[1]}).outcome == "passed"


def test_dates_and_objects_that_are_numbers_are_numbers():
    import datetime
    from decimal import Decimal

    import pandas as pd

    day = np.arange("2023-01-01", "2023-10-01", dtype="datetime64[D]")
    steps = np.arange(200)
    columns = {
        "dates": (day, day + np.timedelta64(100, "D")),
        "objects": (day.astype(object), [d + datetime.timedelta(100) for d in day.astype(object)]),
        "zones": tuple(pd.date_range(d, periods=200, tz="Asia/Tokyo") for d in ("2020-01-01", "2020-05-01")),
        "decimals": tuple(np.array([Decimal(int(i)) for i in steps + k], object) for k in (0, 100)),
        "nullable": tuple(pd.array([*(steps + k), None], dtype="Int64") for k in (0, 100)),
    }
    found = column_shift({n: a for n, (a, _) in columns.items()}, {n: b for n, (_, b) in columns.items()})
    assert set(found.findings.subject) == set(columns)
    assert all(
        0.3 < e < 0.7 for e in found.effect.values()
    )  # of categories they would all be one rest, or disjoint
    assert (
        column_shift({"x": np.array([1, 2] * 99, object)}, {"x": np.array([1.0, 2.0] * 99, object)}).outcome
        == "passed"
    )
    frames = [pd.DataFrame(np.random.default_rng(k).normal(k, size=(80, 2))) for k in (0, 1)]
    assert column_shift(*frames).findings.subject.tolist() in (["0", "1"], ["1", "0"])

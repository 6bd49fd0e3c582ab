"""Leaks between splits, contradicting copies, shortcuts, order."""

import numpy as np
import pytest

from jointset.audit import Pairs, find_conflicts, find_leaks, find_order, find_shortcuts, simple_texts
from jointset.errors import ArrayError


def test_held_out_copies_near_copies_and_groups_are_found_on_both_sides():
    split = np.array([0, 0, 0, 1, 2, 2])
    pairs = Pairs.of(np.array([1, 0]), np.array([4, 2]), np.array([0.9, 0.8]))
    found = find_leaks(split, exact=[0, 1, 2, 0, 3, 4], pairs=pairs, groups=["p", "q", None, "r", None, "q"])
    assert np.flatnonzero(found.leaked).tolist() == [3]
    assert np.flatnonzero(found.near).tolist() == [4]
    assert np.flatnonzero(found.source).tolist() == [0, 1]
    assert np.flatnonzero(found.shared).tolist() == [5]
    assert found.findings.subject[found.findings.code == "leaked_group"].tolist() == ["q"]


def test_pairs_within_a_side_are_no_leak():
    found = find_leaks([0, 0, 1, 1], exact=[0, 0, 1, 1])
    assert found.outcome == "passed" and not found.source.any()
    assert find_leaks([0, 0], exact=[0, 0]).outcome == "not applicable"


def test_the_worse_source_is_blamed():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, 800)
    careful, careless = (np.where(rng.random(800) < e, 1 - true, true) for e in (0.01, 0.15))
    probs = np.where(true[:, None] == np.arange(2), 0.7, 0.3)  # says a little
    found = find_conflicts(
        np.tile(np.arange(800), 2),
        np.concatenate([careful, careless]),
        probs=np.tile(probs, (2, 1)),
        source=np.repeat(["careful", "careless"], 800),
    )
    assert found.error_rate["careless"] > 3 * found.error_rate["careful"]
    wrong = np.concatenate([careful != true, careless != true])[found.rows]
    assert (found.likelier_wrong == wrong).mean() > 0.9
    assert (careful != careless).sum() * 2 == len(found.rows)


def test_three_against_one_without_predictions():
    found = find_conflicts([0, 0, 0, 0], [2, 2, 2, 0])
    assert found.likelier_wrong.tolist() == [False, False, False, True]
    assert found.p_wrong[3] > 0.5 > found.p_wrong[0]


def test_a_column_that_repeats_the_label_is_a_shortcut_and_an_identifier_is_none():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    features = {
        "leak": np.where(rng.random(900) < 0.005, 0, y).astype(float),
        "word": np.array(["red", "green", "blue"], object)[y],
        "noise": rng.normal(size=900),
        "serial": np.arange(900.0),
        "code": np.array([f"u{i}" for i in range(900)], object),
    }
    found = find_shortcuts(features, y)
    assert set(found.findings.subject) == {"leak", "word"}
    assert all(abs(found.area[c] - 0.5) < 0.08 for c in ("noise", "serial", "code"))


def test_style_gives_the_source_away():
    rng = np.random.default_rng(0)
    words = [" ".join(rng.choice(["alpha", "beta", "gamma"], 8)) for _ in range(400)]
    y = np.arange(400) % 2
    styled = [w.upper() if k else w + "." for w, k in zip(words, y, strict=True)]
    assert find_shortcuts(simple_texts(styled), y, together=True).together > 0.99
    assert find_shortcuts(simple_texts(words), y, together=True).outcome == "passed"


def test_classes_of_few_rows_are_not_judged():
    assert (
        find_shortcuts({"a": np.arange(12.0)}, np.r_[np.zeros(6), np.ones(6)].astype(int)).outcome
        == "not applicable"
    )


@pytest.mark.parametrize(("rows", "classes"), [(60, 2), (100, 2), (300, 5)])
def test_a_number_that_tells_the_label_is_seen_on_few_rows(rows, classes):
    rng = np.random.default_rng(7)
    for seed in range(5):
        y = rng.permutation(np.arange(rows) % classes)
        columns = {"leak": y + rng.uniform(0, 0.5, rows), "noise": rng.normal(size=rows)}
        assert find_shortcuts(columns, y, seed=seed).findings.subject.tolist() == ["leak"]


def test_order_is_seen_and_a_shuffle_is_not():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4)) + np.linspace(0, 1.5, 600)[:, None]
    assert find_order(x).outcome == "found" and find_order(x[rng.permutation(600)]).outcome == "passed"
    time = rng.permutation(600)
    assert find_order(x[time], order=time).p_value == 0.002


def test_alarms_on_shuffles_keep_the_level():
    rng = np.random.default_rng(0)
    p = [find_order(rng.normal(size=(120, 3)), seed=i).p_value for i in range(40)]
    assert np.mean(np.array(p) < 0.1) <= 0.2


@pytest.mark.parametrize("values", [1, 3, 10])
def test_order_of_few_values_has_the_level_of_chance(values):
    rng = np.random.default_rng(0)
    p = [find_order(rng.integers(values, size=(120, 1)), seed=i).p_value for i in range(60)]
    assert abs(np.mean(p) - 0.5) < 4 * np.sqrt(1 / 12 / 60) and np.mean(np.array(p) < 0.1) <= 0.2


def test_a_drift_of_a_binary_column_is_seen_wherever_its_rows_stand():
    rng = np.random.default_rng(0)
    x, shuffled = (rng.random((300, 1)) < np.linspace(0, 1, 300)[:, None]) * 1.0, rng.permutation(300)
    assert find_order(x).p_value == find_order(x[shuffled], order=shuffled).p_value == 0.002


def test_rows_of_one_time_are_not_put_in_the_order_of_the_file():
    x = np.sort(np.random.default_rng(0).normal(size=(300, 1)), 0)
    month = np.tile([1.0, 2.0, 3.0], 100)
    by_month = np.argsort(month, kind="stable")  # within a month the file is sorted by the value
    assert find_order(x[by_month], order=month[by_month]).p_value > 0.05
    assert find_order(x, order=np.full(300, 2024.0)).outcome == "not applicable"


def test_rows_without_a_time_are_left_out():
    rng = np.random.default_rng(0)
    x, time = np.sort(rng.normal(size=(300, 1)), 0), np.arange(300.0)
    x[100:200], time[100:200] = 50.0 + rng.normal(size=(100, 1)), np.nan
    found = find_order(x, order=time)
    assert found.outcome == "found" and found.facts["rows"] == 200
    assert np.isnan(found.score[100:200]).all() and np.isfinite(found.score[:100]).all()
    mixed = np.where(np.isnan(time), None, time.astype(object))
    dates = np.where(np.isnan(time), "NaT", "2020-01-01").astype("datetime64[D]") + np.nan_to_num(
        time
    ).astype(int)
    assert find_order(x, order=mixed).p_value == find_order(x, order=dates).p_value == found.p_value
    assert find_order(x, order=np.full(300, np.nan)).outcome == "not applicable"


def test_mistakes_are_one_clear_line():
    for call in (
        lambda: find_leaks([0, 1], exact=[0]),
        lambda: find_conflicts([0, 0], [0.5, 1.0]),
        lambda: find_conflicts([0, 0], [0, 2], probs=np.ones((2, 2))),
        lambda: find_shortcuts({"a": [1.0]}, [0, 1]),
        lambda: find_shortcuts({"a": [1.0, 2.0]}, [0, 1], level=0.3),
        lambda: find_order(np.ones((5, 2)), order=[1]),
        lambda: find_order(np.ones((60, 2)), order=np.array([1, "a"] * 30, object)),
        lambda: find_order(np.ones((60, 2)), groups=np.array([None, "a"] * 30, object)),
    ):
        with pytest.raises(ArrayError, match=r"^\S[^\n]+$"):
            call()


def test_a_date_that_gives_the_label_away_is_a_shortcut_and_pandas_na_is_missing():
    import pandas as pd

    from jointset.audit import find_duplicates, find_missing_values, find_shortcuts, table_features

    label = np.repeat([0, 1], 150)
    day = np.datetime64("2023-01-01") + (np.arange(300) + 400 * label).astype("timedelta64[h]") * 7
    assert find_shortcuts({"day": day}, label).findings.subject.tolist() == ["day"]
    for kind, values in (
        ("Int64", [1, 2, None]),
        ("string", ["a", "b", None]),
        ("boolean", [True, False, None]),
    ):
        column = pd.array(values * 20, dtype=kind)
        assert find_shortcuts({"x": column}, np.arange(60) % 2).outcome == "passed"
        assert np.isfinite(table_features({"x": np.asarray(column)})).all()
        assert find_missing_values({"x": column}).missing["x"] == pytest.approx(1 / 3)
        assert find_duplicates({"x": column}, kind="tabular").facts["exact"] > 0

"""Classes that were made from a number are found with their cuts; chance makes none."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.console.foreseen import lines
from jointset.foresight import groups_of_copies
from jointset.relatedness import same_content, treatments
from jointset.relatedness.intervals import intervals


def found(labels):
    return {(s.source, s.target): s for s in same_content(labels)}


def test_a_threshold_of_a_number_is_found_with_its_cut():
    price = np.random.default_rng(0).normal(size=500)
    labels = {"dear": (price > 0) * 1, "price": price, "part": np.where(price > 1, 1, -1)}
    labels["part"][price < 0.5] = 0
    same = found(labels)
    assert same["price", "dear"].kind == "determines" and ("dear", "price") not in same
    (cut,) = same["price", "dear"].cuts
    assert np.max(price[price <= 0]) < cut < np.min(price[price > 0])
    (cut,) = same["price", "part"].cuts
    assert 0.5 < cut < 1, "rows without a label are left out"
    assert f"dear is price cut at {same['price', 'dear'].cuts[0]:.6g}, on 500" in same["price", "dear"].reason


@given(
    st.integers(0, 999),
    st.lists(st.floats(0.15, 0.85), min_size=1, max_size=3, unique=True),
    st.sampled_from(["apart", "alternating"]),
)
def test_ordered_intervals_are_found_in_any_order_of_rows_and_scale(seed, at, how):
    rng = np.random.default_rng(seed)
    cuts = np.sort(at)
    cuts = cuts[np.r_[True, np.diff(cuts) > 0.05]]
    p = rng.permutation(np.linspace(0, 1, 400))
    place = np.digitize(p, cuts)
    y = rng.permutation(len(cuts) + 1)[place] if how == "apart" else place % 2
    p[rng.random(400) < 0.2] = np.nan
    one = found({"y": y, "p": p})["p", "y"]
    np.testing.assert_allclose(one.cuts, cuts, atol=0.05)
    scaled = found({"y": y, "p": -1e6 * p**3 - 5})["p", "y"]
    assert len(scaled.cuts) == len(cuts) and scaled.forth == one.forth


def test_a_few_wrong_labels_do_not_hide_a_cut_and_add_none():
    rng = np.random.default_rng(1)
    p = rng.normal(size=2000)
    y = (p > 0.3).astype(int)
    y[[5, 700]] ^= 1
    one = found({"p": p, "y": y})["p", "y"]
    assert one.cuts == pytest.approx([0.3], abs=0.02) and 0.98 <= one.forth < 1
    y[rng.permutation(2000)[:60]] ^= 1
    assert found({"p": p, "y": y}) == {}


def test_whole_numbers_and_label_sets_are_cut_too():
    rng = np.random.default_rng(2)
    stars = rng.integers(1, 6, 300).astype(float)
    tags = np.stack([stars > 3, stars < 2], axis=1).astype(np.int8)
    same = found({"stars": stars, "liked": (stars > 3).astype(int), "tags": tags})
    assert same["stars", "liked"].cuts == (3.5,) and same["stars", "tags"].cuts == (1.5, 3.5)
    tags[:, 1] = rng.integers(2, size=300)
    assert ("stars", "tags") not in found({"stars": stars, "tags": tags})


@given(st.integers(0, 10_000), st.integers(30, 400), st.integers(2, 5), st.floats(0.005, 0.5), st.booleans())
def test_chance_makes_no_cut(seed, rows, classes, rare, tied):
    """Random numbers and classes, rare ones and ties among them: 20 pairs an example, not one alarm."""
    rng = np.random.default_rng(seed)
    share = np.r_[np.full(classes - 1, rare / (classes - 1)), 1 - rare]
    labels = {f"y{i}": rng.choice(classes, rows, p=share) for i in range(4)}
    labels |= {
        f"p{i}": rng.integers(6, size=rows).astype(float) if tied else rng.normal(size=rows) for i in range(5)
    }
    assert not [s for s in same_content(labels) if s.source.startswith("p")]


def test_a_number_that_only_goes_with_the_classes_is_no_source_of_them():
    rng = np.random.default_rng(3)
    p = rng.normal(size=1000)
    noisy = (p + 0.2 * rng.normal(size=1000) > 0).astype(int)
    assert np.mean(noisy == (p > 0)) > 0.9 and found({"p": p, "noisy": noisy}) == {}
    few = np.r_[np.ones(3, int), np.zeros(57, int)]
    assert intervals(np.arange(60.0), few) is None, "three in a row may be chance"
    assert intervals(np.arange(60.0), np.roll(few, 20)) is None
    assert intervals(np.arange(60.0), np.repeat([1, 0], [20, 40])).cuts == (19.5,)


def test_the_chance_of_runs_is_that_of_counting_all_arrangements(monkeypatch):
    """Three of one class and five of another: of 56 orders two lie in two runs."""
    orders = set(permutations([0, 0, 0, 1, 1, 1, 1, 1]))
    share = sum(np.count_nonzero(np.diff(o)) == 1 for o in orders) / len(orders)
    assert len(orders) == factorial(8) // (6 * 120) and share == 2 / 56
    y = np.repeat([0, 1], [3, 5])
    for level, there in ((share * 1.001, True), (share * 0.999, False)):
        monkeypatch.setattr("jointset.relatedness.intervals.CHANCE", level)
        assert (intervals(np.arange(8.0), y) is not None) is there


def test_two_annotators_of_one_task_are_near_copies_and_that_is_only_said():
    rng = np.random.default_rng(4)
    y = rng.integers(3, size=600)
    other = np.where(rng.random(600) < 0.03, (y + 1) % 3, y)
    loose = np.where(rng.random(600) < 0.12, (y + 1) % 3, y)
    labels = {"y": y, "other": (other + 2) % 3, "loose": loose}
    labels["other"][:100] = -1
    same = same_content(labels)
    assert [(s.source, s.target, s.kind) for s in same] == [("y", "other", "near copy")]
    assert same[0].forth == pytest.approx((other == y)[100:].mean()) and "agree on 9" in same[0].reason
    assert {t.action for t in treatments(tuple(labels), same=same)} == {"keep"}
    assert groups_of_copies(list(labels), same) == ()
    assert "two tasks" in next(
        lines({"foreseen": {"same": [{"kind": same[0].kind, "reason": same[0].reason}]}})
    )


def test_kappa_is_that_of_scikit_learn():
    """A pair just above and one just below the level, by the figure of another library."""
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(5)
    seen = set()
    for wrong in range(2, 40):
        y = (rng.permutation(400) < 80).astype(int)
        other = y.copy()
        other[rng.permutation(400)[:wrong]] ^= 1
        near = bool(cohen_kappa_score(y, other) >= 0.9 and np.mean(y == other) >= 0.95)
        assert ("near copy" in {s.kind for s in same_content({"y": y, "other": 1 - other})}) is near
        seen.add(near)
    assert seen == {True, False}


@given(st.integers(0, 10_000), st.integers(30, 300), st.integers(2, 5), st.floats(0.005, 0.5))
def test_rare_classes_that_agree_by_chance_are_no_near_copies(seed, rows, classes, rare):
    rng = np.random.default_rng(seed)
    share = np.r_[np.full(classes - 1, rare / (classes - 1)), 1 - rare]
    labels = {f"y{i}": rng.choice(classes, rows, p=share) for i in range(6)}
    assert not [s for s in same_content(labels) if s.kind == "near copy"]

"""Folds: whole components, balanced strata, every row in one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset.data import make_folds
from jointset.data.partition import partition
from jointset.errors import DataError


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_components_are_whole_and_every_row_has_a_fold(data):
    n, k = data.draw(st.integers(2, 40)), data.draw(st.integers(2, 5))
    component = np.array(data.draw(st.lists(st.integers(0, 30), min_size=n, max_size=n)))
    strata = np.array(data.draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)))
    eligible = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    if len(np.unique(component[eligible])) < k:
        with pytest.raises(DataError, match="folds"):
            make_folds(component, strata, eligible, k, seed=0)
        return
    folds = make_folds(component, strata, eligible, k, seed=0)
    assert folds.dtype == np.int8 and folds.min() >= 0 and folds.max() < k
    assert all(len(set(folds[component == c])) == 1 for c in np.unique(component))
    assert set(folds[eligible]) == set(range(k))


def test_single_rows_are_dealt_out_evenly():
    strata = np.repeat([0, 1, -1], [503, 52, 20])
    eligible = np.ones(575, bool)
    folds = make_folds(np.arange(575), strata, eligible, 5, seed=0)
    for s in (0, 1, -1):
        counts = np.bincount(folds[strata == s], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.bincount(folds).tolist() == [115] * 5


def test_balance_is_over_eligible_rows_and_the_rest_is_dealt_out_too():
    eligible = np.arange(100) < 50
    folds = make_folds(np.arange(100), None, eligible, 5, seed=3)
    assert np.bincount(folds[eligible]).tolist() == np.bincount(folds[~eligible]).tolist() == [10] * 5


def test_ineligible_rows_follow_their_component():
    component = np.concatenate([np.arange(20), np.arange(20)])
    folds = make_folds(component, None, np.arange(40) < 20, 4, seed=0)
    assert (folds[:20] == folds[20:]).all()


def test_pairs_of_rare_strata_do_not_pile_up_in_one_fold():
    component = np.repeat(np.arange(10), 2)
    folds = make_folds(component, component, np.ones(20, bool), 5, seed=0)
    assert np.bincount(folds).tolist() == [4] * 5


def test_same_seed_same_folds():
    args = (np.arange(50), None, np.ones(50, bool), 5)
    assert (make_folds(*args, seed=1) == make_folds(*args, seed=1)).all()
    assert (make_folds(*args, seed=1) != make_folds(*args, seed=2)).any()


@pytest.mark.parametrize(
    ("component", "k", "message"),
    [
        (
            [0, 0, 1, 2],
            5,
            "folds: 3 independent groups of rows .* cannot fill 5 folds; lower training.folds to 3",
        ),
        (
            [0, 0, 0],
            2,
            "folds: all rows to train on share a group or their inputs, so 2 folds are impossible",
        ),
        ([0, 1, 2], 1, "folds: expected a number between 2 and 127, found 1"),
    ],
)
def test_too_few_components(component, k, message):
    with pytest.raises(DataError, match=message):
        make_folds(np.array(component), None, np.ones(len(component), bool), k, seed=0)


def test_nothing_to_train_on():
    with pytest.raises(DataError, match="folds: there are no rows to train on"):
        make_folds(np.arange(3), None, np.zeros(3, bool), 2, seed=0)


def test_a_dataset_that_is_all_copies_is_held_out_from_as_well():
    many, copies = 4000, 300  # two datasets of the same texts, beside one of single rows
    component = np.concatenate([np.arange(many), many + np.arange(copies), many + np.arange(copies)])
    stratum = np.repeat([0, 1, 2], [many, copies, copies])
    targets = np.array([[3400.0, 600.0], [255.0, 45.0], [255.0, 45.0]])
    part = partition(component, stratum, targets, np.random.default_rng(0))
    held = np.bincount(stratum, weights=part == 1)
    assert np.array_equal(part[many : many + copies], part[many + copies :])
    assert np.abs(held - targets[:, 1]).max() <= 3


def test_copies_are_held_out_in_proportion():
    component = np.concatenate([np.arange(800), 800 + np.repeat(np.arange(100), 2)])
    part = partition(
        component, np.zeros(1000, np.int64), np.array([[800.0, 200.0]]), np.random.default_rng(0)
    )
    assert (part == 1).sum() == 200 and abs((part[800:] == 1).sum() - 40) <= 2

"""Datasets that are pooled: on which rows that is judged."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jointset.relatedness import pool_datasets
from jointset.relatedness.pooling import _drawn


@given(st.integers(0, 999), st.integers(1, 12), st.integers(40, 300))
def test_a_draw_keeps_what_is_rare(seed, positives, most):
    rng = np.random.default_rng(seed)
    y = (rng.permutation(2000) < positives).astype(int)
    rows = _drawn(np.arange(2000), y, most, np.random.default_rng(seed))
    assert len(rows) == most and (np.diff(rows) > 0).all()
    assert min(positives, 10) <= y[rows].sum() <= positives
    even = _drawn(np.arange(2000), np.arange(2000) % 4, most, np.random.default_rng(seed))
    assert np.ptp(np.bincount(even % 4)) <= 1, "where nothing is rare, classes keep their shares"


def test_pools_are_judged_on_one_draw_of_rows_however_often_folds_are_drawn():
    rng = np.random.default_rng(0)
    site, y = np.repeat(["a", "b", "c"], 1000), (rng.random(3000) < 0.004).astype(int)
    x = rng.normal(size=(3000, 3))
    tasks = [pool_datasets(y, site, x, rows=60, turns=2, seed=s).gain.tasks for s in range(10)]
    assert set(tasks) == {("a", "b", "c")}

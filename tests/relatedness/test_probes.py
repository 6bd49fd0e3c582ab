"""Probes of permuted labels."""

import numpy as np
import pytest

from jointset.errors import ArrayError
from jointset.relatedness import probed
from jointset.relatedness.probes import nulls, standardised


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_missing_label_of_a_set_is_no_negative_in_the_nulls(share):
    """What a source without relation says is, on average, the share among the labels that are known."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 3))
    y = (rng.random((1000, 3)) < [0.5, 0.2, 0.7]).astype(np.int8)
    y[rng.random(1000) >= share, 0] = -1
    known = [y[y[:, k] >= 0, k].mean() for k in range(3)]
    for said in (probed({"t": y}, x), *nulls({"t": y}, x, draws=4)):
        np.testing.assert_allclose(said["t"].mean(axis=0), known, atol=0.06)


def test_labels_that_are_known_together_are_permuted_together():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 5)), rng.integers(2, size=300)
    tags = np.stack([y, 1 - y, y], axis=1).astype(np.int8)
    tags[:100, 2] = -1
    for said in nulls({"t": tags}, x, draws=3):
        assert np.corrcoef(said["t"].T)[0, 1] == pytest.approx(-1)
        assert abs(np.corrcoef(said["t"].T)[0, 2]) < 0.95


def test_nulls_do_not_see_the_row_they_predict():
    rng = np.random.default_rng(1)
    y = rng.integers(3, size=400)
    x = np.eye(3)[y] + 0.1 * rng.normal(size=(400, 3))
    hits = [(said["t"].argmax(1) == y).mean() for said in nulls({"t": y}, x)]
    assert 0.15 < np.mean(hits) < 0.5
    assert (probed({"t": y}, x)["t"].argmax(1) == y).mean() > 0.95


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_a_column_is_constant_by_its_own_magnitude(unit):
    x = np.random.default_rng(0).normal(size=(50, 1))
    np.testing.assert_allclose(standardised(x * unit, 50), standardised(x, 50), rtol=1e-9)
    with pytest.raises(ArrayError, match="every column is constant"):
        standardised(unit * (1 + 1e-12 * x), 50)

"""Quality scores alone."""

import numpy as np
import pytest

from jointset.audit import chunks, label_quality
from jointset.errors import ArrayError


def by_hand(given, probs):
    """Section 3.2 of Northcutt et al. 2021, row by row: the margin after the classes' self-confidence is taken off."""
    k = probs.shape[1]
    mean = np.array([probs[given == j, j].mean() if (given == j).any() else np.nan for j in range(k)])
    mean[np.isnan(mean)] = np.nanmean(mean)
    shifted = probs - mean
    out = np.full(len(given), np.nan)
    for i in np.flatnonzero(given >= 0):
        others = np.delete(shifted[i], given[i]).max()
        out[i] = min(max((1 + (shifted[i, given[i]] - others) / 2) / 2, 0), 1)
    return out


def test_golden_values():
    # means .85 and .5: (1 + (.9 - .85 - (.1 - .5)) / 2) / 2 = .6125, ...
    got = label_quality([0, 0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.9, 0.1]])
    np.testing.assert_allclose(got, [0.6125, 0.5625, 0.7875, 0.3875], atol=1e-6)


@pytest.mark.parametrize("k", [2, 5, 40])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_row_is_as_by_hand(monkeypatch, k, dtype):
    monkeypatch.setattr(chunks, "CELLS", 500)
    rng = np.random.default_rng(k)
    probs = rng.dirichlet(np.ones(k), 400).astype(dtype)
    given = rng.integers(-1, k - 1, 400)  # the last class is never given
    np.testing.assert_allclose(label_quality(given, probs), by_hand(given, probs.astype(float)), atol=3e-4)


def test_one_pass_over_a_memory_map(tmp_path):
    rng = np.random.default_rng(0)
    probs, given = rng.dirichlet(np.ones(4), 3000).astype(np.float32), rng.integers(0, 4, 3000)
    np.save(tmp_path / "p.npy", probs)
    mapped = np.load(tmp_path / "p.npy", mmap_mode="r")
    np.testing.assert_array_equal(label_quality(given, mapped), label_quality(given, probs))
    np.testing.assert_array_equal(label_quality(given, lambda: iter([mapped])), label_quality(given, probs))


def test_errors_come_first():
    rng = np.random.default_rng(1)
    true = rng.integers(0, 3, 1000)
    probs = 0.1 + 0.7 * np.eye(3)[true]
    given = np.where(np.arange(1000) < 50, (true + 1) % 3, true)
    assert set(np.argsort(label_quality(given, probs))[:50]) == set(range(50))


def test_missing_labels_and_no_rows():
    assert np.isnan(label_quality([-1, -1], [[0.5, 0.5]] * 2)).all()
    assert label_quality(np.empty(0, int), np.empty((0, 3))).shape == (0,)


def test_only_classes_have_margins():
    with pytest.raises(ArrayError, match="not for multilabel"):
        label_quality([[0, 1]], [[0.5, 0.5]])
    with pytest.raises(ArrayError, match="out of range"):
        label_quality([0, 2], [[0.5, 0.5]] * 2)

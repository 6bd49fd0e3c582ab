"""Votes of neighbours."""

import sys

import numpy as np
import pytest

from jointset.audit import find_label_errors, neighbour_votes, neighbours
from jointset.errors import ArrayError, MissingExtra


def by_hand(points, labels, k_classes, k, groups, spaces):
    """Row by row: cosine to every other row, the k nearest that may vote, and one vote by the classes' shares."""
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    share = np.bincount(labels[labels >= 0], minlength=k_classes) / (labels >= 0).sum()
    out = []
    for i, point in enumerate(unit):
        may = np.flatnonzero((labels >= 0) & (groups != groups[i]) & (spaces == spaces[i]))
        near = may[np.argsort(-(unit[may] @ point), kind="stable")[:k]]
        votes = np.bincount(labels[near], minlength=k_classes) + share
        out.append(votes / votes.sum())
    return np.array(out)


def cloud(n=200, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    return 2 * np.eye(3)[labels] + rng.normal(size=(n, 3)), labels, rng


def test_golden_votes():
    # the nearest other row of each, and half a vote a class: (1 + .5) / 2 = .75
    points = [[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0.5, 0.5]]
    got = neighbour_votes(points, [0, 0, 1, 1, -1], 2, k=1)
    np.testing.assert_allclose(got[:4], [[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.25, 0.75]])


@pytest.mark.parametrize("k", [1, 5, 20, 500])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("spaced", [False, True])
def test_votes_are_those_of_a_search_by_hand(k, grouped, spaced):
    points, labels, rng = cloud()
    labels[rng.random(200) < 0.2] = -1
    groups = rng.integers(0, 60, 200) if grouped else np.arange(200)
    spaces = rng.integers(0, 3, 200) if spaced else np.zeros(200, int)
    got = neighbour_votes(
        points,
        labels,
        3,
        k=k,
        groups=groups if grouped else None,
        spaces=np.array(["a", "b", "c"])[spaces] if spaced else None,
    )
    np.testing.assert_allclose(got, by_hand(points, labels, 3, k, groups, spaces), atol=1e-5)


def test_a_row_never_votes_for_itself():
    points, labels, _ = cloud()
    before = neighbour_votes(points, labels, 3)
    for row in range(5):
        other = labels.copy()
        other[row] = (other[row] + 1) % 3
        # its own label moves the shares of the classes alone: half a percent of one vote in eleven
        np.testing.assert_allclose(neighbour_votes(points, other, 3)[row], before[row], atol=1e-3)


def test_copies_in_one_group_do_not_confirm_each_other():
    rng = np.random.default_rng(0)
    points = np.concatenate([np.repeat(rng.normal(size=(20, 8)), 3, axis=0), rng.normal(size=(200, 8))])
    labels = np.concatenate([np.zeros(60, int), np.ones(200, int)])
    groups = np.r_[np.repeat(np.arange(20), 3), np.arange(20, 220)]
    alone = neighbour_votes(points, labels, 2, k=2)
    apart = neighbour_votes(points, labels, 2, k=2, groups=groups)
    assert alone[:60, 0].min() > 0.7 and apart[:60, 0].mean() < 0.5


def test_rows_of_other_spaces_have_no_vote():
    points, labels, _ = cloud()
    spaces = np.arange(200) % 2
    together = neighbour_votes(points, labels, 3, spaces=spaces)
    share = np.bincount(labels, minlength=3) / 200
    turned = np.where(spaces[:, None] == 1, -points, points)  # an own frame changes nothing within a space
    np.testing.assert_allclose(neighbour_votes(turned, labels, 3, spaces=spaces), together, atol=1e-6)
    lonely = neighbour_votes(points, np.where(spaces == 1, -1, labels), 3, spaces=spaces)
    even = np.bincount(labels[spaces == 0], minlength=3) / 100
    np.testing.assert_allclose(lonely[spaces == 1], np.tile(even, (100, 1)), atol=1e-6)
    assert np.abs(lonely[spaces == 0] - share).max() > 0.1


def test_nobody_votes():
    np.testing.assert_array_equal(neighbour_votes(np.ones((3, 2)), [-1, -1, -1], 4), np.full((3, 4), 0.25))
    assert neighbour_votes(np.ones((0, 2)), np.empty(0, int), 2).shape == (0, 2)
    np.testing.assert_allclose(neighbour_votes([[1.0, 0.0]], [1], 2), [[0, 1]])
    same = neighbour_votes(np.ones((6, 2)), [0, 1] * 3, 2, groups=np.zeros(6))
    np.testing.assert_allclose(same, 0.5)


def test_scale_of_the_rows_does_not_matter_and_null_rows_are_allowed():
    points, labels, rng = cloud()
    longer = points * rng.uniform(0.1, 10, (200, 1))
    np.testing.assert_allclose(
        neighbour_votes(longer, labels, 3), neighbour_votes(points, labels, 3), atol=1e-6
    )
    points[:5] = 0
    votes = neighbour_votes(points, labels, 3)
    assert np.isfinite(votes).all()
    np.testing.assert_allclose(votes.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("points", "labels", "kwargs", "message"),
    [
        (np.ones(3), [0, 1, 0], {}, r"finite numbers \(3, d\)"),
        (np.ones((2, 2)), [0, 1, 0], {}, r"found \(2, 2\)"),
        (np.full((3, 2), np.nan), [0, 1, 0], {}, "finite"),
        (np.ones((3, 2)), [0, 1, 2], {}, "from -1 .missing. to 1"),
        (np.ones((3, 2)), [0, 1, -2], {}, "codes"),
        (np.ones((3, 2)), [0, 1, 0.5], {}, "found float64"),
        (np.ones((3, 2)), [0, 1, 0], {"k": 0}, "at least 1"),
    ],
)
def test_errors_are_one_clear_line(points, labels, kwargs, message):
    with pytest.raises(ArrayError, match=message) as caught:
        neighbour_votes(points, labels, 2, **kwargs)
    assert "\n" not in str(caught.value)


def test_beyond_the_exact_search_an_index_is_asked(monkeypatch):
    pytest.importorskip("faiss")
    points, labels, _ = cloud(600)
    exact = neighbour_votes(points, labels, 3)
    monkeypatch.setattr(neighbours, "EXACT", 100)
    near = neighbour_votes(points, labels, 3)
    assert np.abs(near - exact).mean() < 0.02
    np.testing.assert_allclose(near.sum(axis=1), 1, atol=1e-6)


def test_without_the_index_the_extra_is_named(monkeypatch):
    points, labels, _ = cloud()
    monkeypatch.setattr(neighbours, "EXACT", 100)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra, match=r'more than 100 rows.*faiss.*"jointset\[neighbours\]"') as caught:
        neighbour_votes(points, labels, 3)
    assert "\n" not in str(caught.value)


def test_votes_are_a_view_of_the_audit():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 1500)
    points = 2.5 * np.eye(3)[true] + rng.normal(size=(1500, 3))
    wrong = rng.random(1500) < 0.15
    given = np.where(wrong, (true + 1) % 3, true)
    weak = np.exp(np.eye(3)[true] + rng.normal(size=(1500, 3)))
    weak /= weak.sum(axis=1, keepdims=True)
    plain = find_label_errors(given, weak)
    seen = find_label_errors(given, weak, views=[neighbour_votes(points, given, 3)])
    hit = [wrong[a.ranked(int(wrong.sum()))].mean() for a in (plain, seen)]
    assert hit[1] > hit[0] + 0.1

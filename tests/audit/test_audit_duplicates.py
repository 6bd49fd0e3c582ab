"""Copies and near-copies: against brute force, and on pictures and tables with known copies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.audit import Pairs, find_duplicates
from jointset.audit.duplicates import near_images, near_points, near_tables, near_texts
from jointset.audit.duplicates.texts import resemblance, shingles
from jointset.errors import ArrayError

WORDS = np.array(
    "the a book film was is very not good bad long short old new he she read saw it of".split()  # noqa: SIM905
)


def sentences(n, seed):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(4, 25))) for _ in range(n)]


def jaccard(a, b, size=2):
    one, two = ({tuple(t.split()[i : i + size]) for i in range(len(t.split()) - size + 1)} for t in (a, b))
    return len(one & two) / len(one | two)


def test_pairs_of_texts_are_those_of_brute_force():
    rng = np.random.default_rng(1)
    texts = sentences(150, 0)
    for i in range(0, 60, 2):  # near-copies: a word changed, or words added
        words = texts[i].split()
        words[int(rng.integers(len(words)))] = "else"
        texts.append(" ".join(words) + (" indeed" if i % 4 else ""))
    found = near_texts(texts, threshold=0.6)
    got = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    n = len(texts)
    want = {(i, j) for i in range(n) for j in range(i + 1, n) if jaccard(texts[i], texts[j]) >= 0.6}
    assert len(want) > 10 and got <= want
    assert len(got) >= 0.98 * len(want)  # each pair at the threshold is found with probability 0.99
    for i, j, s in zip(found.first, found.second, found.similarity, strict=True):
        assert s == pytest.approx(jaccard(texts[i], texts[j]))


@given(st.lists(st.text("ab c,.", max_size=12), max_size=12))
def test_shingles_are_ascending_distinct_and_blind_to_case_and_signs(texts):
    start, values = shingles(texts, 2)
    assert start[0] == 0 and start[-1] == len(values) and len(start) == len(texts) + 1
    for i in range(len(texts)):
        mine = values[start[i] : start[i + 1]]
        assert (np.diff(mine.astype(object)) > 0).all()
    other, again = shingles([t.upper() + "!" for t in texts], 2)
    assert (other == start).all() and (again == values).all()
    if len(texts):
        rows = np.arange(len(texts))
        same = resemblance(start, values, rows, rows)
        assert set(same.tolist()) <= {0.0, 1.0}


def test_many_equal_texts_make_no_quadratic_work():
    found = find_duplicates(["the same words again"] * 3000 + ["other words here now"], kind="text")
    assert found.facts["exact"] == 2999 and len(found.pairs) == 0 and found.near.max() == 1


def test_scaled_and_brighter_images_are_near_copies_and_others_not():
    rng = np.random.default_rng(0)
    base = np.kron(rng.integers(20, 230, (8, 8)), np.ones((6, 6))).astype(np.uint8)
    others = [np.kron(rng.integers(20, 230, (8, 8)), np.ones((6, 6))).astype(np.uint8) for _ in range(40)]
    bigger = np.kron(base, np.ones((2, 2), np.uint8))
    brighter = (base.astype(int) + 6).astype(np.uint8)
    found = near_images([base, bigger, brighter, None, *others])
    assert {(0, 1), (0, 2), (1, 2)} == set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_rows_of_a_table_are_equal_when_rounded():
    columns = {
        "x": np.array([1.23456, 1.23499, 1.9, np.nan, np.nan]),
        "y": np.array(["A", "a ", "A", "b", "b"], object),
    }
    found = near_tables(columns)
    assert list(zip(found.first, found.second, strict=True)) == [(0, 1), (3, 4)]
    assert found.similarity.tolist() == [0.0, 1.0]


def test_rows_of_a_table_without_any_value_are_nobodys_copies():
    columns = {
        "x": np.array([1.0, np.nan, np.nan, 1.0, np.nan]),
        "y": np.array([None, None, None, None, "a"], object),
    }
    near = near_tables(columns)
    assert (near.first.tolist(), near.second.tolist()) == ([0], [3])
    found = find_duplicates(columns, kind="tabular")
    assert found.exact.tolist() == [0, 1, 2, 0, 3] and found.findings.row.tolist() == [3]
    assert len(near_tables({"x": np.full(5, np.nan)})) == 0


def test_points_that_are_copies_but_for_a_trace():
    x = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    x[7] = x[3] + 1e-4
    found = near_points(x)
    assert (found.first.tolist(), found.second.tolist()) == ([3], [7])


def test_mistakes_are_one_clear_line():
    for call in (
        lambda: find_duplicates(["a"], kind="texts"),
        lambda: near_texts(["a", "b"], threshold=0),
        lambda: near_tables({"x": np.ones(2)}, digits=0),
        lambda: near_points([[np.nan], [1.0]]),
    ):
        with pytest.raises(ArrayError, match=r"^\S[^\n]+$"):
            call()
    with pytest.raises(ArrayError, match="pairs name row 5"):
        find_duplicates(
            None, kind="text", exact=np.arange(2), near=Pairs.of(np.array([0]), np.array([5]), np.ones(1))
        )

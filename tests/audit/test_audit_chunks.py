"""Arrays in slices and chunks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.audit import chunks
from jointset.errors import ArrayError


@given(st.integers(0, 5000), st.integers(0, 3000))
def test_slices_cover_every_row_once_and_hold_few_cells(n, width):
    parts = list(chunks.slices(n, width))
    assert [i for p in parts for i in range(p.start, p.stop)] == list(range(n))
    assert all(p.stop > p.start for p in parts)
    assert all((p.stop - p.start) * width <= max(chunks.CELLS, width) for p in parts)


@pytest.mark.parametrize("cores", [1, 4])
@pytest.mark.parametrize("n", [0, 1, 1000])
def test_work_is_done_on_every_row_once(monkeypatch, cores, n):
    monkeypatch.setattr(chunks.os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(chunks, "CELLS", 64)
    done = np.zeros(n, int)

    def work(rows):
        done[rows] += 1

    chunks.over_slices(n, 3, work)
    assert (done == 1).all()


def test_failures_of_a_slice_are_not_swallowed(monkeypatch):
    monkeypatch.setattr(chunks.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(chunks, "CELLS", 10)

    def work(rows):
        if rows.start == 50:
            raise ArrayError("no such rows")

    with pytest.raises(ArrayError, match="no such rows"):
        chunks.over_slices(100, 1, work)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, chunks.NARROW, chunks.NARROW + 1, 200])
def test_row_sums_and_maxima_are_those_of_numpy(k, dtype):
    z = np.random.default_rng(k).normal(size=(50, k)).astype(dtype)
    before = z.copy()
    np.testing.assert_allclose(chunks.row_sum(z), z.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(chunks.row_max(z), z.max(axis=1, keepdims=True))
    np.testing.assert_array_equal(z, before)
    assert chunks.row_sum(z).dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "kept"), [(np.float16, np.float16), (np.float32, np.float32), (np.float64, np.float32)]
)
def test_chunks_come_back_in_order(dtype, kept):
    whole = np.random.default_rng(0).random((101, 7)).astype(dtype)
    parts = [whole[:3], whole[3:3], whole[3:100][:, ::-1][:, ::-1], whole[100:]]
    found = chunks.spooled(iter(parts), "labels")
    assert found.dtype == kept and not found.flags.writeable
    np.testing.assert_array_equal(found, whole.astype(kept))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "hold no rows; pass a fresh iterator"),
        ([np.empty((0, 3))], "hold no rows"),
        ([np.ones(3)], r"must be floats \(m, K\), found float64 \(3,\) after 0 rows"),
        ([np.ones((2, 3)), np.ones((2, 4))], r"\(m, 3\), found float64 \(2, 4\) after 2 rows"),
        ([np.ones((2, 3), int)], "found int64"),
    ],
)
def test_bad_chunks_are_refused(parts, message):
    with pytest.raises(ArrayError, match=f"marks: .*{message}") as caught:
        chunks.spooled(iter(parts), "marks")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_columns_in_one_piece_hold_the_same_numbers(dtype):
    z = np.random.default_rng(0).random((7, 3)).astype(dtype)
    found = chunks.by_column(z)
    assert found.flags.f_contiguous and found.dtype == np.result_type(dtype, np.float32)
    np.testing.assert_array_equal(found, z)
    np.testing.assert_array_equal(chunks.row_max(found), z.max(axis=1, keepdims=True))

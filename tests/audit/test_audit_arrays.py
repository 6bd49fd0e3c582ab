"""What the audit accepts, and what it says when it does not."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset.audit import find_label_errors, run
from jointset.errors import ArrayError
from jointset.records import Task

HALF = np.full((3, 2), 0.5)


@pytest.mark.parametrize(
    ("labels", "probs", "kwargs", "message"),
    [
        ([0, 1], HALF, {}, "2 labels but 3 rows"),
        ([0, 1, 2], HALF, {}, "label 2 is out of range for 2 classes"),
        ([0, 1, -2], HALF, {}, "label -2 is out of range"),
        ([0, 1, 0.5], HALF, {}, "whole numbers"),
        ([0, 1, 1], 2 * HALF, {}, "row 0 sums to 2"),
        ([0, 1, 1], 5 * HALF, {}, r"lie in \[0, 1\]"),
        ([0, 1, 1], np.where([[1], [0], [1]], HALF, np.nan), {}, "first in row 1"),
        ([0, 1, 1], np.full(3, 0.5), {}, "say kind='regression' or kind='binary'"),
        ([0, 1, 1], HALF, {"kind": "tagging"}, "must be one of"),
        ([0, 1, 1], np.full((3, 3), 0.5), {"kind": "regression"}, r"\(n,\), \(n, 1\)"),
        ([0, 1, 1], np.full((3, 3), 1 / 3), {"kind": "binary"}, "2 columns"),
        ([[0, 1], [1, 1], [0, 0]], np.full((3, 3), 0.5), {}, r"must both be \(n, K\)"),
        ([[0, 2], [1, 1], [0, 0]], HALF, {}, "label 2 is out of range"),
        ([[0, 1], [1, 1], [0, 0]], HALF, {"kind": "multiclass"}, "kind='multilabel'"),
        ([0, 1, 1], HALF, {"precision": 0}, "above 0 and at most 1"),
        ([0, 1, 1], HALF, {"fit_rows": [0, 1, 1]}, "boolean mask of 3 rows"),
        (["a", "b", "a"], HALF, {}, "must be numbers"),
        ([1.5, np.inf, 2], np.zeros(3), {"kind": "regression"}, "infinity in row 1"),
        ({"a": [0, 1, 1]}, HALF, {}, "both be mappings"),
        ({"a": [0, 1, 1]}, {"b": HALF}, {}, "only one of them has a, b"),
        ({"a": [0, 1, 1], "b": [0]}, {"a": HALF, "b": HALF[:1]}, {}, "aligned rows"),
        ([0, 1, 1], HALF, {"kind": {"a": "binary"}}, "kind must be a string"),
    ],
)
def test_errors_are_one_clear_line(labels, probs, kwargs, message):
    with pytest.raises(ArrayError, match=message) as caught:
        find_label_errors(labels, probs, **kwargs)
    assert "\n" not in str(caught.value)


def test_run_checks_the_declared_tasks():
    with pytest.raises(ArrayError, match="for task b"):
        run({"a": np.zeros(3, int)}, {"a": HALF}, [Task("b", "binary", ("n", "y"))])
    with pytest.raises(ArrayError, match="3 classes are declared"):
        run({"a": np.zeros(3, int)}, {"a": HALF}, [Task("a", "multiclass", ("x", "y", "z"))])


def test_a_binary_score_may_be_one_column():
    labels, score = np.arange(40) % 2, np.linspace(0, 1, 40)
    one = find_label_errors(labels, score, kind="binary")
    two = find_label_errors(labels, np.stack([1 - score, score], axis=1))
    np.testing.assert_array_equal(one.quality, two.quality)


def test_inputs_are_not_written_to():
    labels, probs = np.array([0, 1, -1] * 20), np.full((60, 2), 0.5)
    labels.setflags(write=False)
    probs.setflags(write=False)
    find_label_errors(labels, probs)


def test_import_is_light():
    heavy = "('torch', 'sklearn', 'scipy', 'pandas')"
    code = f"import sys, jointset.audit; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.integers(0, 60), st.integers(2, 5), st.floats(0, 1), st.floats(0, 30))
def test_any_well_formed_arrays_are_answered(seed, n, k, missing, sharp):
    rng = np.random.default_rng(seed)
    z = np.exp(np.clip(sharp * rng.normal(size=(n, k)), -300, 300))
    probs = z / z.sum(axis=1, keepdims=True)
    labels = np.where(rng.random(n) < missing, -1, rng.integers(0, k, n))
    flags = np.where(rng.random((n, 2)) < missing, -1, rng.integers(0, 2, (n, 2)))
    values = np.where(rng.random(n) < missing, np.nan, rng.normal(size=n))
    found = find_label_errors(
        {"c": labels, "m": flags, "r": values},
        {"c": probs, "m": rng.random((n, 2)), "r": rng.normal(size=n)},
        kind={"r": "regression"},
    )
    for name, given_labels in (("c", labels >= 0), ("m", flags >= 0), ("r", ~np.isnan(values))):
        audit = found[name]
        np.testing.assert_array_equal(np.isfinite(audit.quality), given_labels)
        assert ((audit.quality[given_labels] >= 0) & (audit.quality[given_labels] <= 1)).all()
        assert ((audit.confidence >= 0) & (audit.confidence <= 1 + 1e-9)).all()
        assert not audit.is_error[~given_labels].any()
    np.testing.assert_allclose(found["c"].posterior.sum(axis=1), 1, atol=1e-6)

"""A copy of a task is no witness: what is known of the task alone, and of the other tasks, is all there is."""

import numpy as np
import pytest

from jointset.audit import run
from jointset.records import Task

N = 3000
TASKS = {n: Task(n, "binary", ("no", "yes")) for n in ("a", "copy", "other", "again")}
SETS = {"set": Task("set", "multilabel", ("x", "y")), "set2": Task("set2", "multilabel", ("x", "y"))}


def audited(labels, probs, copies=()):
    tasks = [{**TASKS, **SETS}[n] for n in labels]
    return run(labels, {n: probs[n] for n in labels}, tasks, copies=copies)


@pytest.fixture(scope="module")
def made():
    """One task and a related one, a tenth of either wrong, and a copy of the first with the classes exchanged."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, N)
    other = np.where(rng.random(N) < 0.1, 1 - true, true)
    sure = np.clip(0.75 + 0.2 * rng.normal(size=N), 0.02, 0.98)
    own = np.where(true == 1, sure, 1 - sure)
    of_other = np.clip(np.where(other == 1, 0.8, 0.2) + 0.1 * rng.normal(size=N), 0.02, 0.98)
    wrong = {n: rng.random(N) < 0.1 for n in ("a", "other")}
    a, b = np.where(wrong["a"], 1 - true, true), np.where(wrong["other"], 1 - other, other)
    probs = {n: np.stack([1 - p, p], axis=1) for n, p in (("a", own), ("copy", 1 - own), ("other", of_other))}
    return {"a": a, "copy": 1 - a, "other": b}, probs | {"again": probs["a"]}, wrong["a"]


def test_copies_that_are_heard_hide_every_error_and_copies_that_are_not_hide_none(made):
    labels, probs, wrong = made
    without = audited({n: labels[n] for n in ("a", "other")}, probs)
    heard, unheard = audited(labels, probs), audited(labels, probs, copies=[("a", "copy")])
    assert without.tasks["a"].is_error.sum() > 50 and not heard.tasks["a"].is_error.any()
    for task in ("a", "copy"):
        np.testing.assert_allclose(unheard.tasks[task].quality, without.tasks["a"].quality, atol=3e-3)
        assert wrong[unheard.tasks[task].is_error].mean() > 0.8
    np.testing.assert_allclose(unheard.tasks["other"].quality, without.tasks["other"].quality, atol=3e-3)


def test_three_copies_count_once(made):
    labels, probs, _ = made
    labels = {**labels, "again": labels["a"]}
    unheard = audited(labels, probs, copies=[("a", "copy", "again")])
    without = audited({n: labels[n] for n in ("a", "other")}, probs)
    for task in ("a", "copy", "again"):
        np.testing.assert_allclose(unheard.tasks[task].quality, without.tasks["a"].quality, atol=3e-3)


def test_a_missing_label_is_still_filled_from_the_copy(made):
    labels, probs, _ = made
    gap = np.arange(N) % 4 == 0
    partly = {**labels, "a": np.where(gap, -1, labels["a"])}
    found = audited(partly, probs, copies=[("a", "copy")]).tasks["a"]
    plain = audited({n: partly[n] for n in ("a", "other")}, probs).tasks["a"]

    def given_back(audit):
        return (audit.suggested[gap] == labels["a"][gap]).mean()

    assert given_back(found) > given_back(plain) + 0.02
    np.testing.assert_allclose(found.quality[~gap].mean(), plain.quality[~gap].mean(), atol=0.03)


def test_copies_of_label_sets_are_left_out_label_by_label():
    rng = np.random.default_rng(1)
    true = rng.integers(0, 2, (N, 2)).astype(np.int8)
    given = np.where(rng.random((N, 2)) < 0.1, 1 - true, true).astype(np.int8)
    probs = np.clip(np.where(true == 1, 0.8, 0.2) + 0.15 * rng.normal(size=(N, 2)), 0.02, 0.98)
    both, said = {"set": given, "set2": given}, {"set": probs, "set2": probs}
    alone = audited({"set": given}, said).tasks["set"].quality
    unheard = audited(both, said, copies=[("set", "set2")])
    for task in both:
        np.testing.assert_allclose(unheard.tasks[task].quality, alone, atol=3e-3)


def test_without_copies_nothing_changes(made):
    labels, probs, _ = made
    two = {n: labels[n] for n in ("a", "other")}
    once, twice = audited(two, probs), audited(two, probs, copies=[])
    np.testing.assert_array_equal(once.tasks["a"].quality, twice.tasks["a"].quality)

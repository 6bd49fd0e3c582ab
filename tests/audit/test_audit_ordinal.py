"""Grades: honest scatter between neighbours is not noise, mistakes out of its reach are."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score

from jointset.audit import find_label_errors
from jointset.audit.label_errors import ordinal
from jointset.audit.noise_fit import uniform_noise
from jointset.audit.posterior import observe

N = 5000


def ordered_logit(k, sharp, n=N, seed=0):
    """P(true | x) of a proportional-odds model (McCullagh 1980) and labels drawn from it."""
    rng = np.random.default_rng(seed)
    cuts = np.linspace(-1.8, 1.8, k - 1) - rng.normal(0, 1.5, n)[:, None]
    p = np.diff(np.c_[np.zeros(n), expit(sharp * cuts), np.ones(n)], axis=1)
    return p, draw(p, rng)


def draw(p, rng):
    return (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1).clip(0, p.shape[1] - 1)


def neighbours(rate, k):
    moved = np.diag(np.ones(k - 1), 1) + np.diag(np.ones(k - 1), -1)
    return (1 - rate) * np.eye(k) + rate * moved / moved.sum(axis=1, keepdims=True)


def audit(given, probs, precision=0.9):
    return find_label_errors(given, probs, kind="ordinal", precision=precision)


@pytest.mark.parametrize(("k", "sharp"), [(5, 2.5), (7, 2.5), (10, 8.0), (5, 40.0)])
def test_clean_labels_are_left_alone(k, sharp):
    p, true = ordered_logit(k, sharp)
    found = audit(true, p)
    assert found.noise_rate < 0.01 and found.is_error.mean() < 0.002


@pytest.mark.parametrize("rate", [0.05, 0.2])
@pytest.mark.parametrize("k", [5, 7, 10])
def test_posterior_is_the_closed_form(k, rate):
    p, true = ordered_logit(k, 2.5)
    transition = uniform_noise(rate, k)
    given = draw(transition[true], np.random.default_rng(1))
    found = audit(given, p @ transition, 0.85)
    best = observe(p, transition, given)
    assert abs(found.noise_rate - rate) < 0.1 * rate + 0.01
    assert np.abs(found.posterior - best).sum(axis=1).mean() < 0.06
    error = given != true
    assert found.is_error.any() and error[found.is_error].mean() > 0.8
    best_rank = average_precision_score(error, 1 - best[np.arange(N), given])
    assert average_precision_score(error, 1 - found.quality) > best_rank - 0.02


def test_ambiguity_that_a_model_without_order_takes_for_noise():
    p, true = ordered_logit(5, 2.5)
    assert find_label_errors(true, p).noise_rate > 0.1 > 10 * audit(true, p).noise_rate


@pytest.mark.parametrize("k", [5, 10])
def test_labels_moved_one_grade_are_found_where_grades_are_told_apart(k):
    p, true = ordered_logit(k, 40.0)
    given = draw(neighbours(0.1, k)[true], np.random.default_rng(1))
    found = audit(given, p @ neighbours(0.1, k))
    error = given != true
    assert 0.05 < found.noise_rate < 0.12
    assert found.is_error.sum() > 0.3 * error.sum() and error[found.is_error].mean() > 0.9


def test_labels_moved_one_grade_are_not_accused_where_grades_overlap():
    p, true = ordered_logit(7, 2.5)
    given = draw(neighbours(0.1, 7)[true], np.random.default_rng(1))
    assert audit(given, p @ neighbours(0.1, 7)).is_error.mean() < 0.002


def test_the_worst_come_first_and_the_median_is_suggested():
    p, true = ordered_logit(7, 8.0)
    given = draw(uniform_noise(0.05, 7)[true], np.random.default_rng(1))
    found = audit(given, p @ uniform_noise(0.05, 7))
    off = np.abs(given - true)
    worst = found.ranked(int((off > 0).sum()))
    assert off[worst].sum() > 0.8 * off.sum()
    half = (found.posterior.cumsum(axis=1) >= 0.5).argmax(axis=1)
    np.testing.assert_array_equal(found.suggested, half)
    rows = np.flatnonzero(found.is_error)
    assert np.abs(found.suggested - true)[rows].mean() < 0.3 * off[rows].mean()


def test_of_two_labels_as_likely_wrong_the_one_further_off_is_worse():
    posterior = np.array([[0.7, 0.3, 0.0, 0.0], [0.7, 0.0, 0.0, 0.3]])
    # closed form: 0.3 (1 - 0.7 / 3) and 0.3 (1 - 0.7 * 3 / 3)
    np.testing.assert_allclose(ordinal.graded_quality(posterior, np.array([1, 3])), [0.23, 0.09])


def test_reversed_grades_mirror_the_answer():
    p, true = ordered_logit(5, 8.0, 3000)
    given = draw(uniform_noise(0.1, 5)[true], np.random.default_rng(1))
    probs = p @ uniform_noise(0.1, 5)
    there, back = audit(given, probs), audit(4 - given, probs[:, ::-1])
    np.testing.assert_allclose(back.quality, there.quality, atol=0.02)


def test_another_tasks_evidence_is_heeded():
    p, true = ordered_logit(5, 2.5)
    given = draw(uniform_noise(0.2, 5)[true], np.random.default_rng(1))
    probs = p @ uniform_noise(0.2, 5)
    says = np.log(np.where(np.eye(5, dtype=bool)[true], 0.9, 0.025))
    alone = ordinal.fit([probs], given)
    joint = ordinal.fit([probs], given, [np.zeros_like(says), says], alone)
    before = (alone.p_true([probs]).argmax(axis=1) == true).mean()
    assert (joint.p_true([probs], [np.zeros_like(says), says]).argmax(axis=1) == true).mean() > before + 0.1


@pytest.mark.parametrize("given", [np.full(9, -1), np.full(9, np.nan)])
def test_all_labels_missing(given):
    found = audit(given, np.full((9, 3), 1 / 3))
    assert not found.is_error.any() and np.isnan(found.quality).all()
    assert found.notes == ("no label was given",)


@pytest.mark.parametrize("k", [2, 4])
def test_uniform_predictor_flags_nothing(k):
    given = np.random.default_rng(0).integers(0, k, 2000)
    assert not audit(given, np.full((2000, k), 1 / k)).is_error.any()


def test_two_grades_are_a_binary_task():
    p, true = ordered_logit(2, 4.0)
    np.testing.assert_array_equal(audit(true, p).noise_matrix, find_label_errors(true, p).noise_matrix)


def test_golden_severity_and_median():
    posterior = np.array([[0.2, 0.3, 0.1, 0.4]])
    assert ordinal.median(posterior)[0] == 1
    np.testing.assert_allclose(ordinal.severity(posterior, np.array([3])), 0.6 + 0.6 + 0.1)

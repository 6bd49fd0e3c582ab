"""What follows from predictions before and after an operation."""

import numpy as np

from jointset.augment.preserve import Estimate, judged, render, verdicts
from jointset.records import Task

SIDE = Task("side", "multiclass", ("left", "right", "up", "down"))
LABELS = np.tile(np.arange(4), 50)


def sure(codes):
    return np.eye(4)[codes] * 0.9 + 0.025


def judge(shown, taught=None, labels=LABELS, task=SIDE, before=None, switch=True):
    before = sure(np.maximum(labels, 0)) if before is None else before
    return judged(task, "image.flip", 1.0, labels, before, shown, taught, tolerance=0.05, switch=switch)


def test_a_label_is_kept_when_the_model_sees_no_difference():
    found = judge(sure(LABELS))
    assert found.outcome == "keep" and found.changed == 0.0


def test_a_clumsy_model_is_taught_before_it_is_believed():
    wrong = np.where(np.arange(200) % 3 == 0, (LABELS + 1) % 4, LABELS)
    assert judge(sure(wrong), switch=False).outcome == "doubt"
    learnt = judge(sure(wrong), sure(LABELS), switch=False)
    assert learnt.outcome == "keep" and "learnt" in learnt.reason
    lost = judge(sure(wrong), sure(wrong), switch=False)
    assert lost.outcome == "mask" and 0.3 < lost.changed < 0.6


def test_classes_that_change_places_are_a_rule():
    found = judge(sure(np.array([1, 0, 2, 3])[LABELS]))
    assert found.outcome == "transform" and found.rule == (1, 0, 2, 3)
    verdict, rules = verdicts([found])
    assert verdict == {"side": {"image.flip": "keep"}} and rules["side"]["image.flip"].classes == (1, 0, 2, 3)


def test_nothing_is_said_of_few_rows_or_a_model_that_knows_nothing():
    few = np.where(np.arange(200) < 20, LABELS, -1)
    assert judge(sure(LABELS), labels=few).outcome == "unknown"
    assert judge(sure(LABELS), before=np.full((200, 4), 0.25)).outcome == "unknown"


def test_numbers_and_several_labels_have_a_measure_too():
    rng = np.random.default_rng(0)
    y = rng.normal(size=300)
    task = Task("x", "regression")
    good, shifted = (y + rng.normal(0, 0.1, (2, 300)))[:, :, None] + np.array([0, 2.0])[:, None, None]
    assert judge(good, labels=y, task=task, before=good).outcome == "keep"
    assert judge(shifted, shifted, labels=y, task=task, before=good).outcome == "mask"
    tags = Task("t", "multilabel", ("a", "b"))
    codes = rng.integers(0, 2, (300, 2))
    codes[::5, 0] = -1
    known = np.where(codes == 1, 0.95, 0.05)
    assert judge(known, labels=codes, task=tags, before=known).outcome == "keep"
    assert judge(1 - known, 1 - known, labels=codes, task=tags, before=known).outcome == "mask"


def test_records_survive_json_where_nan_is_null():
    found = judge(sure(LABELS))
    record = {k: None if v != v else v for k, v in vars(found).items()}
    assert Estimate.read(record).rule == found.rule and np.isnan(Estimate.read(record).taught)
    assert "keep" in render([found])

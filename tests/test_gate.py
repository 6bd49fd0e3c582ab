import math

import numpy as np
import pytest

from jointset.errors import ArrayError
from jointset.gate import correction, judge
from jointset.metrics import METRICS
from jointset.records import Task

BINARY = Task("spam", "binary", ("no", "yes"), metric="accuracy")
MULTI = Task("topic", "multiclass", ("a", "b", "c"), metric="accuracy")
NUMBER = Task("price", "regression", metric="r2")
FLIPPED = np.array([[1.0, 0.0], [0.3, 0.7]])  # 30 % of the positives are given as negative


def two(p):
    return np.stack([1 - p, p], axis=1)


def model(rng, truth, right):
    """Outputs of a model that is right on a share of the rows."""
    k = int(truth.max()) + 1
    predicted = np.where(rng.random(len(truth)) < right, truth, (truth + 1) % k)
    return np.where(np.eye(k)[predicted] == 1, 0.9, 0.1 / (k - 1))


def outcome(task, labels, before, after, **options):
    verdict = judge([task], {task.name: labels}, {task.name: before}, {task.name: after}, **options)
    return verdict, verdict.tasks[0]


@pytest.mark.parametrize("metric", ["accuracy", "auc", "macro_f1", "log_loss", "ece"])
def test_identical_predictions_are_the_same_and_no_progress(metric):
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=300)
    outputs = model(rng, truth, 0.8)
    verdict, task = outcome(Task("t", "binary", ("n", "y"), metric=metric), truth, outputs, outputs)
    assert (verdict.accepted, verdict.progress, task.outcome) == (True, False, "same")
    assert task.low == task.high == 0 and task.n == 300


def test_clearly_better_is_progress_and_clearly_worse_is_rejected():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=500)
    good, bad = model(rng, truth, 0.9), model(rng, truth, 0.7)
    verdict, task = outcome(MULTI, truth, bad, good)
    assert (verdict.accepted, verdict.progress, task.outcome) == (True, True, "better")
    assert 0 < task.low < task.after - task.before < task.high
    assert task.after == pytest.approx(METRICS["accuracy"].function(truth, good))
    verdict, task = outcome(MULTI, truth, good, bad)
    assert (verdict.accepted, verdict.progress, task.outcome) == (False, False, "worse")
    assert verdict.reason.startswith("rejected: worse: topic (accuracy 0.9")


@pytest.mark.parametrize("metric", ["mae", "r2"])
def test_improvement_is_positive_for_errors_too(metric):
    rng = np.random.default_rng(0)
    labels = rng.normal(100, 50, 300)
    before, after = (labels + rng.normal(0, s, 300) for s in (20, 10))
    task = Task("price", "regression", metric=metric)
    verdict, found = outcome(task, labels, before[:, None], after[:, None])
    assert verdict.progress and found.outcome == "better" and found.low > 0
    assert outcome(task, labels, after[:, None], before[:, None])[1].outcome == "worse"


def test_margin_of_an_error_is_a_share_of_the_constant_prediction():
    rng = np.random.default_rng(0)
    labels = rng.normal(0, 1000, 400)
    before = labels + rng.normal(0, 100, 400)
    after = labels + (before - labels) * 1.01  # 1 unit of 800 worse, surely, but beneath the margin
    task = Task("price", "regression", metric="mae")
    verdict, found = outcome(task, labels, before[:, None], after[:, None])
    assert verdict.accepted and found.outcome == "same" and found.high < 0


def noisy_positives(seed=0, n=4000):
    """Truth, what was given, a better model, and one that learnt the noise and calls few rows positive."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    given = np.where((truth == 1) & (rng.random(n) < 0.3), 0, truth)
    better = two((rng.random(n) < np.array([0.15, 0.95])[truth]) * 0.8 + 0.1)
    timid = two((rng.random(n) < np.array([0.0, 0.72])[truth]) * 0.8 + 0.1)
    return truth, given, better, timid


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_corrected_metric_prefers_the_better_model_where_the_noisy_one_does_not(metric):
    truth, given, better, timid = noisy_positives()
    task = Task("spam", "binary", ("no", "yes"), metric=metric)
    score, sign = METRICS[metric].function, 1 if metric == "accuracy" else -1
    assert sign * score(truth, better) > sign * score(truth, timid)
    assert sign * score(given, better) < sign * score(given, timid)
    assert outcome(task, given, timid, better)[1].outcome == "worse"
    verdict, found = outcome(task, given, timid, better, noise={"spam": FLIPPED})
    assert found.outcome == "better" and verdict.progress and "corrected for label noise" in verdict.reason
    assert found.corrected_after == pytest.approx(score(truth, better), abs=0.04)
    assert found.corrected_before == pytest.approx(score(truth, timid), abs=0.04)
    assert (found.before, found.after) == pytest.approx((score(given, timid), score(given, better)))
    assert found.corrected_low > 0 > found.high


def test_correction_is_unbiased_for_several_classes():
    rng = np.random.default_rng(0)
    t = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.0, 0.25, 0.75]])
    truth = rng.integers(3, size=40_000)
    given = (t[truth].cumsum(axis=1) > rng.random((40_000, 1))).argmax(axis=1)
    outputs = model(rng, truth, 0.8)
    found = outcome(MULTI, given, outputs, outputs, noise={"topic": t}, resamples=20)[1]
    assert found.corrected_before == pytest.approx(METRICS["accuracy"].function(truth, outputs), abs=0.02)


def test_what_people_read_stays_within_the_metric():
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=200)
    outputs = model(rng, truth, 1.0)
    noise = np.array([[0.85, 0.15], [0.15, 0.85]])  # more than there is: the estimate leaves the range
    for metric in ("accuracy", "log_loss"):
        verdict, found = outcome(
            Task("spam", "binary", ("n", "y"), metric=metric), truth, outputs, outputs, noise={"spam": noise}
        )
        low, high = METRICS[metric].limits
        assert {low, high} & {found.corrected_before} and low <= found.before <= high
        assert found.before == pytest.approx(METRICS[metric].function(truth, outputs))
        assert f"corrected for label noise {found.corrected_before:.3f}" in verdict.reason
    plain = outcome(BINARY, truth, outputs, outputs)[1]
    assert math.isnan(plain.corrected_before) and plain.after == 1.0


def test_area_under_the_curve_keeps_its_order_under_noise():
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=20_000)
    given = np.where((truth == 1) & (rng.random(20_000) < 0.3), 0, truth)
    score = truth + rng.normal(0, 1, 20_000)
    clean, noisy = (METRICS["auc"].function(y, two(score)) for y in (truth, given))
    alpha = np.mean(truth[given == 0] == 1)  # contamination of the given negatives; given positives are pure
    assert noisy - 0.5 == pytest.approx((1 - alpha) * (clean - 0.5), abs=0.01)


def test_trusted_rows_alone_judge_where_there_are_enough():
    truth, given, better, timid = noisy_positives()
    trusted = np.arange(len(truth)) < 400
    labels = np.where(trusted, truth, given)
    verdict, found = outcome(BINARY, labels, timid, better, trusted=trusted)
    assert found.outcome == "better" and found.n == 400 and "400 trusted rows" in verdict.reason
    few = np.arange(len(truth)) < 30
    mixed = outcome(BINARY, np.where(few, truth, given), timid, better, trusted=few, noise={"spam": FLIPPED})[
        1
    ]
    assert mixed.outcome == "better" and mixed.n == len(truth)


def test_trusted_rows_are_scored_as_they_are():
    rng = np.random.default_rng(0)
    truth = np.array([0, 1] * 20)
    outputs = model(rng, truth, 0.8)
    found = outcome(BINARY, truth, outputs, outputs, trusted=np.ones(40, bool), noise={"spam": FLIPPED})[1]
    assert found.before == METRICS["accuracy"].function(truth, outputs)


def test_noise_that_cannot_be_inverted_leaves_the_plain_metric_and_says_so():
    _, given, better, timid = noisy_positives()
    for useless in (np.full((2, 2), 0.5), np.full((2, 2), np.nan), np.eye(3)):
        verdict, found = outcome(BINARY, given, timid, better, noise={"spam": useless})
        assert found.before == METRICS["accuracy"].function(given, timid)
        assert "cannot be inverted" in verdict.reason


def test_ill_conditioned_noise_is_shrunk():
    inverse, share = correction(np.array([[0.52, 0.48], [0.48, 0.52]]), 2)
    assert share > 0 and np.abs(inverse).max() <= 10
    assert inverse.sum(axis=1) == pytest.approx(1)


def test_not_judged():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=300)
    labels[19:] = -1
    verdict, found = outcome(BINARY, labels, two(rng.random(300)), two(rng.random(300)))
    assert (verdict.accepted, verdict.progress, found.outcome, found.n) == (True, False, "not judged", 19)
    assert (
        outcome(BINARY, np.ones(100, int), two(np.ones(100)), two(np.zeros(100)))[1].outcome == "not judged"
    )
    assert outcome(BINARY, np.full(100, -1), two(np.ones(100)), two(np.zeros(100)))[1].n == 0
    assert outcome(NUMBER, np.ones(50), np.ones((50, 1)), np.ones((50, 1)))[1].outcome == "not judged"
    assert judge([], {}, {}, {}).accepted


def test_a_small_gain_of_many_tasks_is_progress():
    rng = np.random.default_rng(1)
    tasks, labels, before, after = [], {}, {}, {}
    for i in range(10):
        truth = rng.integers(2, size=200)
        wrong = rng.random(200) < 0.2
        mended = wrong & (rng.random(200) > 0.06)
        tasks.append(Task(str(i), "binary", ("n", "y"), metric="accuracy"))
        labels[str(i)] = truth
        before[str(i)], after[str(i)] = (two(np.where(w, 1 - truth, truth) * 1.0) for w in (wrong, mended))
    each = [judge([t], labels, before, after).progress for t in tasks]
    verdict = judge({t.name: t for t in tasks}, labels, before, after)
    assert verdict.progress and sum(each) < 10


def test_unchanged_models_are_seldom_rejected_when_a_bound_is_asked_for():
    rng = np.random.default_rng(0)
    rejected = 0
    tasks = [Task(str(i), "binary", ("n", "y"), metric="accuracy") for i in range(4)]
    for seed in range(60):
        labels, before, after = {}, {}, {}
        for task in tasks:
            truth = rng.integers(2, size=400)
            base = rng.normal(0, 1, 400) + (2 * truth - 1)
            labels[task.name] = truth
            for side in (before, after):
                side[task.name] = two(1 / (1 + np.exp(-base - rng.normal(0, 0.3, 400))))
        verdict = judge(tasks, labels, before, after, seed=seed, resamples=200, firm=math.inf)
        rejected += not verdict.accepted
    assert rejected / 60 < 0.35


def test_same_seed_same_verdict_and_missing_rows_do_not_count():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=200)
    before, after = model(rng, truth, 0.7), model(rng, truth, 0.75)
    assert outcome(MULTI, truth, before, after, seed=3) == outcome(MULTI, truth, before, after, seed=3)
    hidden = np.where(np.arange(200) < 100, truth, -1)
    found = outcome(MULTI, hidden, before, after)[1]
    assert found.n == 100 and found.before == METRICS["accuracy"].function(truth[:100], before[:100])


def test_multilabel_and_arrays_that_do_not_fit():
    rng = np.random.default_rng(0)
    task = Task("tags", "multilabel", ("a", "b"), metric="macro_f1")
    labels = rng.integers(-1, 2, size=(200, 2)).astype(np.int8)
    good = np.where(labels == 1, 0.9, 0.1)
    assert outcome(task, labels, np.full((200, 2), 0.1), good)[1].outcome == "better"
    with pytest.raises(ArrayError, match="task tags: outputs of shape"):
        outcome(task, labels, good[:, :1], good)
    with pytest.raises(ArrayError, match="task spam: before holds no array"):
        judge([BINARY], {"spam": np.zeros(5, int)}, {}, {})
    with pytest.raises(ArrayError, match="same 200 held-out rows"):
        outcome(task, labels, good, good, trusted=np.ones(3, bool))


def copied(n=200, leaked=150, seed=0):
    """A model that knows the copied rows by heart and the others hardly, and one that has never seen a copy."""
    rng = np.random.default_rng(seed)
    truth, known = rng.integers(2, size=n), np.arange(n) < leaked
    by_heart = two((np.where(known | (rng.random(n) < 0.6), truth, 1 - truth) * 0.8) + 0.1)
    honest = two((np.where(rng.random(n) < 0.7, truth, 1 - truth) * 0.8) + 0.1)
    return truth, by_heart, honest, known


def test_rows_that_training_knows_do_not_judge():
    truth, by_heart, honest, known = copied()
    verdict, found = outcome(BINARY, truth, by_heart, honest)
    assert not verdict.accepted and found.outcome == "worse" and found.aside == 0
    verdict, found = outcome(BINARY, truth, by_heart, honest, leaked={"copies": known})
    assert verdict.accepted and (found.n, found.aside) == (50, 150)
    assert found.before == METRICS["accuracy"].function(truth[150:], by_heart[150:])
    assert (
        "spam is not judged by 150 of 200 held-out rows, whose copies are in the training rows"
        in verdict.reason
    )


def test_rows_of_a_known_group_judge_only_where_too_few_others_can():
    truth, by_heart, honest, known = copied()
    grouped = np.arange(200) >= 100
    verdict, found = outcome(
        BINARY, truth, by_heart, honest, leaked={"copies": known, "groups": grouped & (np.arange(200) < 170)}
    )
    assert found.n == 30 and "whose copies or groups are" in verdict.reason
    verdict, found = outcome(BINARY, truth, by_heart, honest, leaked={"copies": known, "groups": grouped})
    assert (found.n, found.aside) == (50, 150)  # all groups are on both sides
    everything = np.arange(200) < 190
    verdict, found = outcome(BINARY, truth, by_heart, honest, leaked={"copies": everything})
    assert (found.n, found.aside) == (200, 0)
    assert (
        "spam is judged too well, as 190 of 200 held-out rows have copies in the training rows"
        in verdict.reason
    )
    assert (
        outcome(BINARY, truth, by_heart, honest, leaked={"copies": known & False})[0].reason.count("copies")
        == 0
    )

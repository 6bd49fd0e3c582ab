"""Consensus of several annotators: recovery, invariances, dependence, edges and errors."""

import numpy as np
import pytest

from jointset.audit import find_label_errors
from jointset.audit.annotators import consensus, from_long, give_away
from jointset.audit.annotators.agreement import measure
from jointset.audit.annotators.confusions import strength
from jointset.audit.annotators.run import expected_gain
from jointset.audit.annotators.votes import from_table
from jointset.errors import ArrayError

METHODS = ["majority", "dawid_skene", "joint"]


def pick(rng, p):
    """One class per row of probabilities."""
    return (p.cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1)


def people(n=3000, k=3, accuracy=(0.9, 0.8, 0.7, 0.7, 0.6), coverage=0.7, seed=0):
    """Draw from the model of Dawid and Skene: votes (n, A), truth, confusions (A, K, K), class shares."""
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.full(k, 8.0))
    true = rng.choice(k, n, p=prior)
    confusion = np.stack([a * np.eye(k) + (1 - a) * _off(rng, k) for a in accuracy])
    votes = np.stack([pick(rng, c[true]) for c in confusion], axis=1)
    votes[rng.random(votes.shape) > coverage] = -1
    return votes, true, confusion, prior


def _off(rng, k):
    wrong = rng.dirichlet(np.full(k, 2.0), k) * (1 - np.eye(k))
    return wrong / wrong.sum(axis=1, keepdims=True)


def rules(n=2000, per_class=5, precision=0.85, seed=0):
    """Labelling rules of two classes that say one label or nothing."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 2, n)
    votes = np.full((n, 2 * per_class), -1)
    for a in range(2 * per_class):
        j, cover = a % 2, rng.uniform(0.1, 0.4) if a % 2 else 0.08  # rules of class 0 find little
        rate = np.where(true == j, 2 * cover * precision, 2 * cover * (1 - precision))
        votes[rng.random(n) < rate, a] = j
    return votes, true


def closed_form(votes, confusion, prior):
    """P(true | votes) with the parameters known (Dawid and Skene 1979, eq. 2.5)."""
    log = np.tile(np.log(prior), (len(votes), 1))
    for a, c in enumerate(confusion):
        known = votes[:, a] >= 0
        log[known] += np.log(c.T[votes[known, a]])
    p = np.exp(log - log.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("method", ["dawid_skene", "joint"])
def test_recovers_the_model_it_assumes(k, method):
    votes, true, confusion, prior = people(8000, k, seed=k)
    found = consensus(votes, method=method)
    best = closed_form(votes, confusion, prior)
    assert np.abs(found.confusion - confusion).max() < 0.08
    assert np.abs(found.prior - prior).max() < 0.02
    assert np.abs(found.posterior - best).mean() < 0.015
    voted = found.label >= 0
    right = found.label == true
    assert abs(found.confidence[voted].mean() - right[voted].mean()) < 0.015
    assert right[voted].mean() > (best.argmax(axis=1) == true)[voted].mean() - 0.005


def test_confidence_is_calibrated_bin_by_bin():
    votes, true, *_ = people(20_000, 3, seed=4)
    found = consensus(votes)
    place = np.digitize(found.confidence, [0.6, 0.8, 0.95])
    for b in range(4):
        rows = (place == b) & (found.label >= 0)
        assert abs(found.confidence[rows].mean() - (found.label == true)[rows].mean()) < 0.035


def test_interval_covers_the_accuracy():
    votes, true, *_ = people(2000, 3, accuracy=np.linspace(0.5, 0.95, 12), seed=2)
    found = consensus(votes)
    real = np.array([(v[v >= 0] == true[v >= 0]).mean() for v in votes.T])
    assert ((found.interval[:, 0] <= real) & (real <= found.interval[:, 1])).mean() >= 0.9
    assert np.corrcoef(real, found.annotator_quality)[0, 1] > 0.98


def test_flagged_votes_keep_the_promise():
    votes, true, *_ = people(6000, 3, seed=5)
    found = consensus(votes, precision=0.9)
    wrong = votes != true[:, None]
    assert found.is_error.sum() > 500
    assert not found.is_error[votes < 0].any()
    assert abs(wrong[found.is_error].mean() - found.promised_precision) < 0.04
    worst = np.stack(np.divmod(found.ranked(50), votes.shape[1]))
    assert wrong[worst[0], worst[1]].mean() > 0.9
    assert np.isnan(found.quality[votes < 0]).all() and np.isfinite(found.quality[votes >= 0]).all()


@pytest.mark.parametrize("method", METHODS)
def test_order_of_rows_annotators_and_classes_does_not_matter(method):
    votes, *_ = people(1500, 3, seed=1)
    rng = np.random.default_rng(0)
    plain = consensus(votes, method=method)
    rows, who, classes = rng.permutation(len(votes)), rng.permutation(5), np.array([2, 0, 1])
    mixed = consensus(votes[rows][:, who], method=method)
    np.testing.assert_allclose(mixed.posterior, plain.posterior[rows], atol=1e-3)
    np.testing.assert_allclose(mixed.quality, plain.quality[rows][:, who], atol=1e-3)
    np.testing.assert_allclose(mixed.confusion, plain.confusion[who], atol=1e-3)
    renamed = consensus(np.where(votes >= 0, np.argsort(classes)[votes], -1), method=method)
    np.testing.assert_allclose(renamed.posterior, plain.posterior[:, classes], atol=1e-3)


def test_beats_majority_and_equals_it_where_all_are_alike():
    votes, true, *_ = people(4000, 3, accuracy=(0.95, 0.9, 0.5, 0.5, 0.5), coverage=1.0)
    accuracy = {m: (consensus(votes, method=m).label == true).mean() for m in METHODS}
    assert accuracy["joint"] > accuracy["majority"] + 0.05
    assert accuracy["dawid_skene"] > accuracy["majority"] + 0.05


def test_random_annotator_changes_little():
    votes, *_ = people(3000, 3)
    noise = np.random.default_rng(9).integers(0, 3, (3000, 1))
    plain, more = consensus(votes), consensus(np.hstack([votes, noise]))
    voted = plain.label >= 0
    assert (plain.label == more.label)[voted].mean() > 0.98
    assert np.abs(plain.posterior - more.posterior)[voted].mean() < 0.02
    assert more.annotator_quality[-1] < 0.42


def test_perfect_annotator_wins():
    votes, true, *_ = people(3000, 3, accuracy=(0.6, 0.6, 0.6, 0.6), coverage=1.0)
    votes = np.column_stack([votes, true])
    found = consensus(votes)
    assert found.annotator_quality.argmax() == 4
    assert (found.label == true).mean() > 0.98


def test_adversarial_annotator_is_found_and_used():
    votes, true, *_ = people(4000, 2, accuracy=(0.75, 0.75, 0.75, 0.75), coverage=1.0, seed=3)
    liar = np.where(np.random.default_rng(1).random(4000) < 0.9, 1 - true, true)
    with_liar = consensus(np.column_stack([votes, liar]))
    assert with_liar.annotator_quality[4] < 0.15
    assert (with_liar.label == true).mean() > (consensus(votes).label == true).mean() + 0.02


@pytest.mark.parametrize("copies", [1, 3])
def test_copies_are_not_counted_twice(copies):
    votes, true, *_ = people(4000, 3, accuracy=(0.8, 0.8, 0.75, 0.75, 0.7), coverage=0.9, seed=6)
    bad = pick(np.random.default_rng(2), np.where(np.eye(3, dtype=bool), 0.5, 0.25)[true])
    once = consensus(np.column_stack([votes, bad]))
    many = consensus(np.column_stack([votes, *[bad] * (1 + copies)]))
    pairs = set(zip(many.dependence.first.tolist(), many.dependence.second.tolist(), strict=True))
    assert pairs == {(i, j) for i in range(5, 6 + copies) for j in range(i + 1, 6 + copies)}
    assert many.dependence.share.min() > 0.9
    voted = once.label >= 0
    assert (once.label == many.label)[voted].mean() > 0.985
    assert abs(many.annotator_quality[-1] - once.annotator_quality[-1]) < 0.03
    naive = consensus(np.column_stack([votes, *[bad] * (1 + copies)]), method="dawid_skene")
    assert (many.label == true).mean() > (naive.label == true).mean() + (0.05 if copies == 3 else 0.004)


def test_independent_annotators_are_not_called_dependent():
    found = [
        len(consensus(people(1500, 3, accuracy=(0.9, 0.8, 0.7, 0.6, 0.7, 0.8), seed=s)[0]).dependence)
        for s in range(10)
    ]
    assert sum(found) <= 1


def test_silence_of_rules_is_evidence():
    votes, true = rules()
    covered = (votes >= 0).any(axis=1)
    accuracy = {m: (consensus(votes, method=m).label == true)[covered].mean() for m in METHODS}
    assert accuracy["joint"] > accuracy["majority"] + 0.03
    found = consensus(votes)
    said = np.arange(10) % 2
    assert (found.coverage[np.arange(10), said] > 2 * found.coverage[np.arange(10), 1 - said]).all()
    assert abs(found.confidence[covered].mean() - accuracy["joint"]) < 0.03
    assert (found.label[~covered] == -1).all()


def test_copied_rule_is_not_counted_twice():
    votes, _ = rules(3000, precision=0.75, seed=3)
    covered = (votes >= 0).any(axis=1)
    many = np.column_stack([votes, *[votes[:, :1]] * 4])
    once, found, naive = consensus(votes), consensus(many), consensus(many, method="dawid_skene")
    agree = [(r.label == once.label)[covered].mean() for r in (found, naive)]
    assert agree[0] > 0.97 and agree[0] > agree[1]


def test_a_model_helps_and_an_empty_one_does_not_hurt():
    votes, true, *_ = people(3000, 3, accuracy=(0.7, 0.65, 0.6), coverage=0.6, seed=8)
    rng = np.random.default_rng(0)
    logit = 1.5 * np.eye(3)[true] + rng.normal(0, 1, (3000, 3))
    probs = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    alone, joint = consensus(votes), consensus(votes, probs)
    voted = alone.label >= 0
    assert (joint.label == true)[voted].mean() > (alone.label == true)[voted].mean() + 0.05
    assert (joint.label >= 0).all()
    assert abs(joint.confidence.mean() - (joint.label == true).mean()) < 0.03
    assert 1.0 < joint.model_weight < 2.0  # these probabilities are right at 1.5
    flat = consensus(votes, np.full((3000, 3), 1 / 3))
    np.testing.assert_allclose(flat.posterior[voted], alone.posterior[voted], atol=0.03)


@pytest.mark.parametrize("k", [2, 4])
def test_one_annotator_and_a_model_is_the_noise_posterior(k):
    rng = np.random.default_rng(k)
    logit = rng.normal(0, 3, (3000, k))
    probs = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    given = pick(rng, 0.8 * np.eye(k)[pick(rng, probs)] + 0.2 / k)
    given[:100] = -1
    found, audit = consensus(given[:, None], probs), find_label_errors(given, probs)
    np.testing.assert_allclose(found.posterior, audit.posterior, atol=1e-9)
    np.testing.assert_allclose(found.confusion[0], audit.noise_matrix)
    np.testing.assert_allclose(found.quality[:, 0], audit.quality, equal_nan=True)
    assert (found.is_error[:, 0] == audit.is_error).all()


def test_alpha_of_krippendorffs_example():
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", nominal data with missing values
    said = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    rows = np.array([[-1 if c == "." else int(c) - 1 for c in s] for s in said]).T
    assert measure(from_table(rows), 5, rows.max(axis=1)).alpha == pytest.approx(0.743, abs=5e-4)


def test_gain_is_the_expected_fall_of_entropy():
    rng = np.random.default_rng(0)
    q, c = rng.dirichlet(np.ones(3), 5), rng.dirichlet(np.ones(3), 3)

    def entropy(p):
        return -(p * np.log(p)).sum(axis=-1)

    said = q @ c
    after = q[:, :, None] * c / said[:, None, :]
    fall = entropy(q) - (said * entropy(after.transpose(0, 2, 1))).sum(axis=1)
    np.testing.assert_allclose(expected_gain(q, c), fall, atol=1e-12)


def test_asks_where_votes_clash_or_lack():
    votes, *_ = people(2000, 2, accuracy=(0.8, 0.8, 0.8), coverage=0.6, seed=1)
    found = consensus(votes)
    n_votes = (votes >= 0).sum(axis=1)
    clash = (n_votes == 2) & (votes == 0).any(axis=1) & (votes == 1).any(axis=1)
    unanimous = (n_votes == 3) & (votes.min(axis=1) == votes.max(axis=1))
    assert found.gain[clash].min() > found.gain[unanimous].max()
    assert sorted(found.ask.tolist()) == list(range(2000))


def test_strength_of_the_prior_is_recovered():
    rng = np.random.default_rng(0)
    centre = np.array([0.7, 0.2, 0.1])
    counts = np.stack([rng.multinomial(60, rng.dirichlet(16 * centre)) for _ in range(400)]).astype(float)
    assert strength(counts, np.tile(centre, (400, 1))) == 16


def test_long_table_equals_the_wide_one():
    votes, *_ = people(500, 3)
    row, who = np.nonzero(votes >= 0)
    order = np.random.default_rng(0).permutation(len(row))
    names = np.array(["a", "b", "c", "d", "e"])
    long = from_long(row[order], names[who][order], votes[row, who][order], n_rows=500)
    wide, found = consensus(votes), consensus(long)
    np.testing.assert_array_equal(wide.posterior, found.posterior)
    assert found.votes.names.tolist() == names.tolist()
    floats = np.where(votes < 0, np.nan, votes)
    np.testing.assert_array_equal(consensus(floats).posterior, wide.posterior)


def test_hundreds_of_annotators_with_few_votes():
    rng = np.random.default_rng(0)
    n, a, k = 3000, 400, 10
    true, skill = rng.integers(0, k, n), rng.uniform(0.5, 0.95, a)
    who = np.argsort(rng.random((n, a)), axis=1)[:, :3]
    right = rng.random((n, 3)) < skill[who]
    said = np.where(right, true[:, None], rng.integers(0, k, (n, 3)))
    found = consensus(from_long(np.repeat(np.arange(n), 3), who.ravel(), said.ravel()), n_classes=k)
    plain = consensus(found.votes, n_classes=k, method="majority")
    assert (found.label == true).mean() > (plain.label == true).mean()
    assert np.corrcoef(found.annotator_quality, skill)[0, 1] > 0.6


@pytest.mark.parametrize("method", METHODS)
def test_nobody_voted(method):
    found = consensus(np.full((4, 2), -1), method=method)
    assert (found.label == -1).all() and np.isnan(found.confidence).all()
    assert len(found.ranked()) == 0 and np.isnan(found.annotator_quality).all()


def test_nobody_voted_but_a_model_speaks():
    found = consensus(np.full((4, 2), np.nan), np.tile([0.8, 0.2], (4, 1)))
    assert found.label.tolist() == [0, 0, 0, 0]


def test_no_rows():
    assert len(consensus(np.empty((0, 3)))) == 0


@pytest.mark.parametrize("method", ["dawid_skene", "joint"])
def test_votes_that_never_meet_cannot_be_judged(method):
    found = consensus([[0, -1], [-1, 1], [1, -1]], method=method)
    assert found.label.tolist() == [0, 1, 1]
    assert np.isnan(found.confidence).all() and not found.is_error.any()
    assert "cannot be told" in found.notes[0]


def test_annotator_without_votes_and_with_one_label():
    votes, true, *_ = people(1000, 2, accuracy=(0.9, 0.8, 0.8))
    votes = np.column_stack([votes, np.full(1000, -1), np.where(np.arange(1000) % 3, -1, 1)])
    found = consensus(votes)
    assert np.isnan(found.annotator_quality[3])
    assert np.isfinite(found.posterior).all()
    assert (found.label == true)[(votes[:, :3] >= 0).any(axis=1)].mean() > 0.8


@pytest.mark.parametrize(
    ("votes", "probs", "options", "message"),
    [
        ([0, 1], None, {}, "for a long table use from_long"),
        ([[0.5]], None, {}, "whole numbers"),
        ([["a"]], None, {}, "encode them first"),
        ([[-2]], None, {}, "no class code"),
        ([[3]], None, {"n_classes": 2}, "out of range for 2 classes"),
        ([[0]], None, {"n_classes": 1}, "at least 2"),
        ([[0]], [[0.5, 0.5]], {"n_classes": 3}, "have 2 columns"),
        ([[0]], [[0.5, 0.6]], {}, "sum to one"),
        ([[0]], [[0.5, 0.5]] * 2, {}, "rows must be aligned"),
        ([[0]], [[0.5, 0.5]], {"method": "majority"}, "uses votes only"),
        ([[0]], None, {"method": "mean"}, "must be one of"),
        ([[0]], None, {"precision": 0}, "precision"),
    ],
)
def test_errors_name_the_rule(votes, probs, options, message):
    with pytest.raises(ArrayError, match=message):
        consensus(votes, probs, **options)


@pytest.mark.parametrize(
    ("row", "who", "label", "n_rows", "message"),
    [
        ([0, 0], ["a", "a"], [0, 1], None, "votes twice"),
        ([0], ["a", "b"], [0], None, "one table"),
        ([-1], ["a"], [0], None, "row numbers from 0"),
        (["x"], ["a"], [0], None, "row numbers from 0"),
        ([5], ["a"], [0], 3, "out of range"),
    ],
)
def test_long_table_errors(row, who, label, n_rows, message):
    with pytest.raises(ArrayError, match=message):
        from_long(row, who, label, n_rows=n_rows)


def test_features_of_the_rules_are_hidden():
    votes, true = rules(1000, per_class=2)
    rng = np.random.default_rng(0)
    own = (votes >= 0) ^ (rng.random(votes.shape) < 0.002)
    about = rng.random((1000, 6)) < np.where(true[:, None], 0.6, 0.2)
    hidden = give_away(np.hstack([own, about]), votes)
    assert hidden[:4].all() and not hidden[4:].any()
    with pytest.raises(ArrayError, match="rows must be aligned"):
        give_away(about[:5], votes)
    with pytest.raises(ArrayError, match="between 0 and 1"):
        give_away(about, votes, level=1)


def test_a_rule_that_lies_is_found_out_by_the_other_words():
    votes, true = rules(3000, precision=0.85, seed=5)
    rng = np.random.default_rng(1)
    bad = np.where(rng.random(3000) < 0.3, np.where(rng.random(3000) < 0.2, true, 1 - true), -1)
    word = bad == 1
    votes = np.column_stack([votes, np.where(word, 1, -1)])
    about = rng.random((3000, 12)) < np.where(true[:, None], 0.6, 0.3)
    found = consensus(votes, _logistic(np.column_stack([word, about]), votes))
    assert found.annotator_quality[-1] == pytest.approx((true[word] == 1).mean(), abs=0.1)


def _logistic(features, votes):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    found = consensus(votes)
    x = features[:, ~give_away(features, votes)]
    return cross_val_predict(LogisticRegression(), x, found.posterior.argmax(axis=1), method="predict_proba")


@pytest.mark.parametrize(("annotators", "rows", "voted", "classes"), [(4, 200, 0.3, 3), (3, 200, 1.0, 2)])
def test_the_interval_covers_the_chance_of_a_right_vote(annotators, rows, voted, classes):
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(12):
        true, right = rng.integers(classes, size=rows), rng.uniform(0.6, 0.95, annotators)
        other = (true[:, None] + rng.integers(1, classes, (rows, annotators))) % classes
        said = np.where(rng.random((rows, annotators)) < right, true[:, None], other)
        said[rng.random((rows, annotators)) > voted] = -1
        found = consensus(said)
        covered += ((found.interval[:, 0] <= right) & (right <= found.interval[:, 1])).tolist()
        assert (found.interval[:, 0] <= found.annotator_quality).all()
        assert (found.annotator_quality <= found.interval[:, 1]).all()
    assert np.mean(covered) >= 0.85


def test_annotators_of_mixed_types_are_refused():
    with pytest.raises(ArrayError, match=r"^annotator: [^\n]*NoneType[^\n]*$"):
        from_long([0, 1], [None, "ann"], [0, 1])

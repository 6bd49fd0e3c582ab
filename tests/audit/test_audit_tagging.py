"""Tags of tokens, and the spans they make."""

from itertools import product

import numpy as np
import pytest

from jointset.audit import find_label_errors
from jointset.audit.label_errors.spans import Grammar, illegal_tags, viterbi
from jointset.audit.label_errors.tagging import find_tag_errors, softmin
from jointset.errors import ArrayError

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = ["O", *(f"{p}-{t}" for t in ("PER", "LOC") for p in "BIES")]
HALF = np.full((3, 2), 0.5)


def corpus(n=1500, seed=0):
    """Sentences with one PER span of two tokens, one LOC of one, among O; sharp but not perfect predictions."""
    rng = np.random.default_rng(seed)
    true = [np.array([0] * rng.integers(1, 4) + [1, 2] + [0] * rng.integers(1, 3) + [3, 0]) for _ in range(n)]
    scores = [2.5 * np.eye(5)[t] + rng.normal(0, 0.6, (len(t), 5)) for t in true]
    return true, [np.exp(2.5 * s) / np.exp(2.5 * s).sum(axis=1, keepdims=True) for s in scores]


def test_lists_and_flat_arrays_agree():
    true, probs = corpus(300)
    lists = find_tag_errors(true, probs)
    flat = find_tag_errors(np.concatenate(true), np.concatenate(probs), lengths=[len(t) for t in true])
    np.testing.assert_array_equal(lists.quality, flat.quality)
    np.testing.assert_array_equal(lists.sentence, np.repeat(np.arange(300), [len(t) for t in true]))
    np.testing.assert_array_equal(lists.position, np.concatenate([np.arange(len(t)) for t in true]))


def test_tokens_are_judged_as_a_multiclass_task():
    true, probs = corpus(300)
    plain = find_label_errors(np.concatenate(true), np.concatenate(probs))
    found = find_tag_errors(true, probs)
    np.testing.assert_array_equal(found.quality, plain.quality)
    np.testing.assert_array_equal(found.ranked(20), plain.ranked(20))


def test_a_sentence_is_as_good_as_its_worst_token():
    true, probs = corpus(300)
    given = [t.copy() for t in true]
    given[7][0], given[8][:] = 4, -1
    found = find_tag_errors(given, probs)
    assert found.ranked_sentences(1)[0] == found.ranked_sentences(1, temperature=0.05)[0] == 7
    assert np.isnan(found.sentence_quality[8]) and 8 not in found.ranked_sentences()
    lowest = [found.quality[found.sentence == i].min() for i in (0, 7)]
    np.testing.assert_array_equal(found.sentence_quality[[0, 7]], lowest)


def test_golden_softmin():
    # cleanlab 2.9, token_classification.rank, sentence_score_method="softmin"
    quality, sentence = np.array([0.9, 0.6, 0.0, 0.8, 0.8, 0.8]), np.array([0, 0, 1, 1, 1, 2])
    np.testing.assert_allclose(softmin(quality, sentence, 3), [6.00741787e-01, 1.80056239e-07, 0.8])


@pytest.fixture(scope="module")
def spoilt():
    """One fault of every kind in a sentence of its own; the rest is right."""
    true, probs = corpus()
    given = [t.copy() for t in true]
    first = [int(np.flatnonzero(t == 1)[0]) for t in true]
    for i in range(50):
        given[i][first[i] : first[i] + 2] = 0  # missing
    for i in range(50, 100):
        given[i][-1] = 1  # spurious
    for i in range(100, 150):
        given[i][first[i] : first[i] + 2] = [3, 4]  # type
    for i in range(150, 200):
        given[i][first[i] + 1] = 0  # boundary
    return true, given, probs, first


def test_spans_say_what_is_wrong(spoilt):
    _, given, probs, first = spoilt
    found = find_tag_errors(given, probs, tags=BIO, scheme="BIO")
    spans = found.spans
    sure = np.flatnonzero(spans.is_error)
    expected = np.array(["missing", "spurious", "type", "boundary"], object)[
        np.minimum(spans.sentence[sure] // 50, 3)
    ]
    assert (spans.kind[sure] == expected).mean() > 0.95 and len(sure) >= 150
    row = next(r for r in sure if 100 <= spans.sentence[r] < 150)
    at = first[spans.sentence[row]]
    assert (spans.start[row], spans.end[row], spans.type[row]) == (at, at + 2, "LOC")
    assert (spans.suggested_start[row], spans.suggested_end[row], spans.suggested_type[row]) == (
        at,
        at + 2,
        "PER",
    )
    missing = np.flatnonzero(spans.kind == "missing")
    assert (spans.start[missing] == -1).all() and (spans.type[missing] == "").all()
    assert set(spans.ranked(50)) <= set(range(len(spans)))
    assert found.illegal.tolist() == []


def test_suggestions_are_valid_sequences(spoilt):
    _, given, probs, _ = spoilt
    blurred = [0.2 * p + 0.16 for p in probs]
    found = find_tag_errors(given, blurred, tags=BIO, scheme="BIO")
    assert not len(illegal_tags(found.suggested, found.sentence, Grammar.of("BIO", BIO, 5)))


def test_unlabelled_tokens_make_no_span_errors():
    true, probs = corpus(300)
    given = [np.where(np.arange(len(t)) < len(t) // 2, t, -1) for t in true]
    found = find_tag_errors(given, probs, tags=BIO, scheme="BIO")
    assert not found.is_error[found.given < 0].any()
    unlabelled = np.array([len(t) // 2 for t in true])
    assert (found.spans.end <= unlabelled[found.spans.sentence]).all()
    assert (found.suggested == np.concatenate(true))[found.given < 0].mean() > 0.95


@pytest.mark.parametrize(("scheme", "tags"), [("BIO", BIO), ("BIOES", BIOES)])
def test_viterbi_is_the_best_of_all_valid_sequences(scheme, tags):
    rng = np.random.default_rng(0)
    grammar, k = Grammar.of(scheme, tags, len(tags)), len(tags)
    for length in (1, 2, 3):
        scores = rng.normal(size=(length, k))
        valid = [
            s
            for s in product(range(k), repeat=length)
            if not len(illegal_tags(np.array(s), np.zeros(length, int), grammar))
        ]
        best = max(valid, key=lambda s: scores[np.arange(length), list(s)].sum())
        np.testing.assert_array_equal(viterbi(scores, np.array([length]), grammar), best)


def test_viterbi_takes_sentences_of_any_length_together():
    rng = np.random.default_rng(1)
    lengths = np.array([3, 0, 7, 1, 7])
    scores, grammar = rng.normal(size=(18, 5)), Grammar.of("BIO", BIO, 5)
    parts = np.split(scores, np.cumsum(lengths)[:-1])
    alone = [viterbi(p, np.array([len(p)]), grammar) for p in parts]
    np.testing.assert_array_equal(viterbi(scores, lengths, grammar), np.concatenate(alone))


@pytest.mark.parametrize(
    ("scheme", "tags", "given", "illegal"),
    [
        ("BIO", BIO, ["O", "I-PER", "O"], [1]),
        ("BIO", BIO, ["I-PER", "O"], [0]),
        ("BIO", BIO, ["B-PER", "I-LOC"], [1]),
        ("BIO", BIO, ["B-PER", "B-PER", "I-PER"], []),
        ("BIOES", BIOES, ["B-PER", "E-PER", "S-LOC"], []),
        ("BIOES", BIOES, ["B-PER", "O"], [1]),
        ("BIOES", BIOES, ["O", "B-PER"], [1]),
        ("BIOES", BIOES, ["S-PER", "E-PER"], [1]),
        ("BIOES", BIOES, ["E-PER"], [0]),
    ],
)
def test_illegal_sequences_are_told(scheme, tags, given, illegal):
    codes = np.array([tags.index(t) for t in given])
    probs = 0.9 * np.eye(len(tags))[codes] + 0.1 / len(tags)
    found = find_tag_errors([codes], [probs], tags=tags, scheme=scheme)
    assert found.illegal.tolist() == illegal


@pytest.mark.parametrize(
    ("labels", "probs", "kwargs", "message"),
    [
        ([[0, 1, 1], [0]], [HALF], {}, "2 sentences of labels but 1 of predictions"),
        ([[0, 1, 1], [0, 1]], [HALF, HALF], {}, "sentence 1: 2 labels but 3 rows"),
        ([[0, 1, 1], [0]], [HALF, np.ones((1, 3)) / 3], {}, "sentence 1: predictions have 3 columns"),
        ([[0, 1, 1], [2, 0, 0]], [HALF, HALF], {}, "sentence 1: label 2 is out of range"),
        ([[0, 1, 1], [1, 0, 0]], [HALF, 2 * HALF], {}, "sentence 1: .*row 0 sums to 2"),
        ([0, 1, 1], HALF, {}, "sentence 0: expected labels .* pass lengths="),
        ([0, 1, 1], HALF, {"lengths": [2, 2]}, "add up to 4 tokens, found 3 labels"),
        ([0, 1, 1], HALF, {"lengths": [1.5, 1.5]}, "whole numbers"),
        ([[0, 1, 1]], [HALF], {"tags": ["O"]}, "1 tags are named, predictions have 2"),
        ([[0, 1, 1]], [HALF], {"scheme": "BIO"}, "names of all 2 tags, found none"),
        ([[0, 1, 1]], [HALF], {"scheme": "IOB", "tags": ["O", "B-X"]}, "one of BIO, BIOES"),
        ([[0, 1, 1]], [HALF], {"scheme": "BIO", "tags": ["O", "PER"]}, "'PER' does not belong to BIO"),
        ([[0, 1, 1]], [HALF], {"precision": 2}, "above 0 and at most 1"),
    ],
)
def test_errors_name_the_sentence(labels, probs, kwargs, message):
    with pytest.raises(ArrayError, match=message) as caught:
        find_tag_errors(labels, probs, **kwargs)
    assert "\n" not in str(caught.value)


def test_empty_sentences_and_no_sentences():
    true, probs = corpus(100)
    found = find_tag_errors([[], *true], [np.empty((0, 5)), *probs], tags=BIO, scheme="BIO")
    assert np.isnan(found.sentence_quality[0]) and len(found.sentence_quality) == 101
    assert len(find_tag_errors([], []).ranked_sentences()) == 0

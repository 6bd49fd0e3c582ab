"""Hashing: the same n-grams as a plain Python reading of the text, whatever the pieces and neighbours."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset.errors import ArrayError
from jointset.models.encoders.ngrams import concat_ragged, hash_ngrams, hash_words, join_columns, take_ragged


def row(ragged, i):
    return ragged.ids[ragged.offsets[i] : ragged.offsets[i + 1]].tolist()


def ids_of(text, **options):
    return set(row(hash_ngrams(pa.array([text]), bits=31, **options), 0))


def reference_words(text):
    return re.findall(r"[a-z0-9_]+(?:['’][a-z0-9_]+)*|[^\sa-z0-9_]", text.lower())


LATIN = st.text(alphabet="abC1_ '!.\n", max_size=30)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), LATIN), max_size=6), st.integers(1, 3))
def test_counts_are_those_of_a_plain_tokenizer(texts, words):
    ragged = hash_ngrams(pa.array(texts, pa.string()), words=words, bits=31)
    assert len(ragged.offsets) == len(texts) + 1
    for i, text in enumerate(texts):
        tokens = reference_words(text or "")
        grams = [tuple(tokens[j : j + n]) for n in range(1, words + 1) for j in range(len(tokens) - n + 1)]
        counts = sorted(grams.count(g) for g in set(grams))
        assert sorted(ragged.counts[ragged.offsets[i] : ragged.offsets[i + 1]].tolist()) == counts


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), min_size=1, max_size=8), st.integers(1, 40))
def test_ids_do_not_depend_on_pieces_or_neighbours(texts, chunk):
    options = {"words": 2, "chars": (3, 4)}
    whole = hash_ngrams(pa.array(texts, pa.string()), **options)
    chunked = pa.chunked_array([texts[:2], texts[2:]], pa.string())
    pieces = hash_ngrams(chunked, chunk=chunk, **options)
    assert np.array_equal(whole.offsets, pieces.offsets)
    assert np.array_equal(whole.ids, pieces.ids)
    assert np.array_equal(whole.counts, pieces.counts)
    for i, text in enumerate(texts):
        assert row(hash_ngrams(pa.array([text], pa.string()), **options), 0) == row(whole, i)


def test_case_is_folded_and_accents_are_kept():
    assert ids_of("GOOD Éte") == ids_of("good éte") != ids_of("good ete")


def test_scripts_without_spaces_are_read_character_by_character():
    assert len(ids_of("很好看", words=1)) == 3
    assert ids_of("很好", words=2) < ids_of("很好看", words=2)


def test_marks_belong_to_their_word():
    assert len(ids_of("हिन्दी", words=1)) == 1


def test_apostrophes_join_inside_words_only():
    assert len(ids_of("don't", words=1)) == 1
    assert len(ids_of("'quoted'", words=1)) == 2


def test_order_matters_for_pairs_only():
    assert ids_of("a b", words=1) == ids_of("b a", words=1)
    assert ids_of("a b", words=2) != ids_of("b a", words=2)


def test_character_grams_lie_within_one_word_and_mark_its_ends():
    words = ids_of("cat", words=1)
    assert len(ids_of("cat", words=1, chars=(3, 3)) - words) == 3  # <ca, cat, at>
    assert len(ids_of("cat", words=1, chars=(5, 5)) - words) == 1  # <cat>
    both = ids_of("cat dog", words=1, chars=(3, 5))
    assert both == ids_of("cat", words=1, chars=(3, 5)) | ids_of("dog", words=1, chars=(3, 5))
    assert ids_of("concat", words=1, chars=(3, 3)) & ids_of("cat", words=1, chars=(3, 3))


def test_buckets_are_used_evenly():
    texts = pa.array([" ".join(f"w{i}" for i in range(20_000))])
    counts = np.bincount(hash_words(texts, bits=8).ids, minlength=256)
    expected = 20_000 / 256
    assert ((counts - expected) ** 2 / expected).sum() < 330  # 99.9 % of chi squared with 255 degrees


def test_ids_are_stable_between_versions():
    # Computed by a scalar rewriting of the hash in plain Python integers.
    assert row(hash_words(pa.array(["joint sets"]), bits=18), 0) == [46479, 178431]


def test_words_keep_order_and_repeats():
    ids = row(hash_words(pa.array(["a b a"])), 0)
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize(
    "options", [{"words": 0}, {"bits": 0}, {"bits": 32}, {"chars": (2, 3)}, {"chars": (4, 3)}]
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ArrayError, match="n-grams need"):
        hash_ngrams(pa.array(["a"]), **options)


def test_columns_are_joined_and_null_only_where_all_are():
    table = pa.table({"a": ["x", None, None], "b": pa.array([None, "y", None], pa.string())})
    assert [t and t.strip() for t in join_columns(table).to_pylist()] == ["x", "y", None]


def test_no_rows_give_no_grams():
    ragged = hash_ngrams(pa.array([], pa.string()))
    assert ragged.offsets.tolist() == [0] and len(ragged.ids) == 0


def test_ragged_rows_are_taken_and_joined():
    a = {"offsets": np.array([0, 1, 1, 3]), "ids": np.array([5, 6, 7])}
    both = concat_ragged([a, a], ["ids"])
    offsets, positions = take_ragged(both["offsets"], np.array([5, 1, 0]))
    assert offsets.tolist() == [0, 2, 2, 3]
    assert both["ids"][positions].tolist() == [6, 7, 5]

"""Operations on text, with WordNet's files and without."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.augment import text, wordnet
from jointset.operations import names

SENTENCE = "the quick brown fox jumps over a lazy dog , but it is not happy"


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without WordNet."""
    monkeypatch.setenv("WORDNET", str(tmp_path))


@pytest.fixture
def small(monkeypatch, tmp_path):
    """WordNet files of a few words, in the format of wndb(5WN)."""
    head = "  1 This software and database is being provided to you\n"
    (tmp_path / "data.noun").write_text(
        head + "00000100 05 n 03 dog 0 domestic_dog 0 hound 0 001 @ 00000200 n 0000 | a pet\n"
        "00000200 05 n 02 run 0 streak 0 000 | a score\n"
    )
    (tmp_path / "index.noun").write_text(
        head + "dog n 1 1 @ 1 1 00000100\nhound n 1 1 @ 1 1 00000100\nrun n 1 0 1 1 00000200\n"
    )
    (tmp_path / "data.verb").write_text("00000300 38 v 02 run 0 sprint 0 000 | move fast\n")
    (tmp_path / "index.verb").write_text("run v 1 0 1 1 00000300\n")
    for part in ("adj", "adv"):
        (tmp_path / f"data.{part}").write_text(head)
        (tmp_path / f"index.{part}").write_text(head)
    monkeypatch.setenv("WORDNET", str(tmp_path))
    return tmp_path


def test_every_named_operation_is_there():
    assert set(text.CHANGES) == set(names("text"))


def test_synonyms_are_single_words_of_one_part_of_speech(small):
    assert wordnet.synonyms(small) == {"dog": ("hound",), "hound": ("dog",)}
    assert text.changed("my dog can run", "synonym", 0.1, 0) == "my hound can run"


@pytest.mark.skipif(
    wordnet.folder() is None, reason="WordNet's files are not installed (Debian: wordnet-base)"
)
def test_the_real_files():
    found = wordnet.synonyms(wordnet.folder())
    assert len(found) > 30_000 and "automobile" in found["car"]


@given(st.text(max_size=60), st.sampled_from(sorted(text.CHANGES)), st.floats(0.01, 0.9), st.integers(0, 99))
def test_any_text_in_a_text_out_and_the_same_again(source, name, rate, seed):
    changed = text.changed(source, name, rate, seed)
    assert changed == text.changed(source, name, rate, seed)
    assert bool(text.tokens(changed)) == bool(text.tokens(source)) or name == "typo"


@pytest.mark.parametrize("name", sorted(text.CHANGES))
def test_something_changes_and_negations_stay(name, nowhere):
    for seed in range(30):
        changed = text.changed(SENTENCE, name, 0.3, seed)
        assert "not" in changed.split()
        assert name == "swap" or changed != SENTENCE


@pytest.mark.parametrize("name", sorted(text.CHANGES))
def test_words_that_are_named_stay_as_well(name, nowhere):
    source = "Der Film ist nicht gut und Nie spannend gewesen"
    touched = 0
    for seed in range(30):
        changed = text.changed(source, name, 0.4, seed, guard=["nicht", "nie"])
        assert {"nicht", "Nie"} <= set(changed.split())
        touched += "nicht" not in text.changed(source, name, 0.4, seed).split()
    assert touched or name in ("insert", "swap")


def test_counts_of_words():
    n = len(SENTENCE.split())
    deleted = [len(text.changed(SENTENCE, "delete", 0.2, s).split()) for s in range(200)]
    assert np.mean(deleted) == pytest.approx(0.8 * n, abs=0.2)
    swapped = text.changed(SENTENCE, "swap", 0.2, 1)
    assert sorted(swapped.split()) == sorted(SENTENCE.split()) and swapped != SENTENCE
    assert text.changed("good", "delete", 0.9, 0) == "good"


def test_without_wordnet_synonyms_fall_back_to_letters(nowhere):
    changed = text.changed(SENTENCE, "synonym", 0.2, 0)
    assert len(changed.split()) >= len(SENTENCE.split()) - 2 and changed != SENTENCE

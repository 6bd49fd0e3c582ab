"""Text: words replaced, inserted, deleted, swapped (Wei & Zou 2019), characters mistyped; strings in and out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

import numpy as np

from jointset.augment import wordnet

TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
GUARDED = frozenset(
    """not no never none nobody nothing neither nor nowhere cannot without hardly barely scarcely n't isn't aren't
    wasn't weren't don't doesn't didn't won't wouldn't can't couldn't shouldn't haven't hasn't hadn't ain't""".split()  # noqa: SIM905
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"

Free = Callable[[str], bool]  # whether a word may be touched
Change = Callable[[list[str], float, np.random.Generator, Free], list[str]]


def tokens(text: str) -> list[str]:
    """Words and marks of a text.

    >>> tokens("Isn't it good?")
    ["Isn't", 'it', 'good', '?']
    """
    return TOKEN.findall(text)


def changed(text: str, name: str, rate: float, seed: int | list[int], *, guard: Collection[str] = ()) -> str:
    """A text after one operation of strength ``rate``; the same seed gives the same text.

    At least one word changes where the text has one that may. English negations, and the words of ``guard``, are never
    deleted, swapped or replaced, whatever their case: with them goes what the text says.

    >>> changed("this is a very good book", "delete", 0.2, seed=1)
    'this is a very book'
    >>> changed("it is not good", "delete", 0.9, seed=0)
    'not'
    >>> changed("es ist nicht gut", "delete", 0.9, seed=0, guard=["nicht"])
    'nicht'
    """
    words = tokens(text)
    if not words:
        return text
    guarded = GUARDED.union(w.lower() for w in guard)
    return " ".join(
        CHANGES[name](words, rate, np.random.default_rng(seed), lambda w: w.lower() not in guarded)
    )


def _places(words: list[str], rate: float, rng: np.random.Generator, may: Callable[[str], bool]) -> list[int]:
    """Places of the words to change: as many as the rate says, at least one."""
    able = [i for i, w in enumerate(words) if may(w)]
    count = min(max(1, int(rate * len(words) + rng.random())), len(able))
    return sorted(int(i) for i in rng.choice(able, count, replace=False)) if count else []


def synonym(words: list[str], rate: float, rng: np.random.Generator, free: Free) -> list[str]:
    """Words replaced by another word of their commonest sense in WordNet; without WordNet, letters are mistyped."""
    table = _table()
    if table is None:
        return typo(words, rate / 5, rng, free)
    found = list(words)
    for i in _places(words, rate, rng, lambda w: free(w) and w.lower() in table):
        options = table[words[i].lower()]
        found[i] = options[int(rng.integers(len(options)))]
    return found


def insert(words: list[str], rate: float, rng: np.random.Generator, free: Free) -> list[str]:
    """Synonyms of the text's words (without WordNet, its own words again) put in at random."""
    table, found = _table(), list(words)
    for i in _places(words, rate, rng, lambda w: free(w) and (table is None or w.lower() in table)):
        options = (words[i],) if table is None else table[words[i].lower()]
        found.insert(int(rng.integers(len(found) + 1)), options[int(rng.integers(len(options)))])
    return found


def delete(words: list[str], rate: float, rng: np.random.Generator, free: Free) -> list[str]:
    """Words taken out; one is always left."""
    gone = set(_places(words, rate, rng, free))
    kept = [w for i, w in enumerate(words) if i not in gone]
    return kept or [words[int(rng.integers(len(words)))]]


def swap(words: list[str], rate: float, rng: np.random.Generator, free: Free) -> list[str]:
    """Pairs of words that change places."""
    found = list(words)
    able = [i for i, w in enumerate(words) if free(w)]
    if len(able) < 2:
        return found
    for _ in range(max(1, int(rate * len(words) + rng.random()))):
        i, j = rng.choice(able, 2, replace=False)
        found[i], found[j] = found[j], found[i]
    return found


def typo(words: list[str], rate: float, rng: np.random.Generator, free: Free) -> list[str]:
    """Characters replaced, dropped, doubled, or swapped with their neighbour."""
    found = list(words)
    lengths = np.array([len(w) if free(w) else 0 for w in words])
    total = int(lengths.sum())
    if not total:
        return found
    for _ in range(max(1, int(rate * total + rng.random()))):
        i = int(rng.choice(len(words), p=lengths / total))
        found[i] = _mistyped(found[i], rng)
    return found


def _mistyped(word: str, rng: np.random.Generator) -> str:
    if not word:
        return word
    at, way = int(rng.integers(len(word))), int(rng.integers(4))
    letter = LETTERS[int(rng.integers(26))]
    if way == 0:
        return word[:at] + letter + word[at + 1 :]
    if way == 1 and len(word) > 1:
        return word[:at] + word[at + 1 :]
    if way == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]


def _table() -> Mapping[str, tuple[str, ...]] | None:
    path = wordnet.folder()
    return None if path is None else wordnet.synonyms(path)


CHANGES: dict[str, Change] = {
    "synonym": synonym,
    "insert": insert,
    "delete": delete,
    "swap": swap,
    "typo": typo,
}

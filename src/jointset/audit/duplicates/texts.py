"""Near-copies of texts: MinHash and locality-sensitive hashing, then the exact resemblance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.audit.duplicates.base import Pairs, distinct, together
from jointset.data import hashing
from jointset.errors import ArrayError
from jointset.records import Floats, Ints

HASHES = 80
PRIME = np.uint64((1 << 61) - 1)
CHUNK = 2_000_000  # shingles hashed at a time
WORD = re.compile(r"\w+")


def near_texts(texts: Sequence[Any], *, threshold: float = 0.8, shingle: int = 2, seed: int = 0) -> Pairs:
    """Pairs of texts whose sets of word ``shingle``-grams have a Jaccard resemblance of at least ``threshold``.

    Candidates come from MinHash signatures (Broder 1997) of 80 values in bands (Leskovec, Rajaraman and Ullman 2020,
    section 3.4), as many as find a pair at the threshold with a probability of 0.99 or more; then the resemblance of
    each is counted exactly. Case and punctuation do not count; texts that are equal without them have resemblance 1.
    Texts without words resemble nothing. Raises ``ArrayError`` for a threshold outside (0, 1].

    >>> near_texts(["A good, good book.", "a good good book", "something else"]).to_pandas().values.tolist()
    [[0.0, 1.0, 1.0]]
    """
    if not 0 < threshold <= 1:
        raise ArrayError(f"threshold must be above 0 and at most 1, found {threshold}")
    start, values = shingles(texts, shingle)
    filled = np.flatnonzero(np.diff(start))
    if len(filled) < 2:
        return Pairs.empty()
    # equal sets are one text from here on: many copies would fill the buckets
    sums = np.add.reduceat(hashing.mix(values), start[filled])
    _, head, kind = np.unique(sums, return_index=True, return_inverse=True)
    signature = _signatures(start, values, filled[head], seed)
    a, b = _candidates(signature, threshold)
    likeness = resemblance(start, values, filled[head][a], filled[head][b])
    near = likeness >= threshold
    return _spread(kind, head, filled, a[near], b[near], likeness[near])


def shingles(texts: Sequence[Any], size: int) -> tuple[Ints, NDArray[np.uint64]]:
    """Hashes of each text's distinct shingles: those of text i are ``values[start[i]:start[i + 1]]``, ascending.

    >>> start, values = shingles(["a b c", ""], 2)
    >>> start.tolist()
    [0, 2, 2]
    """
    known: dict[str, int] = {}
    words, lengths = [], []
    for text in texts:
        found = WORD.findall("" if text is None else str(text).lower())
        lengths.append(len(found))
        words += [known.setdefault(w, len(known)) for w in found]
    table = np.array([int(hashing.hash_text(w)) for w in known] or [0], np.uint64)
    stream, n = (
        table[np.array(words, np.int64)] if words else np.empty(0, np.uint64),
        np.array(lengths, np.int64),
    )
    short = np.minimum(np.maximum(n, 1), size)  # a text of one word is a shingle of one word
    count = np.where(n > 0, n - short + 1, 0)
    first = np.repeat(np.cumsum(n) - n, count) + _place(count)
    width = np.repeat(short, count)
    out = np.zeros(int(count.sum()), np.uint64)
    for i in range(size):
        here = i < width
        out[here] = hashing.mix(out[here] ^ stream[first[here] + i])
    owner = np.repeat(np.arange(len(n)), count)
    order = np.lexsort((out, owner))
    out, owner = out[order], owner[order]
    new = np.ones(len(out), bool)
    new[1:] = (out[1:] != out[:-1]) | (owner[1:] != owner[:-1])
    start = np.concatenate([[0], np.cumsum(np.bincount(owner[new], minlength=len(n)))])
    return start.astype(np.int64), out[new]


def _place(count: Ints) -> Ints:
    ends = np.cumsum(count)
    return np.arange(int(count.sum())) - np.repeat(ends - count, count)


def _signatures(start: Ints, values: NDArray[np.uint64], rows: Ints, seed: int) -> NDArray[np.uint32]:
    """MinHash signatures ``(m, HASHES)`` of the rows."""
    rng = np.random.default_rng(seed)
    a = rng.integers(1, 1 << 31, HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    out = np.empty((len(rows), HASHES), np.uint32)
    sizes = np.diff(start)[rows]
    piece = (np.cumsum(sizes) - sizes) // CHUNK
    for p in np.unique(piece):
        mine = np.flatnonzero(piece == p)
        index = np.repeat(start[rows[mine]], sizes[mine]) + _place(sizes[mine])
        block, edges = values[index], np.cumsum(sizes[mine]) - sizes[mine]
        for k in range(HASHES):  # multiply-shift hashing (Dietzfelbinger et al. 1997)
            out[mine, k] = np.minimum.reduceat(((block * a[k]) >> np.uint64(32)).astype(np.uint32), edges)
    return out


def _rows_of_a_band(threshold: float) -> int:
    """The longest bands that still find a pair at the threshold with a probability of 0.99."""
    for r in range(10, 0, -1):
        if 1 - (1 - threshold**r) ** (HASHES // r) >= 0.99:
            return r
    return 1


def _candidates(signature: NDArray[np.uint32], threshold: float) -> tuple[Ints, Ints]:
    r = _rows_of_a_band(threshold)
    left: list[Ints] = [np.empty(0, np.int64)]
    right: list[Ints] = [np.empty(0, np.int64)]
    for band in range(HASHES // r):
        part = signature[:, band * r : (band + 1) * r].astype(np.uint64)
        a, b = together(hashing.combine([part[:, i] for i in range(r)]))
        left.append(a)
        right.append(b)
    return distinct(np.concatenate(left), np.concatenate(right))


def resemblance(start: Ints, values: NDArray[np.uint64], a: Ints, b: Ints) -> Floats:
    """Jaccard resemblance of the shingle sets of rows ``a`` and ``b``, ``(m,)``.

    >>> start, values = shingles(["a b c", "a b d"], 1)
    >>> float(resemblance(start, values, np.array([0]), np.array([1]))[0])
    0.5
    """
    n = np.diff(start)
    out = np.empty(len(a))
    for k, (i, j) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        x, y = values[start[i] : start[i + 1]], values[start[j] : start[j + 1]]
        both = len(np.intersect1d(x, y, assume_unique=True))
        out[k] = both / max(n[i] + n[j] - both, 1)
    return out


def _spread(kind: Ints, head: Ints, filled: Ints, a: Ints, b: Ints, likeness: Floats) -> Pairs:
    """Pairs of rows out of pairs of kinds: every row with the first of its kind, and first rows with each other."""
    first = filled[head]
    again = np.flatnonzero(first[kind] != filled)
    return Pairs.of(
        np.concatenate([filled[again], first[a]]),
        np.concatenate([first[kind[again]], first[b]]),
        np.concatenate([np.ones(len(again)), likeness]),
    )

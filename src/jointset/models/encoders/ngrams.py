"""Text to hashed n-grams: rows of strings in, ragged arrays of ids and counts out; NumPy and Arrow only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jointset.errors import ArrayError, DataError

SPACE, WORD, SINGLE, APOSTROPHE = 0, 1, 2, 3

_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_INVERSE = pow(_BASE, -1, 1 << 64)
_UNSPACED = "".join(
    rf"\p{{{script}}}"
    for script in ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
)


@dataclass(frozen=True)
class Ragged:
    """Bucket ids with counts, row after row.

    ``offsets (n + 1,) int64``: row ``i`` owns ``ids[offsets[i]:offsets[i + 1]]``; ``ids (m,) int32`` in
    [0, 2**bits); ``counts (m,) float32``: how often the row has that id (1 everywhere for word sequences).
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int32]
    counts: NDArray[np.float32]


def hash_ngrams(
    texts: pa.Array | pa.ChunkedArray,
    *,
    words: int = 2,
    chars: tuple[int, int] | None = None,
    bits: int = 18,
    inside_words: bool = True,
    lower: bool = True,
    chunk: int = 1 << 18,
) -> Ragged:
    """Count the hashed word and character n-grams of every text.

    A word is a run of letters, digits, marks, underscores and inner apostrophes; a
    character of a script written without spaces, a punctuation mark and a symbol are words by themselves.
    Hashes are polynomial prefix hashes modulo 2^64, so that an n-gram costs one subtraction and one
    multiplication; they depend on nothing but the text: ids agree between datasets, runs and machines.

    Parameters
    ----------
    texts : (n,) strings; null and empty texts get no n-grams.
    words : longest word n-gram (2 = words and pairs of neighbours; 0 = none, with ``chars`` only).
    chars : shortest and longest character n-gram; None = none.
    bits : ids lie in [0, 2**bits), 1 to 31.
    inside_words : character n-grams stay inside a word, its ends marked, and have 3 characters or more; otherwise they
        run over the whole text, which suits formulas and codes such as SMILES.
    lower : text is lower-cased first.
    chunk : bytes of text worked on at a time; about 100 bytes of memory per byte of it.

    >>> bag = hash_ngrams(pa.array(["Good, good book", None, "book"]), words=1)
    >>> bag.offsets
    array([0, 3, 3, 4])
    >>> sorted(bag.counts[:3].tolist()), bool(bag.ids[3] in bag.ids[:3])
    ([1.0, 1.0, 2.0], True)
    """
    shortest = 3 if inside_words else 1
    fits = chars is None or shortest <= chars[0] <= chars[1]
    if words < (chars is None) or not 1 <= bits <= 31 or not fits:
        raise ArrayError(
            f"n-grams need words >= {int(chars is None)}, bits in 1 to 31 and chars from {shortest} up; "
            f"got {words}, {bits}, {chars}"
        )
    parts = []
    for piece in _pieces(texts, chunk):
        tokens = _tokens(piece, lower)
        grams = _word_grams(tokens, words)
        if chars is not None:
            grams += (_grams_in_words if inside_words else _grams_anywhere)(tokens, chars)
        rows, hashes = (np.concatenate([g[i] for g in grams]) for i in (0, 1))
        parts.append(_count((rows, hashes), len(piece), bits))
    return _join(parts)


def hash_words(texts: pa.Array | pa.ChunkedArray, *, bits: int = 15, chunk: int = 1 << 18) -> Ragged:
    """Hash the words of every text, in reading order and with repeats.

    Parameters as for :func:`hash_ngrams`; all counts are 1.

    >>> row = hash_words(pa.array(["so so good"]))
    >>> row.offsets.tolist(), bool(row.ids[0] == row.ids[1])
    ([0, 3], True)
    """
    parts = []
    for piece in _pieces(texts, chunk):
        tokens = _tokens(piece)
        ids = _bucket(tokens.hashes, bits)
        parts.append(Ragged(_offsets(tokens.rows, len(piece)), ids, np.ones(len(ids), np.float32)))
    return _join(parts)


def join_columns(table: pa.Table) -> pa.ChunkedArray:
    """The columns of a table as one column of text, a line each; null where all of them are.

    >>> join_columns(pa.table({"title": ["a", None], "body": ["b", None]})).to_pylist()
    ['a\\nb', None]
    """
    columns = [c.cast(pa.large_string()) for c in table.columns]
    if len(columns) == 1:
        return columns[0]
    whole = [c.combine_chunks() for c in columns]
    # Not null_handling="skip": pyarrow 26.0.1 then leaves out rows in which every column is null.
    line = pa.scalar("\n", pa.large_string())
    joined = pc.binary_join_element_wise(*(c.fill_null("") for c in whole), line)
    missing = np.logical_and.reduce([c.is_null().to_numpy(zero_copy_only=False) for c in whole])
    return pa.chunked_array([pc.if_else(pa.array(missing), pa.scalar(None, pa.large_string()), joined)])


def take_ragged(offsets: NDArray[Any], index: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets of the rows ``index`` put one after another, and the positions of their values.

    >>> take_ragged(np.array([0, 2, 5]), np.array([1, 0]))
    (array([0, 3, 5]), array([2, 3, 4, 0, 1]))
    """
    starts = np.asarray(offsets[index], np.int64)
    new = np.concatenate([np.zeros(1, np.int64), np.cumsum(offsets[index + 1] - starts)])
    return new, np.repeat(starts - new[:-1], np.diff(new)) + np.arange(new[-1])


def concat_ragged(
    parts: Sequence[Mapping[str, NDArray[Any]]], names: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Ragged arrays with ``offsets`` and the values ``names`` of several datasets as those of one.

    >>> part = {"offsets": np.array([0, 2]), "ids": np.array([7, 8])}
    >>> concat_ragged([part, part], ["ids"])["offsets"]
    array([0, 2, 4])
    """
    sizes = [np.zeros(1, np.int64), *(np.diff(p["offsets"]) for p in parts)]
    values = {name: np.concatenate([p[name] for p in parts]) for name in names}
    return {"offsets": np.cumsum(np.concatenate(sizes)), **values}


def prepared_rows(arrays: Mapping[str, NDArray[Any]]) -> int:
    """How many rows an encoder's prepared arrays have; ragged ones say so by their ``…offsets``.

    >>> prepared_rows({"words_offsets": np.array([0, 2, 5]), "words_ids": np.arange(5)})
    2
    """
    for name, values in arrays.items():
        if name.endswith("offsets"):
            return len(values) - 1
    return len(next(iter(arrays.values())))


def take_prepared(arrays: Mapping[str, NDArray[Any]], index: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The rows ``index`` of an encoder's prepared arrays.

    Values that ``NAME_offsets`` delimits are called ``NAME_…``; ``offsets`` alone delimits all others but
    ``readable``, which is by row.

    >>> take_prepared({"offsets": np.array([0, 2, 5]), "ids": np.arange(5)}, np.array([1]))["ids"]
    array([2, 3, 4])
    """
    found: dict[str, NDArray[Any]] = {}
    for name in (n for n in arrays if n.endswith("offsets")):
        prefix = name.removesuffix("offsets")
        found[name], positions = take_ragged(arrays[name], index)
        for other, values in arrays.items():
            if other.startswith(prefix) and other not in (name, "readable"):
                found[other] = np.asarray(values[positions])
    return {n: found[n] if n in found else np.asarray(v[index]) for n, v in arrays.items()}


@dataclass(frozen=True)
class _Tokens:
    """Words of one piece: ``codes`` and ``kind`` per character, ``rows`` and ``hashes`` per word."""

    codes: NDArray[np.uint32]  # (characters,)
    kind: NDArray[np.uint8]  # (characters,)
    lengths: NDArray[np.int64]  # (texts,) characters, with the added end
    rows: NDArray[np.int64]  # (words,)
    hashes: NDArray[np.uint64]  # (words,)


def _tokens(piece: pa.Array, lower: bool = True) -> _Tokens:
    codes, lengths = _codes(piece, lower)
    kind = _kinds()[codes]
    word = kind == WORD
    inner = np.flatnonzero(kind == APOSTROPHE)
    inside = word[np.maximum(inner - 1, 0)] & word[np.minimum(inner + 1, len(word) - 1)]
    word[inner[inside]] = True
    kind[inner] = np.where(inside, WORD, SINGLE)
    single = kind == SINGLE
    first, last = single | word, single | word
    first[1:] &= ~(word[1:] & word[:-1])
    last[:-1] &= ~(word[:-1] & word[1:])
    starts, ends = np.flatnonzero(first), np.flatnonzero(last) + 1
    rows = np.searchsorted(np.cumsum(lengths), starts, side="right")
    return _Tokens(codes, kind, lengths, rows, _hashes(_prefix(codes), starts, ends))


Grams = list[tuple[NDArray[Any], NDArray[Any]]]


def _word_grams(tokens: _Tokens, words: int) -> Grams:
    """Rows and 64-bit hashes of all word n-grams of one piece, in no particular order."""
    found: Grams = [(tokens.rows, tokens.hashes)] if words else []
    gram = tokens.hashes
    for n in range(2, words + 1):
        gram = _mix(gram[:-1] * np.uint64(_BASE) + tokens.hashes[n - 1 :])
        whole = tokens.rows[: -n + 1] == tokens.rows[n - 1 :]
        found.append((tokens.rows[: -n + 1][whole], gram[whole]))
    return found


def _grams_in_words(tokens: _Tokens, chars: tuple[int, int]) -> Grams:
    word = tokens.kind == WORD
    prefix = _prefix(np.where(word, tokens.codes, 0))
    count = np.concatenate([[0], np.cumsum(word)])
    ends = np.cumsum(tokens.lengths)
    found: Grams = []
    for n in range(chars[0], chars[1] + 1):
        # All but the outermost characters must belong to one word; the outermost may be its marked ends.
        starts = np.flatnonzero(count[n - 1 : -1] - count[1 : 1 - n] == n - 2)
        hashes = _mix(_hashes(prefix, starts, starts + n) + np.uint64(n))
        found.append((np.searchsorted(ends, starts + 1, side="right"), hashes))
    return found


def _grams_anywhere(tokens: _Tokens, chars: tuple[int, int]) -> Grams:
    prefix = _prefix(tokens.codes)
    row = np.repeat(np.arange(len(tokens.lengths)), tokens.lengths)
    inner = np.ones(len(row), bool)
    ends = np.cumsum(tokens.lengths)
    inner[ends - 1] = inner[ends - tokens.lengths] = False  # the spaces around each text
    found: Grams = []
    for n in range(chars[0], chars[1] + 1):
        last = slice(n - 1, None)
        starts = np.flatnonzero(
            (row[: len(row) - n + 1] == row[last]) & inner[: len(row) - n + 1] & inner[last]
        )
        found.append((row[starts], _mix(_hashes(prefix, starts, starts + n) + np.uint64(n))))
    return found


def _codes(piece: pa.Array, lower: bool) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Code points of all texts in one array, each text between spaces, and each text's length."""
    try:
        space, nothing = (pa.scalar(s, pa.large_string()) for s in (" ", ""))
        text = piece.fill_null("")
        text = pc.utf8_lower(text) if lower else text
        spaced = pc.binary_join_element_wise(space, text, space, nothing)
        lengths = pc.utf8_length(spaced).to_numpy(zero_copy_only=False).astype(np.int64)
        joined = _joined(spaced)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise DataError(f"a text is not valid UTF-8 ({error}): convert the file to UTF-8 first") from error
    return np.frombuffer(joined.encode("utf-32-le"), np.uint32), lengths


def _joined(texts: pa.Array) -> str:
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(texts.buffers()[2])[offsets[0] : offsets[-1]].tobytes().decode() if len(texts) else ""


def _pieces(texts: pa.Array | pa.ChunkedArray, chunk: int) -> Iterator[pa.Array]:
    """Runs of rows of at most ``chunk`` bytes of text, or of one row where that is longer."""
    for array in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        array = array.cast(pa.large_string())
        sizes = pc.binary_length(array).fill_null(0).to_numpy(zero_copy_only=False)
        ends = np.concatenate([[0], np.cumsum(sizes + 1)])
        start = 0
        while start < len(array):
            stop = max(int(np.searchsorted(ends, ends[start] + chunk, side="right")) - 1, start + 1)
            yield array.slice(start, stop - start)
            start = stop


def _join(parts: list[Ragged]) -> Ragged:
    sizes = np.concatenate([np.zeros(1, np.int64), *[np.diff(p.offsets) for p in parts]])
    ids = np.concatenate([np.empty(0, np.int32), *[p.ids for p in parts]])
    return Ragged(
        np.cumsum(sizes), ids, np.concatenate([np.empty(0, np.float32), *[p.counts for p in parts]])
    )


def _count(grams: tuple[NDArray[Any], NDArray[Any]], n: int, bits: int) -> Ragged:
    rows, hashes = grams
    keys = np.sort((rows.astype(np.uint64) << np.uint64(bits)) | _bucket(hashes, bits).astype(np.uint64))
    new = (
        np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        if len(keys)
        else np.empty(0, np.int64)
    )
    counts = np.diff(new, append=len(keys)).astype(np.float32)
    kept = keys[new]
    ids = (kept & np.uint64((1 << bits) - 1)).astype(np.int32)
    return Ragged(_offsets((kept >> np.uint64(bits)).astype(np.int64), n), ids, counts)


def _offsets(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(rows, minlength=n))])


def _prefix(codes: NDArray[Any]) -> NDArray[np.uint64]:
    """Prefix sums of the code points times powers of the base: the hash of [a, b) is a difference of two."""
    powers = _powers(_BASE, _ceil(len(codes)))[: len(codes)]
    values = (codes.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
    values ^= values >> np.uint64(32)
    values *= powers
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(values)])


def _hashes(prefix: NDArray[np.uint64], starts: NDArray[Any], ends: NDArray[Any]) -> NDArray[np.uint64]:
    return _mix((prefix[ends] - prefix[starts]) * _powers(_INVERSE, _ceil(len(prefix)))[starts])


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a polynomial hash alone has weak low bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _bucket(hashes: NDArray[np.uint64], bits: int) -> NDArray[np.int32]:
    return (hashes >> np.uint64(64 - bits)).astype(np.int32)


def _ceil(n: int) -> int:
    return 1 << max(n - 1, 1).bit_length()


@lru_cache(maxsize=4)
def _powers(base: int, n: int) -> NDArray[np.uint64]:
    powers = np.full(n, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.uint8]:
    """The kind of every code point: space, word, single or apostrophe."""
    points = np.concatenate([np.arange(0xD800), np.arange(0xE000, 0x110000)]).astype(np.uint32)
    characters = pa.array(points.view("<U1"))
    kinds = np.full(0x110000, SPACE, np.uint8)
    for kind, pattern in (
        (WORD, r"[\pL\pM\pN_]"),
        (SINGLE, rf"[\pP\pS{_UNSPACED}]"),
        (APOSTROPHE, "['’]"),
    ):
        found = pc.match_substring_regex(characters, pattern).to_numpy(zero_copy_only=False)
        kinds[points[found]] = kind
    kinds[ord("_")] = WORD
    return kinds

"""Content hashes of Arrow columns, row by row: 64 bits, vectorised, the same on every machine.

Numbers hash by value (an integer stored as int8, int64 or as a float without fraction is one value), text and
bytes by blake2b of their UTF-8 form, null and NaN alike as "missing". So a table hashes alike whether it came
from CSV or from Parquet, as long as the values are the same."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

MISSING = np.uint64(0x9E6C63D0876A3F6B)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_CHUNK = 1 << 22  # values of nested columns that are hashed at once: bounds the memory of image columns


def mix(values: Hashes) -> Hashes:
    """Scramble 64-bit values (the finaliser of splitmix64; a bijection).

    >>> int(mix(np.array([1], np.uint64))[0]) == int(mix(np.array([1], np.uint64))[0])
    True
    """
    x = values + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hash_text(text: str | bytes) -> np.uint64:
    """The hash of one text or byte string.

    >>> bool(hash_text("a") == hash_text(b"a"))
    True
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return np.uint64(int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little"))


def hash_column(column: pa.ChunkedArray | pa.Array) -> Hashes:
    """Hash every value of a column, ``(n,) uint64``; null and NaN give :data:`MISSING`.

    >>> a = hash_column(pa.array([1, None, 3], pa.int8()))
    >>> b = hash_column(pa.array([1.0, float("nan"), 3.0]))
    >>> bool((a == b).all())
    True
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [_hash_array(chunk) for chunk in chunks]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def hash_rows(table: pa.Table, *, by_position: bool = False) -> Hashes:
    """Hash every row over all columns, ``(n,) uint64``.

    Columns are told apart by name, in any order, or with ``by_position`` by their order alone.

    >>> t = pa.table({"a": [1, 1], "b": ["x", "x"]})
    >>> h = hash_rows(t)
    >>> bool(h[0] == h[1]), bool((hash_rows(t.select(["b", "a"])) == h).all())
    (True, True)
    """
    total = np.zeros(table.num_rows, np.uint64)
    for i, name in enumerate(table.column_names):
        salt = mix(np.array([i], np.uint64)) if by_position else mix(np.array([hash_text(name)], np.uint64))
        total += mix(hash_column(table.column(i)) + salt)
    return mix(total)


def combine(parts: Sequence[Hashes]) -> Hashes:
    """One hash out of several per row, in order.

    >>> a, b = np.array([1], np.uint64), np.array([2], np.uint64)
    >>> bool(combine([a, b])[0] != combine([b, a])[0])
    True
    """
    total = np.zeros(len(parts[0]), np.uint64)
    for part in parts:
        total = mix(total ^ part)
    return total


def hex_ids(hashes: Hashes) -> NDArray[np.object_]:
    """Row ids out of row hashes, ``(n,)`` unique strings: 16 hex digits, ``-k`` added to the k-th exact
    repeat.

    >>> list(hex_ids(np.array([255, 255, 1], np.uint64)))
    ['00000000000000ff', '00000000000000ff-1', '0000000000000001']
    """
    text = hashes.astype(">u8").tobytes().hex()
    ids = np.array([text[i : i + 16] for i in range(0, len(text), 16)], dtype=object)
    times = occurrence(hashes)
    again = np.flatnonzero(times)
    ids[again] = [f"{ids[i]}-{times[i]}" for i in again]
    return ids


def occurrence(values: NDArray[Any]) -> NDArray[np.int64]:
    """How many equal values stand before each, ``(n,)``.

    >>> occurrence(np.array([7, 8, 7, 7])).tolist()
    [0, 0, 1, 2]
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.ones(len(values), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    start = np.maximum.accumulate(np.where(first, np.arange(len(values)), 0))
    times = np.empty(len(values), np.int64)
    times[order] = np.arange(len(values)) - start
    return times


def _hash_array(array: pa.Array) -> Hashes:
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _hash_array(array.storage)
    if pa.types.is_null(kind):
        return np.full(len(array), MISSING)
    if pa.types.is_dictionary(kind):
        return _through_dictionary(array)
    if pa.types.is_struct(kind):
        return _masked(_hash_struct(array), array)
    if pa.types.is_fixed_size_list(kind):
        return _masked(_hash_fixed_lists(array), array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _masked(_hash_lists(array), array)
    if pa.types.is_floating(kind):
        return _masked(_hash_floats(array), array)
    if pa.types.is_uint64(kind):
        return _masked(mix(np.asarray(array.fill_null(0)).astype(np.uint64)), array)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _masked(mix(np.asarray(array.cast(pa.int64()).fill_null(0)).view(np.uint64)), array)
    if pa.types.is_temporal(kind):
        return _masked(_hash_times(array), array)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _masked(_hash_bytes(array), array)
    return _through_dictionary(_as_text(array).dictionary_encode())


def _hash_bytes(array: pa.Array) -> Hashes:
    """One value at a time: pictures and sounds rarely repeat, and a dictionary would hold all of them again."""
    blake = hashlib.blake2b
    digests = b"".join([blake(v.as_py() or b"", digest_size=8).digest() for v in array])
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def _as_text(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array
    try:
        return array.cast(pa.large_string())
    except pa.ArrowException:
        return pa.array([None if v is None else repr(v) for v in array.to_pylist()], pa.large_string())


def _masked(hashes: Hashes, array: pa.Array) -> Hashes:
    if array.null_count:
        hashes[np.asarray(array.is_null())] = MISSING
    return hashes


def _through_dictionary(array: pa.DictionaryArray) -> Hashes:
    values = array.dictionary
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = values.cast(pa.large_binary())
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        blake = hashlib.blake2b
        digests = b"".join([blake(v or b"", digest_size=8).digest() for v in values.to_pylist()])
        known = _masked(np.frombuffer(digests, "<u8").astype(np.uint64), values)
    else:
        known = _hash_array(values)
    hashes = np.append(known, MISSING)
    return hashes[np.asarray(pc.fill_null(array.indices.cast(pa.int64()), len(known)))]


def _hash_floats(array: pa.Array) -> Hashes:
    values = np.asarray(pc.fill_null(array.cast(pa.float64()), np.nan))
    nan = np.isnan(values)
    # whole numbers take the integer's hash: CSV and pandas turn integers with gaps into floats
    whole = (np.floor(values) == values) & (np.abs(values) < 2.0**63)
    as_int = np.where(whole, values, 0.0).astype(np.int64).view(np.uint64)
    hashes = mix(np.where(whole, as_int, values.view(np.uint64) ^ _GOLDEN))
    hashes[nan] = MISSING
    return hashes


def _hash_times(array: pa.Array) -> Hashes:
    kind = array.type
    if pa.types.is_timestamp(kind):
        array = array.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    elif pa.types.is_date64(kind):
        array = array.cast(pa.date32())
    elif pa.types.is_duration(kind):
        array = array.cast(pa.duration("us"), safe=False)
    width = pa.int32() if array.type.bit_width == 32 else pa.int64()
    try:
        whole = array.cast(width).cast(pa.int64())
    except pa.ArrowException:
        return _through_dictionary(_as_text(array).dictionary_encode())
    return mix(np.asarray(whole.fill_null(0)).view(np.uint64) ^ hash_text(type(array.type).__name__))


def _hash_struct(array: pa.StructArray) -> Hashes:
    names = [array.type.field(i).name for i in range(array.type.num_fields)]
    return hash_rows(pa.table(array.flatten(), names=[f"{i}.{name}" for i, name in enumerate(names)]))


def _hash_lists(array: pa.Array) -> Hashes:
    lengths = np.asarray(pc.fill_null(pc.list_value_length(array), 0)).astype(np.int64)
    piece = (np.cumsum(lengths) - lengths) // _CHUNK  # rows whose values are hashed together
    edges = [0, *(np.flatnonzero(np.diff(piece)) + 1).tolist(), len(array)]
    parts = [
        _reduce(_hash_array(array.slice(start, end - start).flatten()), lengths[start:end])
        for start, end in itertools.pairwise(edges)
    ]
    return np.concatenate(parts)


def _hash_fixed_lists(array: pa.FixedSizeListArray) -> Hashes:
    width = array.type.list_size
    step = max(1, _CHUNK // max(width, 1))
    parts = []
    for start in range(0, len(array), step):
        piece = array.slice(start, step)
        lengths = np.where(np.asarray(piece.is_null()), 0, width).astype(np.int64)
        parts.append(_reduce(_hash_array(piece.flatten()), lengths))
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _reduce(values: Hashes, lengths: NDArray[np.int64]) -> Hashes:
    """Hash of every run of ``lengths`` values, by value and place in the run."""
    ends = np.cumsum(lengths)
    place = np.arange(len(values)) - np.repeat(ends - lengths, lengths)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mix(values ^ mix(place.astype(np.uint64))))])
    return mix(sums[ends] - sums[ends - lengths] + mix(lengths.astype(np.uint64)))

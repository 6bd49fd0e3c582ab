"""Reading class labels, shared by binary and multiclass: values → names → codes, with every doubt asked about."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jointset.errors import DataError, nearest
from jointset.records import Ints, Task, name_of
from jointset.tasks.base import LabelOptions, LabelSource, some_label

if TYPE_CHECKING:
    import pyarrow as pa

MANY_NUMBERS = 1000


@dataclass(frozen=True)
class RawClasses:
    """Distinct values of one column: ``codes (n,)`` into ``names``, -1 = missing; ``numeric`` tells the raw type."""

    codes: Ints
    names: tuple[str, ...]
    numeric: bool


def read_values(column: pa.Array | pa.ChunkedArray, where: str) -> RawClasses:
    """Dictionary-encode a column of labels; null, NaN and '' are missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_nested(array.type) or pa.types.is_binary(array.type):
        raise DataError(
            f"{where}: labels are of type {array.type}; one class per row is needed, or kind: multilabel"
        )
    numeric = pa.types.is_floating(array.type) or pa.types.is_integer(array.type)
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    encoded = array if pa.types.is_dictionary(array.type) else pc.dictionary_encode(array)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    values = [("" if v is None else name_of(v)) for v in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return _merge(codes, values, numeric)


def _merge(codes: Ints, values: Sequence[str], numeric: bool) -> RawClasses:
    """Give equal names one code and the empty name none."""
    names = list(dict.fromkeys(v for v in values if v != ""))
    position = {v: i for i, v in enumerate(names)}
    lookup = np.array([position.get(v, -1) for v in values] + [-1], np.int64)
    return RawClasses(lookup[codes], tuple(names), numeric)


def encode_classes(
    name: str, sources: Sequence[LabelSource], options: LabelOptions, *, most: int | None = None
) -> tuple[tuple[str, ...], dict[str, Ints], tuple[str, ...]]:
    """Class names in code order, ``(n,)`` codes by dataset, and notes of what was done.

    ``most`` bounds the number of classes (2 for binary). Raises :class:`~jointset.errors.DataError` for the mistakes
    that labels usually hold: a single class, a class with one row, spellings that differ in case or spaces, an
    undeclared -1, numbers that are no classes, and datasets whose labels do not meet.
    """
    raw: dict[str, RawClasses] = {}
    notes: list[str] = []
    for source in sources:
        values = read_values(next(iter(source.columns.values())), f"task {name!r}, {source.where}")
        values = _without_sentinels(name, source, values, options, notes)
        _not_numbers(name, source, values)
        raw[source.dataset] = _mapped(name, source, values, notes)
    some_label(name, {d: int((r.codes >= 0).sum()) for d, r in raw.items()})
    if not options.classes:
        _meet(name, sources, raw)
    counts = _counts(raw)
    one_spelling(name, counts)
    classes = options.classes or _order(counts)
    position = {c: i for i, c in enumerate(classes)}
    labels: dict[str, Ints] = {}
    for dataset, r in raw.items():
        unknown = [c for c in r.names if c not in position]
        if unknown:
            raise DataError(
                f"task {name!r}, dataset {dataset!r}: value {unknown[0]!r} is not among classes"
                f"{nearest(unknown[0], classes)}; add it to classes, map it, or declare it missing"
            )
        lookup = np.array([position[c] for c in r.names] + [-1], np.int64)
        labels[dataset] = lookup[r.codes]
    _enough(name, classes, counts, most)
    return classes, labels, tuple(notes)


def read_known(task: Task, source: LabelSource) -> Ints:
    """Codes ``(n,)`` of one source under known classes; other values are missing."""
    values = read_values(next(iter(source.columns.values())), f"task {task.name!r}, {source.where}")
    mapping = {name_of(k): ("" if v is None else name_of(v)) for k, v in (source.mapping or {}).items()}
    sentinels = {name_of(m) for m in source.missing}
    position = {c: i for i, c in enumerate(task.classes)}
    targets = [mapping.get(n, "") if mapping else n for n in values.names]
    known = [
        -1 if n in sentinels else position.get(t, -1) for n, t in zip(values.names, targets, strict=True)
    ]
    return np.array([*known, -1], np.int64)[values.codes]


def _without_sentinels(
    name: str, source: LabelSource, values: RawClasses, options: LabelOptions, notes: list[str]
) -> RawClasses:
    sentinels = {name_of(m) for m in source.missing}
    names = np.array(values.names, object)
    hidden = np.isin(names, list(sentinels)) if len(names) else np.zeros(0, bool)
    keys = {name_of(k) for k in source.mapping or {}}
    if "-1" in values.names and "-1" not in sentinels | keys | set(options.classes):
        count = int((values.codes == values.names.index("-1")).sum())
        raise DataError(
            f"task {name!r}, {source.where}: {count} labels are -1, which may mean missing or a class; "
            f"say tasks.{name}.missing: -1, or name it in classes or map"
        )
    if not hidden.any():
        return values
    count = int(np.isin(values.codes, np.flatnonzero(hidden)).sum())
    notes.append(f"{source.dataset}: {count} labels equal to a declared sentinel are missing")
    return _merge(
        values.codes, ["" if h else str(n) for n, h in zip(names, hidden, strict=True)], values.numeric
    )


def _not_numbers(name: str, source: LabelSource, values: RawClasses) -> None:
    distinct, labelled = len(values.names), int((values.codes >= 0).sum())
    fractional = values.numeric and sum("." in n or "e" in n for n in values.names) > 20
    if values.numeric and not source.mapping and (fractional or distinct > MANY_NUMBERS) and labelled:
        raise DataError(
            f"task {name!r}, {source.where}: {distinct:,} distinct numbers in {labelled:,} labels are hardly classes; "
            "use kind: regression, or map values to classes"
        )


def _mapped(name: str, source: LabelSource, values: RawClasses, notes: list[str]) -> RawClasses:
    if not source.mapping:
        return values
    mapping = {name_of(k): ("" if v is None else name_of(v)) for k, v in source.mapping.items()}
    unmapped = [n for n in values.names if n not in mapping]
    if len(unmapped) == len(values.names):
        shown = ", ".join(map(repr, values.names[:5]))
        raise DataError(f"task {name!r}, {source.where}: no value is in map; the column holds {shown}")
    if unmapped:
        count = int(np.isin(values.codes, [values.names.index(n) for n in unmapped]).sum())
        notes.append(
            f"{source.dataset}: {count} labels without an entry in map are missing ({', '.join(unmapped[:5])})"
        )
    return _merge(values.codes, [mapping.get(n, "") for n in values.names], False)


def _meet(name: str, sources: Sequence[LabelSource], raw: Mapping[str, RawClasses]) -> None:
    """Datasets of one task must speak of the same classes."""
    targets: dict[str, dict[str, str]] = defaultdict(dict)
    for source in sources:
        for key, value in (source.mapping or {}).items():
            if value is not None:
                targets[name_of(key)][source.dataset] = name_of(value)
    for key, by_dataset in targets.items():
        if len(set(by_dataset.values())) > 1:
            shown = ", ".join(f"{d}: {v!r}" for d, v in by_dataset.items())
            raise DataError(
                f"task {name!r}: maps clash, value {key!r} becomes {shown}; "
                "mend the map, or name classes if both are meant"
            )
    filled = {d: r for d, r in raw.items() if r.names}
    first = next(iter(filled), "")
    for dataset, r in filled.items():
        if not set(r.names) & set(filled[first].names):
            kinds = {True: "numbers", False: "text"}
            reason = (
                f"label types differ ({kinds[filled[first].numeric]} in {first!r}, {kinds[r.numeric]} in {dataset!r})"
                if filled[first].numeric != r.numeric
                else f"{first!r} and {dataset!r} have no class in common"
            )
            raise DataError(
                f"task {name!r}: {reason}: {_few(filled[first].names)} and {_few(r.names)}; "
                "bring them together with map, or name all classes"
            )


def _counts(raw: Mapping[str, RawClasses]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for r in raw.values():
        found = np.bincount(r.codes[r.codes >= 0], minlength=len(r.names))
        counts.update({n: int(c) for n, c in zip(r.names, found, strict=True) if c})
    return counts


def one_spelling(name: str, counts: Mapping[str, int]) -> None:
    """Raise when class names differ only in case or spaces; ``counts`` are labels by class name."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for value in counts:
        spellings[" ".join(value.split()).casefold()].append(value)
    for variants in spellings.values():
        if len(variants) > 1:
            shown = ", ".join(f"{v!r} ({counts[v]})" for v in variants)
            raise DataError(
                f"task {name!r}: classes differ only in case or spaces: {shown}; join them with map"
            )


def _order(counts: Counter[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(counts, key=float))
    except ValueError:
        return tuple(sorted(counts))


def _enough(name: str, classes: Sequence[str], counts: Counter[str], most: int | None) -> None:
    present = [c for c in classes if counts.get(c, 0)]
    if len(present) < 2:
        raise DataError(
            f"task {name!r}: a single class, {_few(present)}, in {sum(counts.values())} labels; "
            "two are needed: check the column, map and missing"
        )
    if most is not None and len(classes) > most:
        raise DataError(
            f"task {name!r}: kind binary has two classes, found {len(classes)}: {_few(classes)}; use multiclass or map"
        )
    single = [c for c in classes if counts.get(c, 0) == 1]
    if single:
        raise DataError(
            f"task {name!r}: class {single[0]!r} has one row"
            f"{f' ({len(single)} such classes)' if len(single) > 1 else ''}, "
            "too few to train and to check; join it to another with map, or map it to null"
        )


def _few(names: Sequence[str], limit: int = 6) -> str:
    shown = ", ".join(map(repr, names[:limit]))
    return f"{{{shown}{', …' if len(names) > limit else ''}}}"

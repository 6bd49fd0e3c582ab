"""Attributions of one prediction: every word, column or region of a row with its signed contribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jointset.errors import DataError, nearest
from jointset.interpret.grams import by_word
from jointset.interpret.integrated_gradients import integrated_gradients
from jointset.interpret.occlusion import Score, occlusion
from jointset.interpret.target import Target
from jointset.interpret.units import Unit, hidden, units_of
from jointset.models.encoders.text_bag import TextBag
from jointset.records import Bools, Floats

if TYPE_CHECKING:
    import pyarrow as pa

    from jointset.models.saved import SavedModel

METHODS = ("occlusion", "integrated_gradients")


@dataclass(frozen=True)
class Attribution:
    """``contributions`` ``(units,)`` to ``value``, the target of the row.

    With integrated gradients they and ``rest`` (of missing values) add up to ``value`` − ``baseline``, but for ``gap``.
    Occlusion has no such law; ``baseline`` is then the value of an empty row, ``rest`` and ``gap`` are 0."""

    method: str
    target: Target
    units: tuple[Unit, ...]
    contributions: Floats
    value: float
    baseline: float
    rest: float
    gap: float


def attribute(
    saved: SavedModel,
    row: pa.Table,
    target: Target,
    *,
    dataset: str,
    method: str = "occlusion",
    root: Path | None = None,
) -> Attribution:
    """Attribute the target of one row, a table of length 1, to its parts; raises ``DataError`` for what has none."""
    if method not in METHODS:
        raise DataError(f"no method {method!r}{nearest(method, METHODS)}; one of {', '.join(METHODS)}")
    inputs = columns_of(saved, dataset)
    units = units_of(row, inputs)
    if not units:
        raise DataError(
            f"dataset {dataset!r}: the row has no word, column or image region that could be taken away"
        )
    score = scorer(saved, row, units, target, dataset=dataset, root=root)
    if method == "occlusion":
        found = occlusion(score, len(units))
        ends = score(np.array([[False] * len(units), [True] * len(units)]))
        return Attribution(method, target, tuple(units), found, float(ends[0]), float(ends[1]), 0.0, 0.0)
    read = saved.prepared(row, dataset, root)
    grads = integrated_gradients(
        saved.network.serving(target.task.name), read.batch(np.zeros(1, np.int64)), target
    )
    found = np.zeros(len(units))
    if "tabular" in inputs:
        by_column = _of_columns(read.states["tabular"], grads.numbers, grads.categories)
        for i, unit in enumerate(units):
            if unit.kind == "column":
                found[i] = by_column.get(unit.column, 0.0)
    words = [i for i, u in enumerate(units) if u.kind == "word"]
    if words and len(grads.grams):
        text, placed = _joined(row, inputs["text"], [units[i] for i in words])
        encoder: Any = read.encoders["text"]
        assert isinstance(encoder, TextBag)
        found[words] = by_word(encoder, read.states["text"], text, placed, grads.grams, grads.ids)
    value = float(score(np.zeros((1, len(units)), bool))[0])
    rest = grads.difference - grads.gap - float(found.sum())
    return Attribution(method, target, tuple(units), found, value, value - grads.difference, rest, grads.gap)


def columns_of(saved: SavedModel, dataset: str) -> dict[str, list[str]]:
    """Modality → input columns of a dataset."""
    return {m: [c] if isinstance(c, str) else list(c) for m, c in saved.inputs[dataset].items()}


def scorer(
    saved: SavedModel, row: pa.Table, units: Sequence[Unit], target: Target, *, dataset: str, root: Path | None = None,
    probability: bool = False,
) -> Score:  # fmt: skip
    """The target, or the class's probability, without some of the units: masks ``(m, units)`` → ``(m,)``."""

    def score(masks: Bools) -> Floats:
        table = hidden(row, units, masks, str(root) if root else None)
        outputs = saved.outputs(table, dataset=dataset, root=root)[target.task.name]
        if probability and target.task.classes:
            return np.asarray(outputs[:, target.index], np.float64)
        return target.of(outputs)

    return score


def _of_columns(state: Mapping[str, Any], numbers: Floats, categories: Floats) -> dict[str, float]:
    """Column → its share: numbers with their missing indicators, and embedded categories."""
    found, start, half = {}, 0, len(numbers) // 2
    for name, (mean, _) in state["numeric"].items():
        part = slice(start, start + len(mean))
        found[name] = float(numbers[:half][part].sum() + numbers[half:][part].sum())
        start += len(mean)
    for name, value in zip(state["categories"], categories, strict=False):
        found[name] = float(value)
    return found


def _joined(row: pa.Table, columns: Sequence[str], units: Sequence[Unit]) -> tuple[str, list[Unit]]:
    """The text as the encoder reads it, a line per column, and the words at their places in it."""
    lines, starts, length = [], {}, 0
    for column in columns:
        value = row.column(column)[0].as_py()
        if value is not None:
            lines.append(str(value))
            starts[column] = length
            length += len(lines[-1]) + 1
    placed = [
        Unit(u.kind, u.name, u.column, (u.span[0] + starts[u.column], u.span[1] + starts[u.column]))
        for u in units
    ]
    return "\n".join(lines), placed

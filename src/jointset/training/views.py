"""Changed copies of texts and sounds, prepared once: training shows a row, or one of its views."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jointset.augment import text, waves
from jointset.data import Pool
from jointset.data.media.sounds import waveforms
from jointset.models.encoders.base import Arrays, Encoder, State
from jointset.models.encoders.ngrams import join_columns, prepared_rows
from jointset.models.inputs import Inputs, input_table, kept_arrays, options_of
from jointset.operations import OPERATIONS, is_raw, modality_of
from jointset.records import Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Views:
    """The prepared rows of one modality followed by their views.

    ``place`` (V, N) is where a pool row's v-th view stands in ``arrays``, -1 = none; ``operation`` (V, N) is its
    operation's place in ``operations``; ``strength`` (V, N) what it was done with; ``start`` is the first view in
    ``arrays``. Rows that were added behind those of the pool have no views.
    """

    arrays: Arrays
    operations: tuple[str, ...]
    place: Ints
    operation: Ints
    strength: Floats
    start: int

    def having(self, rows: Ints) -> dict[str, NDArray[np.bool_]]:
        """Which of the rows ``(b,)`` have a view of each operation."""
        of_pool = rows < self.place.shape[1]
        at = np.where(of_pool, rows, 0)
        there = (self.place[:, at] >= 0) & of_pool
        return {o: ((self.operation[:, at] == i) & there).any(0) for i, o in enumerate(self.operations)}

    def chosen(self, rows: Ints, operation: Ints, rng: np.random.Generator) -> tuple[Ints, Floats]:
        """A random view of each row's ``operation`` (b,): its place in ``arrays`` and its strength; -1, 0 = none."""
        of_pool = rows < self.place.shape[1]
        rows = np.where(of_pool, rows, 0)
        fits = (
            (self.operation[:, rows] == operation) & (self.place[:, rows] >= 0) & (operation >= 0) & of_pool
        )
        draw = np.where(fits, rng.random(fits.shape), -1.0).argmax(0)
        some, at = fits.any(0), np.arange(len(rows))
        place = np.where(some, self.place[:, rows][draw, at], -1)
        return place, np.where(some, self.strength[:, rows][draw, at], 0.0)


def make_views(
    pool: Pool,
    inputs: Inputs,
    operations: Mapping[str, float],
    rows: Ints,
    *,
    number: int,
    seed: int,
    cache: Path | None = None,
    guard: Sequence[str] = (),
) -> dict[str, Views]:
    """``number`` views of the pool rows ``rows``, for every modality with raw ones among ``operations`` (magnitudes).

    Operations take turns over the views of a row, so that with enough views each is there. A view depends on the
    row's id, its number and ``seed`` alone. ``guard`` are words of texts that stay.
    """
    found = {}
    for modality, encoder in inputs.encoders.items():
        own = {o: m for o, m in operations.items() if is_raw(o) and modality_of(o) == modality}
        if own:
            found[modality] = _views(pool, inputs, modality, encoder, own, rows, number, seed, cache, guard)
    return found


def _views(
    pool: Pool, inputs: Inputs, modality: str, encoder: Encoder, own: Mapping[str, float], rows: Ints,
    number: int, seed: int, cache: Path | None, guard: Sequence[str],
) -> Views:  # fmt: skip
    names = tuple(own)
    able = rows[inputs.row[modality][rows] >= 0]
    rng = np.random.default_rng([seed, 5])
    operation = np.full((number, len(pool)), -1, np.int64)
    strength = np.zeros((number, len(pool)))
    turn = (rng.integers(0, len(names), len(able)) + np.arange(number)[:, None]) % len(names)
    operation[:, able] = turn
    signed = np.array([OPERATIONS[o].signed for o in names])[turn]
    sign = np.where(signed & (rng.random(turn.shape) < 0.5), -1.0, 1.0)
    strength[:, able] = sign * (1 - rng.random(turn.shape)) * np.array([own[o] for o in names])[turn]
    state = inputs.states[modality]

    def compute() -> dict[str, Any]:
        parts = [inputs.arrays[modality]]
        for v in range(number):
            for dataset in pool.datasets:
                part = pool.rows_of(dataset.name)
                at = able[(able >= part.start) & (able < part.stop)]
                if len(at):
                    table = input_table(dataset, modality).take(at - part.start)
                    done = [(names[operation[v, i]], float(strength[v, i])) for i in at]
                    seeds = [[seed, v, int(i)] for i in at]
                    made = changed_table(table, modality, encoder, state, done, seeds, guard)
                    parts.append(encoder.prepare(made, state))
        return encoder.concat(parts)

    facts: list[Any] = [
        encoder.name,
        options_of(encoder),
        state,
    ]
    facts += [dict(own), number, seed, [d.fingerprint for d in pool.datasets]]
    facts += [sorted(guard)] if guard else []
    facts.append(hashlib.sha256(able.tobytes()).hexdigest())
    arrays = kept_arrays(cache, f"views-{modality}", facts, compute)
    start = prepared_rows(inputs.arrays[modality])
    place = np.full((number, len(pool)), -1, np.int64)
    place[:, able] = start + np.arange(number * len(able)).reshape(number, len(able))
    return Views(arrays, names, place, operation, strength, start)


def changed_table(
    table: pa.Table,
    modality: str,
    encoder: Encoder,
    state: State,
    done: Sequence[tuple[str, float]],
    seeds: Sequence[list[int]],
    guard: Sequence[str] = (),
) -> pa.Table:
    """The rows of one modality, each after an operation (full name, strength) with a seed of its own."""
    import pyarrow as pa

    if modality == "text":
        texts = join_columns(table).to_pylist()
        found = [
            None if t is None else text.changed(t, o.partition(".")[2], abs(m), s, guard=guard)
            for t, (o, m), s in zip(texts, done, seeds, strict=True)
        ]
        return pa.table({table.column_names[0]: pa.array(found, pa.large_string())})
    rate = int(state["rate"])
    clips = []
    for samples, (o, m), s in zip(
        waveforms(table, rate, getattr(encoder, "seconds", 10.0)), done, seeds, strict=True
    ):
        clip = None if samples is None else waves.changed(samples, rate, o.partition(".")[2], m, s)
        clips.append(None if clip is None else {"array": clip, "sampling_rate": rate})
    kind = pa.struct([("array", pa.list_(pa.float32())), ("sampling_rate", pa.int64())])
    return pa.table({table.column_names[0]: pa.array(clips, kind)})

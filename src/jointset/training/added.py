"""Rows that were added to the data as recipes, made for training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from jointset.augment import Recipe, image, spectrum, tables
from jointset.data import Pool
from jointset.models.encoders.base import Arrays, Encoder
from jointset.models.encoders.ngrams import prepared_rows, take_prepared
from jointset.models.inputs import Inputs, input_table
from jointset.operations import is_raw, modality_of
from jointset.records import TRAIN, Bools, Edits, Ints, Task
from jointset.training.problem import Problem
from jointset.training.views import changed_table

if TYPE_CHECKING:
    import pyarrow as pa


def extended(
    problem: Problem, pool: Pool, added: Edits, *, fill: str = "zero", guard: Sequence[str] = ()
) -> Problem:
    """The problem with the rows of the recipes of ``added`` after those of the pool.

    A derived row has the labels of its source, as they stand now, of the tasks that the recipe names, with the edit's
    weight on top. It belongs to its source's dataset, and is trained on only where its source is.
    """
    if not len(added):
        return problem
    source = pool.positions(added.dataset, added.row)
    recipes = [Recipe.read(d, r, t) for d, r, t in zip(added.dataset, added.row, added.new, strict=True)]
    labels, weights = {}, {}
    for task in problem.tasks:
        y, w = problem.labels[task.name], problem.weights[task.name]
        own, carried = carried_labels(task, y[source], recipes)
        factor = (carried * added.weight).astype(np.float32)
        labels[task.name] = np.concatenate([y, own])
        weights[task.name] = np.concatenate([w, w[source] * (factor if w.ndim == 1 else factor[:, None])])
    return dataclasses.replace(
        problem,
        inputs=_inputs(problem.inputs, pool, source, recipes, fill, guard),
        labels=labels,
        weights=weights,
        dataset_of=np.concatenate([problem.dataset_of, problem.dataset_of[source]]),
        source=np.concatenate([problem.source, source]),
    )


def carried_labels(task: Task, labels: NDArray[Any], recipes: Sequence[Recipe]) -> tuple[NDArray[Any], Bools]:
    """The labels of derived rows, from their sources' (one for each recipe), and which of them the recipe carries."""
    own, carried = labels.copy(), np.array([task.name in r.tasks for r in recipes], bool)
    for i, recipe in enumerate(recipes):
        if recipe.labels and task.name in recipe.labels and task.classes and own.ndim == 1:
            own[i] = task.classes.index(recipe.labels[task.name])
    return own, carried


def _inputs(
    inputs: Inputs, pool: Pool, source: Ints, recipes: Sequence[Recipe], fill: str, guard: Sequence[str]
) -> Inputs:
    """Every modality's prepared rows, with those that a recipe changes behind them."""
    arrays: dict[str, Arrays] = {}
    row: dict[str, Ints] = {}
    for modality, encoder in inputs.encoders.items():
        own = inputs.row[modality]
        place = own[source].copy()
        there = [
            i
            for i, r in enumerate(recipes)
            if place[i] >= 0 and any(modality_of(o) == modality for o in r.operations)
        ]
        made = [_one(inputs, encoder, modality, pool, int(source[i]), recipes[i], fill, guard) for i in there]
        place[there] = prepared_rows(inputs.arrays[modality]) + np.arange(len(there))
        whole = inputs.arrays[modality]
        arrays[modality] = encoder.concat([whole, *made]) if made else whole
        row[modality] = np.concatenate([own, place])
    return Inputs(inputs.encoders, inputs.states, arrays, row)


def _one(
    inputs: Inputs, encoder: Encoder, modality: str, pool: Pool, position: int, recipe: Recipe, fill: str,
    guard: Sequence[str],
) -> Arrays:  # fmt: skip
    """The modality of a derived row that its recipe changes, as prepared arrays."""
    raw = raw_row(inputs, modality, pool, position, recipe, guard)
    if raw is not None:
        return encoder.prepare(raw, inputs.states[modality])
    return prepared_row(inputs, modality, pool, position, recipe, fill)


def raw_row(
    inputs: Inputs, modality: str, pool: Pool, position: int, recipe: Recipe, guard: Sequence[str]
) -> pa.Table | None:
    """The input columns of the row at ``position`` after the recipe's text or waveform operation; None without one."""
    raw = next((o for o in recipe.operations if modality_of(o) == modality and is_raw(o)), None)
    if raw is None:
        return None
    dataset = pool.datasets[int(pool.dataset_of[position])]
    at = position - pool.rows_of(dataset.name).start
    table = input_table(dataset, modality).slice(at, 1)
    done = [(raw, recipe.operations[raw])]
    return changed_table(
        table, modality, inputs.encoders[modality], inputs.states[modality], done, [[recipe.seed]], guard
    )


def prepared_row(
    inputs: Inputs, modality: str, pool: Pool, position: int, recipe: Recipe, fill: str
) -> Arrays:
    """The prepared arrays of the row at ``position`` after the recipe's operations on them."""
    own = {o: s for o, s in recipe.operations.items() if modality_of(o) == modality}
    plain = take_prepared(inputs.arrays[modality], np.array([inputs.row[modality][position]]))
    strength = {o.partition(".")[2]: np.array([s]) for o, s in own.items()}
    return _changed(modality, plain, strength, inputs, pool, recipe.seed, fill)


def _changed(
    modality: str,
    plain: Arrays,
    strength: Mapping[str, Any],
    inputs: Inputs,
    pool: Pool,
    seed: int,
    fill: str,
) -> Arrays:
    rng = np.random.default_rng(seed)
    if modality == "image":
        pixels = image.augmented(torch.from_numpy(plain["pixels"].copy()), strength, fill, rng)
        return {**plain, "pixels": pixels.round().to(torch.uint8).numpy()}
    if modality == "audio":
        mel = torch.from_numpy(plain["mel"].copy())[None]
        hidden = spectrum.masked(mel, torch.tensor([mel.shape[1]]), strength, rng)
        return {**plain, "mel": hidden[0].round().to(torch.uint8).numpy()}
    every = inputs.arrays["tabular"]
    other = _partner(inputs.row["tabular"], pool, rng)
    numbers, categories = tables.augmented(
        torch.from_numpy(plain["numbers"].copy()),
        torch.from_numpy(plain["categories"].astype(np.int64)),
        (
            torch.from_numpy(every["numbers"][[other]].copy()),
            torch.from_numpy(every["categories"][[other]].astype(np.int64)),
        ),
        strength,
        rng,
    )
    return {"numbers": numbers.numpy(), "categories": categories.numpy().astype(plain["categories"].dtype)}


def _partner(row: Ints, pool: Pool, rng: np.random.Generator) -> int:
    """The place among the prepared rows of a random training row; there is one, as a derived row has a source."""
    while True:
        at = int(rng.integers(len(pool)))
        if pool.split[at] == TRAIN and row[at] >= 0:
            return int(row[at])

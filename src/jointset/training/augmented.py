"""Batches as an augmentation policy changes them: inputs, which tasks learn from a row, and what becomes of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jointset.augment import Draws, Policy, image, mixing, spectrum, tables
from jointset.models.encoders.base import Arrays, Encoder
from jointset.models.encoders.ngrams import take_prepared
from jointset.models.inputs import Batch, Inputs
from jointset.operations import OPERATIONS, modality_of
from jointset.records import Bools, Floats, Ints
from jointset.training.mixup import Mixup
from jointset.training.views import Views

Known = Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Augmentation:
    """A policy, and the prepared views of texts and sounds that it needs, by modality."""

    policy: Policy
    views: Mapping[str, Views] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """What training sees of a batch; ``mixup`` is set where inputs of two rows were mixed."""

    batch: Batch
    draws: Draws = field(default_factory=lambda: Draws({}, {}))
    policy: Policy = field(default_factory=Policy)
    mixup: Mixup | None = None

    def labels(self, known: Known) -> dict[str, tuple[Tensor, Tensor]]:
        """Labels and weights as the operations leave them: masked where one does not keep the label, or carried."""
        found = {}
        for task, (y, w) in known.items():
            if task in self.draws.factor:
                factor = torch.from_numpy(self.draws.factor[task])
                w = w * (factor if w.ndim == 1 else factor[:, None])
            found[task] = (self._carried(task, y), w)
        return found

    def readable(self, labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Labels that other tasks may read of the changed rows: missing where an operation does not keep them."""
        found = {}
        for task, y in labels.items():
            y = self._carried(task, y)
            if task in self.draws.factor:
                gone = torch.from_numpy(self.draws.factor[task] == 0)
                gone = gone if y.ndim == 1 else gone[:, None]
                y = y.masked_fill(gone, torch.nan if y.is_floating_point() else -1)
            found[task] = y
        return found

    def untouched(self, task: str, rows: int) -> Tensor:
        """Rows ``(b,)`` whose label of the task is the given one still."""
        found = np.ones(rows, bool)
        if task in self.draws.factor:
            found &= self.draws.factor[task] > 0
        for operation in self.policy.rules.get(task, {}):
            found &= self.draws.strength.get(operation, np.zeros(rows)) == 0
        return torch.from_numpy(found)

    def _carried(self, task: str, y: Tensor) -> Tensor:
        for operation, rule in self.policy.rules.get(task, {}).items():
            strength = self.draws.strength.get(operation)
            if strength is not None and strength.any():
                if (
                    rule.classes and not OPERATIONS[operation].whole
                ):  # a turn of 12 degrees is one step, not 12
                    strength = np.sign(strength)
                y = torch.from_numpy(np.ascontiguousarray(rule.apply(y.numpy(), strength))).to(y.dtype)
        return y


def show(
    augmentation: Augmentation, inputs: Inputs, tasks: tuple[str, ...], rows: Ints, labelled: Bools,
    rng: np.random.Generator,
) -> Shown:  # fmt: skip
    """The rows ``(b,)`` as the policy changes them; ``labelled`` (b, T) says which tasks each is labelled for."""
    policy, views = augmentation.policy, augmentation.views
    able: dict[str, Bools] = {o: has for v in views.values() for o, has in v.having(rows).items()}
    for operation in policy.operations():
        row = inputs.row.get(modality_of(operation))
        if operation not in able and modality_of(operation) != "features":
            able[operation] = np.zeros(len(rows), bool) if row is None else row[rows] >= 0
    draws = policy.draw(tasks, labelled, rng, available=able)
    places, draws = _viewed(views, rows, draws, rng)
    batch: Batch = {}
    for modality, encoder in inputs.encoders.items():
        own = inputs.row[modality][rows]
        where = np.flatnonzero(own >= 0)
        if not len(where):
            continue
        if modality in places:
            tensors = _tensors(
                encoder, views[modality], places[modality][where], inputs.arrays[modality], own[where]
            )
        else:
            tensors = encoder.batch(inputs.arrays[modality], own[where])
        strength = {o: s[where] for o, s in draws.of(modality).items()}
        changed = _changed(modality, tensors, strength, policy, (inputs, rows), rng) if strength else tensors
        batch[modality] = (torch.from_numpy(where), changed)
    return _mixed(batch, draws, policy, rows, rng)


def _tensors(encoder: Encoder, views: Views, place: Ints, arrays: Arrays, own: Ints) -> dict[str, Tensor]:
    """The views at ``place`` (b,), and where that is -1 the rows themselves, at ``own`` in their ``arrays``."""
    added = (place < 0) & (own >= views.start)  # these alone are not among the views' arrays
    at = np.where(place >= 0, place, own)
    if not added.any():
        return encoder.batch(views.arrays, at)
    both = encoder.concat([take_prepared(views.arrays, at[~added]), take_prepared(arrays, at[added])])
    order = np.empty(len(at), np.int64)
    order[np.concatenate([np.flatnonzero(~added), np.flatnonzero(added)])] = np.arange(len(at))
    return encoder.batch(both, order)


def _viewed(
    views: Mapping[str, Views], rows: Ints, draws: Draws, rng: np.random.Generator
) -> tuple[dict[str, Ints], Draws]:
    """Places of the views that the draws ask for, and the draws with the strengths that those views have."""
    places, strength = {}, dict(draws.strength)
    for modality, own in views.items():
        wanted = np.full(len(rows), -1, np.int64)
        for i, operation in enumerate(own.operations):
            wanted[strength.get(operation, np.zeros(len(rows))) != 0] = i
        places[modality], made = own.chosen(rows, wanted, rng)
        for i, operation in enumerate(own.operations):
            strength[operation] = np.where(wanted == i, made, 0.0)
    return places, Draws(strength, draws.factor)


def _changed(
    modality: str, tensors: dict[str, Tensor], strength: Mapping[str, Floats], policy: Policy,
    pool: tuple[Inputs, Ints], rng: np.random.Generator,
) -> dict[str, Tensor]:  # fmt: skip
    if modality == "image" and "pixels" in tensors:
        return {**tensors, "pixels": image.augmented(tensors["pixels"], strength, policy.fill, rng)}
    if modality == "audio" and "mel" in tensors and any(m in strength for m in spectrum.MASKS):
        return {**tensors, "mel": spectrum.masked(tensors["mel"], tensors["lengths"], strength, rng)}
    if modality == "tabular" and any(c in strength for c in tables.CHANGES):
        inputs, rows = pool
        own = inputs.row["tabular"][rows]
        own = own[own >= 0]
        other = inputs.encoders["tabular"].batch(inputs.arrays["tabular"], rng.permutation(own))
        pair = (other["numbers"], other["categories"])
        numbers, categories = tables.augmented(tensors["numbers"], tensors["categories"], pair, strength, rng)
        return {**tensors, "numbers": numbers, "categories": categories}
    return tensors


def _mixed(batch: Batch, draws: Draws, policy: Policy, rows: Ints, rng: np.random.Generator) -> Shown:
    """Inputs of two rows in one, for batches whose rows all have the one modality that is mixed."""
    for modality, key in (("image", "pixels"), ("tabular", "numbers")):
        own = draws.of(modality)
        name = next((n for n in image.MIXED if n in own), None)
        if name is None or list(batch) != [modality] or len(rows) < 2:
            continue
        where, tensors = batch[modality]
        partner = rng.permutation(len(where))
        share = mixing.shares(own[name], rng)
        tensors = dict(tensors)
        if name == "cutmix":
            tensors[key], share = mixing.pasted(tensors[key], partner, share, rng)
        else:
            tensors[key] = mixing.mixed(tensors[key], partner, share)
            if "categories" in tensors:  # a category is one or the other
                other = rng.random((len(where), 1)) >= share[:, None]
                tensors["categories"] = torch.where(
                    torch.from_numpy(other),
                    tensors["categories"][torch.from_numpy(partner)],
                    tensors["categories"],
                )
        full_share, full_partner = np.ones(len(rows), np.float32), np.arange(len(rows))
        full_share[where.numpy()], full_partner[where.numpy()] = share, where.numpy()[partner]
        mixup = Mixup(torch.from_numpy(full_share), torch.from_numpy(full_partner), done=True)
        return Shown({modality: (where, tensors)}, draws, policy, mixup)
    return Shown(batch, draws, policy)


def labelled(known: Mapping[str, Any], tasks: tuple[str, ...], rows: Tensor) -> Bools:
    """Which of the rows ``(b,)`` are labelled for each task, ``(b, T)``; ``known[task]`` is ``(N,)`` or ``(N, K)``."""
    columns = [known[t][rows] for t in tasks]
    return np.stack([(c.any(1) if c.ndim == 2 else c).numpy() for c in columns], 1)

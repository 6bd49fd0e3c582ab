"""Add: further rows of rare classes, as recipes; training makes the rows out of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from jointset.augment.recipes import Recipe
from jointset.operations import OPERATIONS, modality_of
from jointset.records import Edits, Issues

COPIES = 2
HALF = 0.5  # of the weight of a given label: a derived row says less that is new


def synthesise(
    issues: Issues,
    *,
    operations: Mapping[str, float],
    kept: Mapping[str, tuple[str, ...]],
    modalities: Mapping[str, frozenset[str]],
    round: int,
    seed: int = 0,
    copies: int = COPIES,
) -> Edits:
    """Propose derived rows for ``tail_label`` issues, each by one operation that keeps the task's label.

    Parameters
    ----------
    operations : magnitudes by full name.
    kept : the tasks whose label an operation keeps, by operation; a derived row carries these labels only.
    modalities : of the inputs, by dataset.
    round, seed : the operation and the strength of a row's n-th copy depend on ``seed``, the row and n alone.
    copies : derived rows for each.

    A derived row changes no label, so no precision bounds it: the gate decides.
    """
    found = issues.take(issues.code == "tail_label")
    parts: list[list[object]] = []
    labels = dict.fromkeys(
        zip(found.dataset, found.row, found.task, strict=True)
    )  # a label set may be rare twice
    for dataset, row, task in labels:
        able = [o for o in operations if modality_of(o) in modalities[dataset] and task in kept.get(o, ())]
        for n in range(copies if able else 0):
            rng = np.random.default_rng(_number(seed, dataset, row, n))
            operation = able[int(rng.integers(len(able)))]
            sign = -1.0 if OPERATIONS[operation].signed and rng.random() < 0.5 else 1.0
            level = 1.0 if OPERATIONS[operation].switch else 1.0 - rng.random()
            size = level * operations[operation]
            strength = round_off(sign * (np.ceil(size) if OPERATIONS[operation].whole else size))
            recipe = Recipe(dataset, row, {operation: strength}, int(rng.integers(2**31)), kept[operation])
            parts.append([dataset, row, task, f"copy {n + 1}", recipe.text()])
    if not parts:
        return Edits.empty()
    dataset_, row_, task_, position, new = (np.array(c, object) for c in zip(*parts, strict=True))
    n = len(parts)
    return Edits(
        round=np.full(n, round, np.int64),
        dataset=dataset_,
        row=row_,
        task=task_,
        position=position,
        annotator=np.full(n, "", object),
        action=np.full(n, "add", object),
        old=np.full(n, "", object),
        new=new,
        weight=np.full(n, HALF),
        confidence=np.ones(n),
        expected_precision=np.ones(n),
        status=np.full(n, "proposed", object),
        reason=np.full(n, "tail_label", object),
    )


def round_off(strength: float) -> float:
    """Six digits: a recipe is read back as it was written."""
    return float(np.round(strength, 6))


def _number(seed: int, *parts: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr((seed, *parts)).encode(), digest_size=8).digest(), "big")

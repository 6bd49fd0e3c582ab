"""The labels that held-out rows are judged by: what people decided of them, else as given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.data.overlay import REVIEWED, Addresses, apply
from jointset.records import TRAIN, Bools, Edits, Ints, Task

COUNTS = ("confirmed", "corrected", "added", "removed")


@dataclass(frozen=True, eq=False)
class HeldOutLabels:
    """``labels[task]`` over all N rows, in the records' form; ``reviewed[task]`` ``(N,)``: a person gave this label.

    ``counts[task]`` says how many held-out labels people confirmed, corrected, added where none was given, and took
    away; entries of a multilabel row count one by one.
    """

    labels: Mapping[str, NDArray[Any]]
    reviewed: Mapping[str, Bools]
    counts: Mapping[str, Mapping[str, int]]


def held_out_labels(
    given: Mapping[str, NDArray[Any]],
    reviewed: Edits,
    tasks: Mapping[str, Task],
    rows: Addresses,
    split: Ints,
) -> HeldOutLabels:
    """``given`` with the decisions on held-out rows on top; decisions on training rows change nothing here.

    ``reviewed`` are what people decided, as edits (:meth:`~jointset.ledger.Ledger.reviewed`); ``split`` ``(N,)`` holds
    codes of ``records.SPLITS``.
    """
    place = rows.positions(reviewed.dataset, reviewed.row) if len(reviewed) else np.empty(0, np.int64)
    decided = reviewed.take(split[place] != TRAIN)
    if not len(decided):
        nobody = {n: np.zeros(len(split), bool) for n in given}
        return HeldOutLabels(given, nobody, {n: dict.fromkeys(COUNTS, 0) for n in given})
    overlay = apply(given, decided, tasks, rows)
    by_people = {n: overlay.source[n] == REVIEWED for n in given}
    labels, counts = {}, {}
    for name, old in given.items():
        new, own = overlay.labels[name].copy(), by_people[name]
        same = np.isclose(old, new, rtol=1e-5) if old.dtype.kind == "f" else old == new
        new[own & same] = old[own & same]  # a confirmed number keeps the digits that its name leaves out
        was = ~np.isnan(old) if old.dtype.kind == "f" else old >= 0
        gone = np.isnan(new) if old.dtype.kind == "f" else new < 0
        found = (own & same, own & was & ~same, own & ~was, was & gone)
        labels[name] = new
        counts[name] = {what: int(mask.sum()) for what, mask in zip(COUNTS, found, strict=True)}
    flat = {n: np.asarray(m.any(axis=1) if m.ndim == 2 else m) for n, m in by_people.items()}
    return HeldOutLabels(labels, flat, counts)

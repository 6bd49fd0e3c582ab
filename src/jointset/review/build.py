"""The queue out of a ledger: what a decision is worth, what was found on held-out rows, what is contradicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jointset.ledger import Ledger
from jointset.records import TRAIN, Bools, Floats, Ints
from jointset.report.edit_table import Coder, EditTable, read_edits
from jointset.report.rows import AllRows
from jointset.review.queue import CHECK, ISSUES, Queue, at_of


def build(ledger: Ledger, rows: AllRows) -> Queue:
    """The queue of a ledger, with everything that was decided so far."""
    edits = read_edits(ledger, rows)
    held = _held_out(ledger, rows)
    coders = {
        n: Coder(dict.fromkeys(edits.names[n]))
        for n in ("dataset", "task", "position", "action", "old", "new")
    }
    codes = {n: np.concatenate([edits.codes[n], coders[n].encode(held[n])]) for n in coders}
    n, m = len(edits), len(held["id"])
    fills = edits.is_("action", "fill")
    issue = np.concatenate([np.where(fills, 1, 0), [at_of(ISSUES, c) for c in held["code"]]]).astype(np.int8)
    issue[:n][_contradicted(ledger, rows, edits)] = ISSUES.index("contradiction")
    confidence = np.concatenate([edits.numbers["confidence"], np.array(held["confidence"], np.float32)])
    pa.default_memory_pool().release_unused()
    queue = Queue(
        rows=rows,
        key=np.concatenate([edits.id, -np.array(held["id"], np.int64)]),
        place=np.concatenate([edits.place, np.array(held["place"], np.int32)]),
        codes={name: _small(values) for name, values in codes.items()},
        names={name: list(c.code) for name, c in coders.items()},
        confidence=np.nan_to_num(confidence, nan=0.0),
        worth=np.concatenate([_worth(edits), _doubt(confidence[n:])]).astype(np.float32),
        round=np.concatenate([edits.round, np.array(held["round"], np.int16)]),
        status=np.concatenate([edits.status, np.zeros(m, np.int8)]),
        issue=issue,
        decided=np.zeros(n + m, np.int8),
        flagged=np.zeros(n + m, bool),
        reviewer=np.full(n + m, -1, np.int32),
        last_edit=int(edits.id[-1]) if n else 0,
    )
    queue.heed(ledger)
    return queue


def _small(codes: Ints) -> Ints:
    """Codes in as few bytes as they need."""
    return codes.astype(np.result_type(np.int8, np.min_scalar_type(int(codes.max(initial=0)))))


def _worth(edits: EditTable) -> Floats:
    """What a decision is worth: how much the edit changes × how doubtful it is.

    A label of a rare class counts more, by the square root of one over its share among the task's edits, as a class of
    few labels is moved more by each; a weight changes only what it takes away.
    """
    change = np.where(edits.is_("action", "weight"), 1.0 - edits.numbers["weight"], 1.0)
    change = np.where(edits.is_("action", "fill"), np.maximum(edits.numbers["weight"], 0.1), change)
    label = np.where(edits.is_("action", "drop"), edits.codes["old"], edits.codes["new"])
    kind = (
        edits.codes["task"].astype(np.int64) * (max(len(edits.names["old"]), len(edits.names["new"])) + 1)
        + label
    )
    rarity = np.ones(len(edits))
    if len(edits):
        _, inverse, count = np.unique(kind, return_inverse=True, return_counts=True)
        rarity = np.sqrt(len(edits) / count[inverse])
    return np.asarray(change * rarity * _doubt(edits.numbers["confidence"]))


def _doubt(confidence: Floats) -> Floats:
    """One at even odds, and never quite nothing: 4 c (1 − c), at least 0.02."""
    c = np.nan_to_num(confidence, nan=0.5)
    return np.asarray(np.maximum(4 * c * (1 - c), 0.02))


def _held_out(ledger: Ledger, rows: AllRows) -> dict[str, list[Any]]:
    """Findings of the last round on rows that are held out; nothing is proposed there, people may decide."""
    names = ("id", "code", "round", "dataset", "row", "task", "position", "old", "new", "confidence")
    found: dict[str, list[Any]] = {n: [] for n in (*names, "place", "action")}
    last = max(ledger.rounds(), default=0)
    at = _held_out_ids(ledger, rows, last)
    wanted = ("code", "round", "dataset", "row", "task", "position", "given", "suggested", "confidence")
    for chunk in ledger.scan(wanted, table="issue", round=last, ids=list(at)) if at else ():
        for made in chunk:
            if made[1] != "contradiction" and made[8]:
                for n, value in zip(names, made, strict=True):
                    found[n].append(value)
                found["place"].append(at[made[0]])
                found["action"].append(CHECK)
    return found


def _held_out_ids(ledger: Ledger, rows: AllRows, round: int) -> dict[int, int]:
    """Issue → place, of the issues of a round on rows that are held out; only ids and numbers are held at a time."""
    if all((d.split == TRAIN).all() for d in rows.datasets.values()):
        return {}
    coder, ids, codes, names = Coder(), [], [], []
    for chunk in ledger.scan(("dataset", "row"), table="issue", round=round):
        numbers, datasets, row_ids = zip(*chunk, strict=True)
        ids.append(np.array(numbers, np.int64))
        codes.append(coder.encode(datasets))
        names.append(pa.array(row_ids, pa.large_string()))
    if not ids:
        return {}
    number, code, name = np.concatenate(ids), np.concatenate(codes), pa.chunked_array(names)
    found: dict[int, int] = {}
    for dataset, i in coder.code.items():
        data, here = rows.datasets[dataset], code == i
        place = data.places(name.filter(pa.array(here)))
        held = (place >= 0) & (data.split[np.maximum(place - data.start, 0)] != TRAIN)
        found |= dict(zip(number[here][held].tolist(), place[held].tolist(), strict=True))
    return found


def _contradicted(ledger: Ledger, rows: AllRows, edits: EditTable) -> Bools:
    """Edits whose label another label of the row contradicts."""
    if not len(edits):
        return np.zeros(0, bool)
    found: dict[str, list[tuple[str, str, str]]] = {}
    for chunk in ledger.scan(("dataset", "row", "task", "position"), table="issue", code="contradiction"):
        for _, dataset, row, task, position in chunk:
            found.setdefault(dataset, []).append((row, task, position))
    numbers: list[NDArray[Any]] = []
    tasks, positions = len(edits.names["task"]), len(edits.names["position"])
    task_code = {n: i for i, n in enumerate(edits.names["task"])}
    position_code = {n: i for i, n in enumerate(edits.names["position"])}
    for name, made in found.items():
        place = rows.datasets[name].places(
            pa.chunked_array([pa.array([m[0] for m in made], pa.large_string())])
        )
        task = np.array([task_code.get(m[1], -1) for m in made])
        position = np.array([position_code.get(m[2], -1) for m in made])
        known = (place >= 0) & (task >= 0) & (position >= 0)
        numbers.append(((place * tasks + task) * positions + position)[known])
    return np.isin(edits.address(), np.concatenate(numbers)) if numbers else np.zeros(len(edits), bool)

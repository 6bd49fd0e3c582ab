"""The queue out of a ledger: what a decision is worth, what was found on held-out rows, what is contradicted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jointset.ledger import Ledger
from jointset.records import TRAIN, Bools, Floats, Ints
from jointset.report.edit_table import Coder, EditTable, read_edits
from jointset.report.rows import AllRows
from jointset.review.queue import ADD, CHECK, ISSUES, Queue, at_of
from jointset.rundir import read_json, write_json

FINDING = (
    "id",
    "code",
    "round",
    "dataset",
    "row",
    "task",
    "position",
    "old",
    "new",
    "confidence",
    "place",
    "action",
)
CHUNK = 20_000  # row ids that are looked up at a time, so that few live as Python objects


def build(ledger: Ledger, rows: AllRows, kept: Path | None = None) -> Queue:
    """The queue of a ledger, with everything that was decided so far; ``kept`` as for :func:`read_edits`."""
    rounds = ledger.rounds()  # first: what is recorded meanwhile is then news
    edits = read_edits(ledger, rows, kept)
    held = _held_out(ledger, rows, kept)
    coders = {
        n: Coder(dict.fromkeys(edits.names[n]))
        for n in ("dataset", "task", "position", "action", "old", "new")
    }
    codes = {n: np.concatenate([edits.codes[n], coders[n].encode(held[n])]) for n in coders}
    n, m = len(edits), len(held["id"])
    issue = np.concatenate([_issues(edits), [at_of(ISSUES, c) for c in held["code"]]]).astype(np.int8)
    of_labels = issue[:n] <= ISSUES.index("missing_label")
    issue[:n][of_labels & _contradicted(ledger, rows, edits)] = ISSUES.index("contradiction")
    confidence = np.concatenate([edits.numbers["confidence"], np.array(held["confidence"], np.float32)])
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
        right=np.full(n + m, -1, np.int8),
        reviewer=np.full(n + m, -1, np.int16),
        last_edit=int(edits.id[-1]) if n else 0,
        rounds=rounds,
    )
    queue.heed(ledger)
    return queue


def _issues(edits: EditTable) -> Ints:
    """What every edit was proposed for, codes of ``ISSUES``: its reason begins with it, else its action tells."""
    by_action = {"fill": "missing_label", "add": "tail_label"}
    actions = np.array([at_of(ISSUES, by_action.get(a, "label_error")) for a in edits.names["action"]] or [0])
    said = np.array([at_of(ISSUES, r.partition(";")[0]) for r in edits.names["reason"]] or [-1])
    told = said[edits.codes["reason"]]
    return np.where(told >= 0, told, actions[edits.codes["action"]])


def _small(codes: Ints) -> Ints:
    """Codes in as few bytes as they need."""
    return codes.astype(np.result_type(np.int8, np.min_scalar_type(int(codes.max(initial=0)))))


def _worth(edits: EditTable) -> Floats:
    """What a decision is worth: how much the edit changes × how doubtful it is.

    A label of a rare class counts more, by the square root of one over its share among the task's edits, as a class of
    few labels is moved more by each; a weight changes only what it takes away.
    """
    weight = edits.numbers["weight"]
    change = np.where(edits.is_("action", "weight"), 1 - weight, np.float32(1))
    change = np.where(edits.is_("action", "fill"), np.maximum(weight, np.float32(0.1)), change)
    derived = edits.is_("action", ADD)
    change = np.where(derived, weight, change)
    label = np.where(edits.is_("action", "drop") | derived, edits.codes["old"], edits.codes["new"])
    width = max(len(edits.names["old"]), len(edits.names["new"])) + 1
    kind = edits.codes["task"].astype(np.int32) * np.int32(width) + label
    count = np.bincount(kind) if len(kind) else np.ones(1)
    rarity = np.sqrt(len(edits) / np.maximum(count, 1)).astype(np.float32)
    return np.asarray(change * rarity[kind] * _doubt(edits.numbers["confidence"]))


def _doubt(confidence: Floats) -> Floats:
    """One at even odds, and never quite nothing: 4 c (1 − c), at least 0.02."""
    c = np.nan_to_num(confidence, nan=0.5)
    return np.asarray(np.maximum(4 * c * (1 - c), np.float32(0.02)))


def _held_out(ledger: Ledger, rows: AllRows, kept: Path | None) -> dict[str, list[Any]]:
    """Findings of the last round on rows that are held out; nothing is proposed there, people may decide."""
    last = max(ledger.rounds(), default=0)
    stamp = [2, last, ledger.last_issue(last), [[d.name, len(d)] for d in rows.datasets.values()]]
    file = kept.with_name("held-out.json") if kept else None
    if file is not None and file.is_file() and (known := read_json(file)).get("stamp") == stamp:
        return dict(known["found"])
    lines = sorted(_findings(ledger, rows, last))  # by the issue's id, as keys are searched for
    found = {n: [line[i] for line in lines] for i, n in enumerate(FINDING)}
    if file is not None:
        with contextlib.suppress(OSError):  # a folder that cannot be written to costs time at the next start
            write_json(file, {"stamp": stamp, "found": found})
    return found


def _findings(ledger: Ledger, rows: AllRows, round: int) -> Iterator[tuple[Any, ...]]:
    wanted = ("code", "round", "dataset", "row", "task", "position", "given", "suggested", "confidence")
    for name, data in rows.datasets.items():
        held = np.flatnonzero(data.split != TRAIN)
        for part in np.array_split(held, -(-len(held) // CHUNK)) if len(held) else ():
            at = {data.ids[i].as_py(): i + data.start for i in part.tolist()}
            for chunk in ledger.scan(wanted, table="issue", round=round, rows=(name, list(at))):
                yield from (
                    (*made, at[made[4]], CHECK) for made in chunk if made[1] != "contradiction" and made[8]
                )


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

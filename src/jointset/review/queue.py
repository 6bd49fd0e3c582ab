"""The queue: every edit, and every finding on a held-out row, as columns in memory.

A million are sorted, filtered and counted in a few milliseconds. What others decide arrives by the ledger's entries.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jointset.ledger import Ledger
from jointset.records import STATUSES, Bools, Floats, Ints
from jointset.report.edit_table import UNDONE, Coder
from jointset.report.rows import AllRows

DECIDED = ("open", "accept", "keep", "label", "none", "exclude")
ISSUES = ("label_error", "missing_label", "contradiction")
CHECK = "check"  # the action of a finding on a held-out row: there is no edit, only a question
_NONE = np.empty(0, np.int64)
ORDERS = ("worth", "doubt", "sure", "random", "row")


@dataclass(frozen=True)
class Filters:
    """What is shown; '' matches everything.

    ``low`` and ``high`` bound the confidence, in [0, 1]; ``old`` and ``new`` are the given and the suggested label.
    ``held_out`` chooses the queue of held-out rows instead of that of edits.
    """

    dataset: str = ""
    task: str = ""
    action: str = ""
    issue: str = ""
    status: str = ""
    decided: str = "open"
    old: str | None = None
    new: str | None = None
    round: int | None = None
    low: float = 0.0
    high: float = 1.0
    text: str = ""
    flagged: bool = False
    held_out: bool = False
    order: str = "worth"


@dataclass(eq=False)
class _Batch:
    """Decisions that were written together: the items they touch and what was decided of each."""

    items: Ints
    verbs: Ints
    reviewer: int


@dataclass(eq=False)
class Queue:
    """Columns ``(n,)`` over all items; ``key`` is the id of an edit, or minus that of a finding on a held-out row."""

    rows: AllRows
    key: Ints
    place: Ints
    codes: dict[str, Ints]
    names: dict[str, list[str]]
    confidence: Floats
    worth: Floats
    round: Ints
    status: Ints
    issue: Ints
    decided: Ints
    flagged: Bools
    reviewer: Ints
    entry: int = 0
    last_edit: int = 0
    reviewers: Coder = field(default_factory=Coder)
    batches: dict[int, _Batch] = field(default_factory=dict)
    recent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))

    def __post_init__(self) -> None:
        self._edits = int((self.key > 0).sum())
        by_place = np.argsort(self.place, kind="stable")
        positions = max(len(self.names["position"]), 1)
        self._widths = (max(len(self.names["task"]), 1) * positions, positions)
        address = (
            self.place * np.int64(self._widths[0])
            + self.codes["task"].astype(np.int64) * positions
            + self.codes["position"]
        )
        self._by_address = np.argsort(address, kind="stable").astype(np.int32)
        self._addresses = address[self._by_address]
        self._orders = {
            "worth": np.argsort(-self.worth, kind="stable"),
            "doubt": np.argsort(np.abs(self.confidence - 0.5), kind="stable"),
            "sure": np.argsort(-self.confidence, kind="stable"),
            "random": np.random.default_rng(0).permutation(len(self.key)),
            "row": by_place,
        }
        self._orders = {name: order.astype(np.int32) for name, order in self._orders.items()}
        self._held_out = self.key < 0
        self._found_text = lru_cache(maxsize=8)(self._search)

    def __len__(self) -> int:
        return len(self.key)

    def index(self, key: int) -> int:
        """Where an item is; -1 when there is none of this key."""
        start, keys = (0, self.key[: self._edits]) if key > 0 else (self._edits, -self.key[self._edits :])
        at = int(np.searchsorted(keys, abs(key)))
        return start + at if at < len(keys) and keys[at] == abs(key) else -1

    def name(self, column: str, index: int) -> str:
        """The value of a coded column."""
        return self.names[column][self.codes[column][index]]

    def mask(self, filters: Filters, *, without: str = "") -> Bools:
        """Which items match, ``(n,)``; ``without`` leaves one filter out, for the counts beside its choices."""
        found: Bools = self._held_out == filters.held_out
        for column in ("dataset", "task", "action"):
            value = getattr(filters, column)
            if value and column != without:
                found = found & self._is(column, value)
        if filters.issue and without != "issue":
            found = found & (self.issue == at_of(ISSUES, filters.issue))
        if filters.status and without != "status":
            found = found & (self.status == at_of(STATUSES, filters.status))
        if filters.decided and without != "decided":
            state = self.decided
            found = found & (
                (state > 0) if filters.decided == "done" else (state == at_of(DECIDED, filters.decided))
            )
        for column, value in (("old", filters.old), ("new", filters.new)):
            if value is not None and without != "pair":
                found = found & self._is(column, value)
        if filters.round is not None and without != "round":
            found = found & (self.round == filters.round)
        if filters.low > 0 or filters.high < 1:
            found = found & (self.confidence >= filters.low) & (self.confidence <= filters.high)
        if filters.flagged:
            found = found & self.flagged
        if filters.text:
            found = found & self._found_text(filters.text)
        return found

    def ordered(self, filters: Filters) -> Ints:
        """The matching items in order, ``(m,)``."""
        order = self._orders[filters.order if filters.order in ORDERS else "worth"]
        return order[self.mask(filters)[order]]

    def facets(self, filters: Filters) -> dict[str, list[tuple[str, int]]]:
        """Choice → number of items that match with all other filters, per filter; only choices that occur."""
        found: dict[str, list[tuple[str, int]]] = {}
        whole = self.mask(filters)
        for column in ("dataset", "task", "action"):
            mask = self.mask(filters, without=column) if getattr(filters, column) else whole
            found[column] = _counted(self.codes[column][mask], self.names[column])
        for name, values, names in (
            ("issue", self.issue, ISSUES),
            ("status", self.status, STATUSES),
            ("decided", self.decided, DECIDED),
        ):
            mask = self.mask(filters, without=name) if getattr(filters, name) else whole
            found[name] = _counted(values[mask], names)
        mask = self.mask(filters, without="round") if filters.round is not None else whole
        rounds = self.round[mask]
        found["round"] = _counted(rounds, [str(i) for i in range(int(rounds.max(initial=0)) + 1)])
        found["pair"] = self._pairs(self.mask(filters, without="pair") if filters.old is not None else whole)
        return found

    def latest(self) -> Bools:
        """The last item of every label, ``(n,)``; of edits in several rounds only that is asked about."""
        last = np.ones(len(self), bool)
        last[self._by_address[:-1]] = self._addresses[1:] != self._addresses[:-1]
        return last

    def sample(self, items: Ints, count: int, seed: int) -> Ints:
        """``count`` of the items, drawn at random."""
        return np.random.default_rng(seed).choice(items, min(count, len(items)), replace=False)

    def heed(self, ledger: Ledger) -> None:
        """Take in the entries that are new; the last hundred are kept as ``recent``."""
        pending: dict[int, list[tuple[int, int, int]]] = {}
        for made in ledger.entries(self.entry):
            self.entry = made["id"]
            self.recent.append(made)
            if made["kind"] == "undo":
                self.status[self.index(made["edit"])] = UNDONE
            elif made["verb"] == "retract":
                self._apply(pending)
                self._retract(made["batch"])
            elif made["verb"] == "flag" or made["verb"] in DECIDED:
                verb = -1 if made["verb"] == "flag" else DECIDED.index(made["verb"])
                reviewer = int(self.reviewers.encode([made["reviewer"]])[0])
                pending.setdefault(made["batch"], []).append((*self._range(made), verb))
                self.batches.setdefault(made["batch"], _Batch(_NONE, _NONE, reviewer))
        self._apply(pending)

    def _apply(self, pending: dict[int, list[tuple[int, int, int]]]) -> None:
        """Lay decisions on: per batch (first address, last address, verb)."""
        for number, made in pending.items():
            low, high, verb = np.array(made, np.int64).T
            start = np.searchsorted(self._addresses, low)
            count = np.searchsorted(self._addresses, high, side="right") - start
            nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            batch = self.batches[number]
            batch.items = np.concatenate([batch.items, self._by_address[np.repeat(start, count) + nth]])
            batch.verbs = np.concatenate([batch.verbs, np.repeat(verb, count)])
            self._lay(batch, np.ones(len(batch.items), bool))
        pending.clear()

    def _lay(self, batch: _Batch, use: Bools) -> None:
        settling = use & (batch.verbs > 0)
        self.decided[batch.items[settling]] = batch.verbs[settling]
        self.reviewer[batch.items[settling]] = batch.reviewer
        self.flagged[batch.items[use & (batch.verbs < 0)]] = True

    def _retract(self, number: int) -> None:
        batch = self.batches.pop(number, None)
        if batch is None:
            return
        touched = np.zeros(len(self), bool)
        touched[batch.items] = True
        self.decided[touched], self.flagged[touched], self.reviewer[touched] = 0, False, -1
        for other in self.batches.values():  # in the order of their numbers, so that the last word stands
            if (use := touched[other.items]).any():
                self._lay(other, use)

    def _range(self, made: Mapping[str, Any]) -> tuple[int, int]:
        """The first and last address that a decision is about: one label, or all of a row."""
        at = self.index(made["edit"]) if made["edit"] is not None else -1
        if at >= 0:
            place = int(self.place[at])
        else:
            data = self.rows.datasets.get(made["dataset"])
            row = data.find(made["row"]) if data else -1
            place = data.start + row if data and row >= 0 else -1
        whole, positions = self._widths
        if place < 0:
            return -1, -2
        if not made["task"]:
            return place * whole, place * whole + whole - 1
        task, position = (at_of(self.names[n], made[n]) for n in ("task", "position"))
        if task < 0 or position < 0:
            return -1, -2
        address = place * whole + task * positions + position
        return address, address

    def _is(self, column: str, value: str) -> Bools:
        names = self.names[column]
        return np.asarray(self.codes[column] == (names.index(value) if value in names else -1))

    def _pairs(self, mask: Bools, most: int = 30) -> list[tuple[str, int]]:
        width = max(len(self.names["new"]), 1)
        pair = self.codes["old"][mask].astype(np.int64) * width + self.codes["new"][mask]
        if not len(pair):
            return []
        if len(self.names["old"]) * width < 4_000_000:
            counts = np.bincount(pair)
            value = np.flatnonzero(counts)
            count = counts[value]
        else:
            value, count = np.unique(pair, return_counts=True)
        top = np.argsort(-count, kind="stable")[:most]
        return [
            (f"{self.names['old'][value[i] // width]}\t{self.names['new'][value[i] % width]}", int(count[i]))
            for i in top
        ]

    def _search(self, text: str) -> Bools:
        """Items whose row has the words in its id or its texts, or whose labels have it; case does not count."""
        hit = np.zeros(len(self.rows) + 1, bool)
        for data in self.rows.datasets.values():
            here = slice(data.start, data.start + len(data))
            hit[here] = np.asarray(pc.match_substring(data.ids, text))
            for column in data.inputs.get("text", ()):
                values = data.table.column(column)
                if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
                    values = values.cast(pa.large_string())
                found = pc.match_substring(values, text, ignore_case=True)
                hit[here] |= np.asarray(pc.fill_null(found, False))
        found = hit[self.place]
        for column in ("old", "new", "position"):
            codes = [i for i, n in enumerate(self.names[column]) if text.casefold() in n.casefold()]
            if codes:
                found = found | np.isin(self.codes[column], codes)
        return np.asarray(found)


def _counted(codes: NDArray[Any], names: Any) -> list[tuple[str, int]]:
    counts = np.bincount(codes, minlength=len(names))
    return [(names[i], int(c)) for i, c in enumerate(counts.tolist()) if c]


def at_of(names: Any, value: str) -> int:
    """The position of a name; -1 where it is none of them."""
    return names.index(value) if value in names else -1

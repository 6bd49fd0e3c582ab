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
from jointset.report.reliability import Observed, is_right, of_kind
from jointset.report.rows import AllRows, where

DECIDED = ("open", "accept", "keep", "label", "none", "exclude")
ISSUES = (
    "label_error", "missing_label", "contradiction", "spare_copy", "leak_source", "shifted_row", "tail_label",
)  # fmt: skip
ADD = (
    "add"  # the action of an edit that derives a row: it is accepted or left out, and has no label to choose
)
CHECK = "check"  # the action of a finding on a held-out row: there is no edit, only a question
ORDERS = ("worth", "doubt", "sure", "random", "row")


def _none() -> Ints:
    return np.empty(0, np.int64)


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
    """Decisions that were written together: the items they touch and what was decided of each.

    ``shown`` are the edits that the decisions were about, and ``right`` what they say of those (-1: nothing).
    """

    reviewer: int
    items: Ints = field(default_factory=_none)
    verbs: Ints = field(default_factory=_none)
    shown: Ints = field(default_factory=_none)
    right: Ints = field(default_factory=_none)


@dataclass(eq=False)
class Queue:
    """Columns ``(n,)`` over all items; ``key`` is the id of an edit, or minus that of a finding on a held-out row.

    ``right`` is 1 where a person found the edit right, 0 where wrong, -1 where nobody judged it. Edits up to the id
    ``last_edit``, of the ``rounds``, are held, and decisions up to ``entry``.
    """

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
    right: Ints
    reviewer: Ints
    entry: int = 0
    last_edit: int = 0
    rounds: tuple[int, ...] = ()
    reviewers: Coder = field(default_factory=Coder)
    batches: dict[int, _Batch] = field(default_factory=dict)
    recent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))

    def __post_init__(self) -> None:
        self._edits = int((self.key > 0).sum())
        self._by_place = np.argsort(self.place, kind="stable").astype(np.int32)
        self._held_out = self.key < 0
        self._found_text = lru_cache(maxsize=4)(self._search)
        self._order = lru_cache(maxsize=2)(self._ordered)
        self._order(ORDERS[0])  # the first page asks for it

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
        order = self._order(filters.order if filters.order in ORDERS else "worth")
        return order[self.mask(filters)[order]]

    def _ordered(self, name: str) -> Ints:
        if name == "row":
            return self._by_place
        if name == "random":
            return np.random.default_rng(0).permutation(len(self.key)).astype(np.int32)
        by = {"worth": -self.worth, "doubt": np.abs(self.confidence - 0.5), "sure": -self.confidence}[name]
        return np.argsort(by, kind="stable").astype(np.int32)

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

    def sample(self, items: Ints, count: int, seed: int) -> Ints:
        """``count`` of the items, drawn at random."""
        return np.random.default_rng(seed).choice(items, min(count, len(items)), replace=False)

    def heed(self, ledger: Ledger) -> None:
        """Take in the entries that are new; the last hundred are kept as ``recent``."""
        pending: dict[int, list[tuple[int, ...]]] = {}
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
                pending.setdefault(made["batch"], []).append((*self._address(made), verb, *self._said(made)))
                self.batches.setdefault(made["batch"], _Batch(reviewer))
        self._apply(pending)

    def observed(self) -> dict[tuple[str, str], Observed]:
        """Per (task, action), what people found of the edits, as :func:`~jointset.report.reliability.observed`."""
        judged = np.flatnonzero(self.right >= 0)
        task, action = (self.codes[n].astype(np.int32) for n in ("task", "action"))
        found = {}
        for kind in np.unique(task[judged] * len(self.names["action"]) + action[judged]).tolist():
            t, a = divmod(kind, len(self.names["action"]))
            own = (task == t) & (action == a) & ~self._held_out
            seen = judged[own[judged]]
            found[self.names["task"][t], self.names["action"][a]] = of_kind(
                self.confidence[seen], self.right[seen] == 1, self.confidence[own]
            )
        return found

    def at(self, dataset: str, row: str, task: str, position: str) -> Ints:
        """The items that are about a label."""
        made = {"edit": None, "dataset": dataset, "row": row, "task": task, "position": position}
        found, _ = self._touched(*(np.array([v]) for v in self._address(made)))
        return found

    def _apply(self, pending: dict[int, list[tuple[int, ...]]]) -> None:
        """Lay decisions on: per batch (place, task, position, verb, edit shown, what was said of it)."""
        for number, made in pending.items():
            place, task, position, verb, shown, right = np.array(made, np.int64).T
            items, of = self._touched(place, task, position)
            batch = self.batches[number]
            batch.items = np.concatenate([batch.items, items])
            batch.verbs = np.concatenate([batch.verbs, verb[of]])
            batch.shown = np.concatenate([batch.shown, shown[shown >= 0]])
            batch.right = np.concatenate([batch.right, right[shown >= 0]])
            self._lay(batch, np.ones(len(self), bool))
        pending.clear()

    def _touched(self, place: Ints, task: Ints, position: Ints) -> tuple[Ints, Ints]:
        """Items at addresses, and the number of the address that each is at; a task of -1 takes in the whole row."""
        start, end = (np.searchsorted(self.place, place, s, sorter=self._by_place) for s in ("left", "right"))
        count = end - start
        of = np.repeat(np.arange(len(place)), count)
        nth = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
        items = self._by_place[start[of] + nth]
        same = (self.codes["task"][items] == task[of]) & (self.codes["position"][items] == position[of])
        use = (task[of] == -1) | same
        return items[use], of[use]

    def _lay(self, batch: _Batch, here: Bools) -> None:
        """Lay a batch on, where ``here`` ``(n,)`` says so."""
        use = here[batch.items]
        settling = batch.items[use & (batch.verbs > 0)]
        self.decided[settling] = batch.verbs[use & (batch.verbs > 0)]
        self.reviewer[settling] = batch.reviewer
        judging = batch.items[use & (batch.verbs > 0) & (batch.verbs != DECIDED.index("exclude"))]
        self.right[judging] = -1  # whoever excludes the row says nothing of an edit that was judged before
        shown = here[batch.shown]
        self.right[batch.shown[shown]] = batch.right[shown]
        self.flagged[batch.items[use & (batch.verbs < 0)]] = True

    def _retract(self, number: int) -> None:
        batch = self.batches.pop(number, None)
        if batch is None:
            return
        touched = np.zeros(len(self), bool)
        touched[batch.items] = True
        self.decided[touched], self.flagged[touched], self.reviewer[touched] = 0, False, -1
        self.right[touched] = -1
        for other in self.batches.values():  # in the order of their numbers, so that the last word stands
            if touched[other.items].any():
                self._lay(other, touched)

    def _address(self, made: Mapping[str, Any]) -> tuple[int, int, int]:
        """Place, task and position of what an entry is about; -1 for all of a row, -2 for what is not in the queue."""
        at = self.index(made["edit"]) if made["edit"] is not None else -1
        if at >= 0:
            place = int(self.place[at])
        else:
            data = self.rows.datasets.get(made["dataset"])
            row = data.find(made["row"]) if data else -1
            place = data.start + row if data and row >= 0 else -2
        if not made["task"]:
            return place, -1, -1
        task, position = (at_of(self.names[n], made[n]) for n in ("task", "position"))
        return (place, task, position) if task >= 0 and position >= 0 else (-2, -2, -2)

    def _said(self, made: Mapping[str, Any]) -> tuple[int, int]:
        """The edit a decision was shown with, -1 for none, and whether it says that it is right, -1 for neither."""
        at = (
            self.index(made["edit"])
            if made["edit"] is not None and made["verb"] not in ("flag", "exclude")
            else -1
        )
        if at < 0:
            return -1, -1
        said = {f"edit_{n}": self.name(n, at) for n in ("action", "old", "new")}
        right = is_right({**said, "verb": made["verb"], "value": made["value"]})
        return at, -1 if right is None else int(right)

    def _is(self, column: str, value: str) -> Bools:
        names = self.names[column]
        return np.asarray(self.codes[column] == (names.index(value) if value in names else -1))

    def _pairs(self, mask: Bools, most: int = 30) -> list[tuple[str, int]]:
        width = max(len(self.names["new"]), 1)
        mask = mask & ~self._is("action", ADD)  # what stands there is no label
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
        """Items whose row has the words in its id, its texts or cells, or whose labels have it; case does not count."""
        hit = np.zeros(len(self.rows) + 1, bool)
        for data in self.rows.datasets.values():
            here = slice(data.start, data.start + len(data))
            hit[here] = where(pc.match_substring(data.ids, text, ignore_case=True))
            for column in data.inputs.get("tabular", ()):
                hit[here] |= _cells_with(data.table.column(column), text)
            for column in data.inputs.get("text", ()):
                values = data.table.column(column)
                if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
                    values = values.cast(pa.large_string())
                hit[here] |= where(pc.match_substring(values, text, ignore_case=True))
        found = hit[self.place]
        for column in ("old", "new", "position"):
            codes = [i for i, n in enumerate(self.names[column]) if text.casefold() in n.casefold()]
            if codes:
                found = found | np.isin(self.codes[column], codes)
        return np.asarray(found)


def _cells_with(values: pa.ChunkedArray, text: str) -> Bools:
    """Cells of words that have the text, cells of numbers that are it, ``(n,)``."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return where(pc.match_substring(values, text, ignore_case=True))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        number = _number(text)
        if number is not None:
            return where(pc.equal(values.cast(pa.float64(), safe=False), number))
    return np.zeros(len(values), bool)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _counted(codes: NDArray[Any], names: Any) -> list[tuple[str, int]]:
    counts = np.bincount(codes, minlength=len(names))
    return [(names[i], int(c)) for i, c in enumerate(counts.tolist()) if c]


def at_of(names: Any, value: str) -> int:
    """The position of a name; -1 where it is none of them."""
    return names.index(value) if value in names else -1

"""What the page works on: the ledger, the queue, the predictions; opened once, kept in step with what others write."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jointset.ledger import Ledger, Recorded
from jointset.records import Ints
from jointset.report.material import edits_file, read
from jointset.report.rows import AllRows, open_rows
from jointset.review.blind import Checks, disguised, known_by_trust, usual_status
from jointset.review.build import build
from jointset.review.findings import Findings
from jointset.review.items import Item, decision, item
from jointset.review.queue import ADD, Filters, Queue, at_of
from jointset.rundir import RunDirectory

PAGE = 50
EXAMPLES = 10


@dataclass(eq=False)
class Desk:
    """One run under review."""

    directory: RunDirectory
    ledger: Ledger
    rows: AllRows
    queue: Queue
    outputs: Mapping[str, NDArray[Any]]
    findings: Findings
    checks: Checks
    mine: dict[str, list[int]] = field(default_factory=dict)  # reviewer → batches, for undo
    _answered: dict[int, int] = field(default_factory=dict)  # batch → the check it answered
    _observed: tuple[tuple[int, int], list[dict[str, Any]]] = ((-1, -1), [])

    def refresh(self) -> None:
        """Take in what was written since, by whomever: decisions, and the rounds of a run that goes on."""
        if self.ledger.rounds() == self.queue.rounds:
            self.queue.heed(self.ledger)
            return
        self.queue = build(self.ledger, self.rows, edits_file(self.directory))
        self.outputs = read(self.directory, self.ledger).predictions()
        self.findings = Findings(self.directory)
        _release()

    def newer(self, edit: int) -> int:
        """How many edits are later than this one."""
        return int((self.queue.key > edit).sum())

    def index(self, key: int) -> int:
        """Where an item is, -1 when there is none; a finding of an earlier round is the later one about the label."""
        found = self.queue.index(key)
        if found >= 0 or key >= 0:
            return found
        address = ("dataset", "row", "task", "position")
        for chunk in self.ledger.scan(address, table="issue", ids=[-key]):
            at = self.queue.at(*chunk[0][1:])
            at = at[self.queue.key[at] < 0]
            if len(at):
                return int(at[0])
        return -1

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def news(self, reviewer: str, after: int) -> list[dict[str, Any]]:
        """What others wrote after an entry, of the last hundred; not of blind checks."""
        self.refresh()
        others = [e for e in self.queue.recent if e["id"] > after and e["reviewer"] != reviewer]
        return [e for e in others if e["verb"] != "check" and e["batch"] not in self._answered]

    def item(self, index: int, *, brief: bool = False) -> Item:
        """The item at an index."""
        return item(self.queue, index, self.ledger, self.outputs, self.findings, brief=brief)

    def step(self, filters: Filters, key: int | None, by: int) -> int | None:
        """The index of the item ``by`` steps from the one of this key, or of the first; None at the end."""
        order = self.queue.ordered(filters)
        if not len(order):
            return None
        index = self.index(key) if key is not None else -1
        at = np.flatnonzero(order == index)
        if len(at):
            to = int(at[0]) + by
            return int(order[to]) if 0 <= to < len(order) else None
        return int(order[0])

    def decide(self, index: int, verb: str, value: str, *, reviewer: str, note: str, seen: int) -> Recorded:
        """Write one decision down; ValueError for a label the task does not have."""
        made = decision(self.queue, index, verb, value)
        done = self.ledger.decide([made], reviewer=reviewer, note=note, seen=seen)
        return self._remember(done, reviewer)

    def accept_all(self, filters: Filters, *, reviewer: str, seen: int) -> Recorded:
        """Accept every edit that matches, as one batch."""
        items = self.queue.ordered(filters)
        keys = self.queue.key[items[self.queue.key[items] > 0]]
        done = self.ledger.decide_edits(
            np.sort(keys).tolist(), "accept", reviewer=reviewer, note="bulk", seen=seen
        )
        return self._remember(done, reviewer)

    def preview(self, filters: Filters) -> tuple[int, float, list[Item]]:
        """How many edits match, the mean confidence of those that claim something, and ten of them drawn at random."""
        items = self.queue.ordered(filters)
        items = items[self.queue.key[items] > 0]
        if not len(items):
            return 0, float("nan"), []
        drawn: Ints = self.queue.sample(items, EXAMPLES, len(items))
        claims = items[self.queue.codes["action"][items] != at_of(self.queue.names["action"], ADD)]
        mean = float(self.queue.confidence[claims].mean()) if len(claims) else float("nan")
        return len(items), mean, [self.item(int(i), brief=True) for i in drawn]

    def undo(self, reviewer: str) -> int:
        """Take back the reviewer's last batch that stands; how many decisions it held."""
        stack = self.mine.get(reviewer)
        if stack is None:  # of an earlier sitting
            live, own = self.queue.batches, self.queue.reviewers.code.get(reviewer, -2)
            stack = self.mine[reviewer] = [n for n, b in live.items() if b.reviewer == own]
        while stack:
            batch = stack.pop()
            count = self.ledger.retract(batch, reviewer=reviewer)
            if count:
                self.checks.again(reviewer, self._answered.get(batch, 0))
                self.queue.heed(self.ledger)
                return count
        return 0

    def check(self, reviewer: str) -> int | None:
        """In the share of the calls that was asked for, the index of an item whose answer is known."""
        return self.checks.draw(self.queue, self.rows.column("trusted"), reviewer)

    def answer(self, index: int, verb: str, value: str, *, reviewer: str) -> None:
        """Write down what was said of a blind check, beside what was known; it decides nothing."""
        made = decision(self.queue, index, "keep" if verb == "exclude" else verb, value)
        known = self.ledger.known_label(made.dataset, made.row, made.task, made.position)
        said = replace(made, verb="check", given=made.given if known is None else known)
        if verb == "exclude":
            said = replace(said, value="(excluded)")
        done = self._remember(self.ledger.decide([said], reviewer=reviewer), reviewer)
        self._answered[done.batch] = int(self.queue.key[index])

    @property
    def trusts(self) -> bool:
        """Whether there is a held-out row whose label is known for sure, and which can be asked about."""
        return bool(known_by_trust(self.queue, self.rows.column("trusted")).any())

    def disguised(self, reviewer: str, alias: int) -> Item | None:
        """The check that is open under a key, as it is shown; None without one."""
        check = self.checks.of(reviewer, alias)
        index = self.index(check.key) if check else -1
        if check is None or index < 0:
            return None
        return disguised(self.item(index), alias, check, usual_status(self.queue))

    def observed(self) -> list[dict[str, Any]]:
        """Per task and action: what was promised and what people found; worked out anew when something was written."""
        if self._observed[0] != (self.queue.entry, self.queue.last_edit):
            found = sorted(self.queue.observed().items())
            rows = [{"task": t, "action": a, **vars(o)} for (t, a), o in found]
            self._observed = ((self.queue.entry, self.queue.last_edit), rows)
        return self._observed[1]

    def reliability(self, task: str, action: str) -> dict[str, Any]:
        """Promised and observed precision of one kind of change."""
        queue = self.queue
        kind = queue.mask(Filters(task=task, action=action, decided=""))
        promised = float(queue.confidence[kind].mean()) if kind.any() else float("nan")
        seen = next((o for o in self.observed() if (o["task"], o["action"]) == (task, action)), None)
        return {"promised": promised, "seen": seen}

    def _remember(self, done: Recorded, reviewer: str) -> Recorded:
        if done.batch:
            if reviewer not in self.mine:
                own = self.queue.reviewers.code.get(reviewer, -2)
                self.mine[reviewer] = [n for n, b in self.queue.batches.items() if b.reviewer == own]
            self.mine[reviewer].append(done.batch)
        self.queue.heed(self.ledger)
        return done


def open_desk(directory: RunDirectory, checks: float = 0.0) -> Desk:
    """Open a run whose rows are laid out; RunError when it has no ledger or no rows."""
    ledger = Ledger(directory.ledger, create=False)
    try:
        rows = open_rows(directory)
        queue = build(ledger, rows, edits_file(directory))
        outputs = read(directory, ledger).predictions()
        desk = Desk(directory, ledger, rows, queue, outputs, Findings(directory), Checks(checks))
    except BaseException:
        ledger.close()
        raise
    _release()
    return desk


def _release() -> None:
    """Hand back the memory that reading took; the allocators keep it otherwise, for as long as the page is served."""
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError, OSError):  # only glibc knows it
        ctypes.CDLL(None).malloc_trim(0)


def user() -> str:
    """The name of whoever runs the command."""
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "reviewer"

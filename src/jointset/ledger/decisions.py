"""What people decide about labels: entries of their own, which outrank the model's edits and can be taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from jointset.errors import RunError
from jointset.ledger.connection import Connection
from jointset.ledger.schema import CHUNK
from jointset.ledger.text import now
from jointset.records import Edits

VERBS = ("accept", "keep", "label", "none", "exclude", "flag", "check")
ADDRESS = ("dataset", "row", "task", "position", "annotator")
CHECKED = 20  # blind checks that a reviewer is taken to have answered rightly before the first
ENTRY = ("id", "kind", "edit", *ADDRESS, "verb", "value", "given", "reviewer", "note", "batch", "written")

_RETRACTED = "EXISTS (SELECT 1 FROM entry t WHERE t.verb = 'retract' AND t.batch = d.batch)"
_SETTLES = (
    f"d.kind = 'decision' AND d.verb IN ('accept', 'keep', 'label', 'none', 'exclude') AND NOT {_RETRACTED}"
)
_DECIDES = "kind = 'decision' AND verb NOT IN ('flag', 'check')"
UNDECIDED = (
    "NOT EXISTS (SELECT 1 FROM entry d WHERE d.row = e.row AND "
    + " AND ".join(f"d.{name} = e.{name}" for name in ADDRESS if name != "row")
    + f" AND {_SETTLES})"
)


@dataclass(frozen=True)
class Decision:
    """What a person says of one label.

    ``verb``: accept (the edit, or the suggestion ``value``), keep (the given label; of an ``add`` edit: leave the
    derived row out), label (``value``), none (no label), exclude (the whole row; ``task`` is ''), flag (for another
    look), check (the answer to an item mixed in blind; ``given`` is then the answer that was known); the last two
    change nothing. ``value`` and ``given`` are label names, '' = missing; ``edit`` is the id of the edit that was
    shown, if any.
    """

    dataset: str
    row: str
    task: str
    position: str
    verb: str
    value: str = ""
    given: str = ""
    edit: int | None = None
    annotator: str = ""


@dataclass(frozen=True)
class Sitting:
    """Decisions that a person made with one note, knowing of the ledger's entries up to ``seen`` (None: of all)."""

    decisions: tuple[Decision, ...]
    reviewer: str
    note: str = ""
    seen: int | None = None


@dataclass(frozen=True)
class Recorded:
    """What became of decisions: the ``batch`` they stand in (0: none), and how many were written.

    ``refused`` holds the entries of others that the reviewer had not seen; nothing was written there.
    """

    batch: int
    count: int
    refused: tuple[dict[str, Any], ...] = ()


class DecisionLog(Connection):
    """The part of a ledger that people write."""

    def decide(
        self, decisions: Sequence[Decision], *, reviewer: str, note: str = "", seen: int | None = None
    ) -> Recorded:
        """Append decisions as one batch, in one transaction.

        ``seen`` is the last entry that the reviewer knows of: where another has decided since, nothing is written and
        the other's entry is handed back. Raises RunError for an unknown verb.
        """
        return self.decide_all([Sitting(tuple(decisions), reviewer, note, seen)])

    def decide_all(self, sittings: Sequence[Sitting]) -> Recorded:
        """Append what several people decided, in one transaction; one batch per person, of which the last is returned.

        Raises RunError for an unknown verb.
        """
        for unknown in {d.verb for s in sittings for d in s.decisions} - set(VERBS):
            raise RunError(f"no decision is called {unknown!r}; known: {', '.join(VERBS)}")
        names = tuple(f.name for f in fields(Decision))
        refused: list[dict[str, Any]] = []
        count, batches, written = 0, dict[str, int](), now()
        with self._transaction() as db:
            last = int(db.execute("SELECT COALESCE(MAX(batch), 0) FROM entry").fetchone()[0])
            barring = [{} if s.seen is None else self._by_others(s.seen, s.reviewer) for s in sittings]
            for sitting, news in zip(sittings, barring, strict=True):
                met = [_met(d, news) for d in sitting.decisions]
                free = [d for d, other in zip(sitting.decisions, met, strict=True) if other is None]
                refused += [other for other in met if other is not None]
                count += len(free)
                if not free:
                    continue
                batch = batches.setdefault(sitting.reviewer, last + 1 + len(batches))
                own = (sitting.reviewer, sitting.note, batch, written)
                db.executemany(
                    f"INSERT INTO entry (kind, {', '.join(names)}, reviewer, note, batch, written) "
                    f"VALUES ('decision', {', '.join('?' * len(names))}, ?, ?, ?, ?)",
                    ((*(getattr(d, n) for n in names), *own) for d in free),
                )
        return Recorded(max(batches.values(), default=0), count, tuple(refused))

    def decide_edits(
        self, ids: Sequence[int], verb: str, *, reviewer: str, note: str = "", seen: int | None = None
    ) -> Recorded:
        """Accept, or keep the label before, for many edits in one batch; like :meth:`decide` where others came first.

        Raises RunError for another verb.
        """
        if verb not in ("accept", "keep"):
            raise RunError(f"many edits at once can be accepted or kept, not {verb!r}")
        value = "e.new" if verb == "accept" else "e.old"
        with self._transaction() as db:
            others = f"SELECT 1 FROM entry d WHERE d.id > ? AND d.reviewer != ? AND {_SETTLES}"
            same = " AND ".join(f"d.{name} = e.{name}" for name in ADDRESS[2:])
            here = f"d.dataset = e.dataset AND d.row = e.row AND (d.task = '' OR {same})"
            barred = "" if seen is None else f" AND NOT EXISTS ({others} AND {here})"
            batch = int(db.execute("SELECT COALESCE(MAX(batch), 0) + 1 FROM entry").fetchone()[0])
            address = ", ".join(ADDRESS)
            written = db.execute(
                f"INSERT INTO entry (kind, edit, {address}, verb, value, given, reviewer, note, batch, written) "
                f"SELECT 'decision', e.id, {', '.join(f'e.{n}' for n in ADDRESS)}, ?, {value}, e.old, ?, ?, ?, ? "
                f"FROM edit e WHERE e.id IN (SELECT value FROM json_each(?)){barred} ORDER BY e.id",
                [verb, reviewer, note, batch, now(), json.dumps([int(i) for i in ids])]
                + ([] if seen is None else [int(seen), reviewer]),
            ).rowcount
        return Recorded(batch if written else 0, int(written))

    def retract(self, batch: int, *, reviewer: str, note: str = "") -> int:
        """Take a batch of decisions back; how many it held. Taking it back twice does nothing the second time.

        Raises RunError when there is no such batch.
        """
        with self._transaction() as db:
            held = db.execute(
                "SELECT COUNT(*), SUM(verb = 'retract') FROM entry WHERE batch = ?", (int(batch),)
            ).fetchone()
            if not held[0] or batch < 1:
                raise RunError(f"{self.path}: no batch {batch} of decisions")
            if held[1]:
                return 0
            db.execute(
                "INSERT INTO entry (kind, verb, batch, reviewer, note, written) "
                "VALUES ('decision', 'retract', ?, ?, ?, ?)",
                (int(batch), reviewer, note, now()),
            )
        return int(held[0])

    def entries(self, after: int = 0, *, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """What was undone, decided and taken back after entry number ``after``, in order; of one ``kind`` if named."""
        only, values = ("", [int(after)]) if kind is None else (" AND kind = ?", [int(after), kind])
        with self._guard():
            cursor = self._db.execute(
                f"SELECT {', '.join(ENTRY)} FROM entry WHERE id > ?{only} ORDER BY id", values
            )
            while rows := cursor.fetchmany(CHUNK):
                yield from (dict(zip(ENTRY, row, strict=True)) for row in rows)

    def decisions(self) -> list[dict[str, Any]]:
        """Every decision that stands, one per address, with the action and labels of the edit it was about."""
        names = [f"d.{name}" for name in ENTRY]
        edit = ("action", "old", "new", "weight", "confidence", "round")
        sql = (
            f"SELECT {', '.join(names)}, {', '.join(f'e.{n}' for n in edit)} FROM entry d "
            f"LEFT JOIN edit e ON e.id = d.edit WHERE d.id IN "
            f"(SELECT MAX(d.id) FROM entry d WHERE {_SETTLES} GROUP BY {', '.join(f'd.{n}' for n in ADDRESS)}) "
            "ORDER BY d.id"
        )
        known = (*ENTRY, *(f"edit_{n}" for n in edit))
        return [dict(zip(known, row, strict=True)) for row in self._rows(sql)]

    def known_label(self, dataset: str, row: str, task: str, position: str) -> str | None:
        """The label that the last decision at an address gives it, '' = none; None without a decision."""
        here = "d.row = ? AND d.dataset = ? AND d.task = ? AND d.position = ?"
        sql = f"SELECT d.value FROM entry d WHERE {here} AND {_SETTLES} ORDER BY d.id DESC LIMIT 1"
        found = self._rows(sql, (row, dataset, task, position))
        return str(found[0][0]) if found else None

    def last_of(self, reviewers: Sequence[str]) -> dict[tuple[str, ...], dict[str, Any]]:
        """(reviewer, dataset, row, task, position) → that reviewer's last decision there that was not taken back."""
        sql = (
            f"SELECT {', '.join(f'd.{n}' for n in ENTRY)} FROM entry d WHERE {_SETTLES} "
            "AND d.reviewer IN (SELECT value FROM json_each(?)) ORDER BY d.id"
        )
        rows = [dict(zip(ENTRY, row, strict=True)) for row in self._rows(sql, (json.dumps(list(reviewers)),))]
        return {tuple(r[n] for n in ("reviewer", *ADDRESS[:4])): r for r in rows}

    def checked(self) -> dict[str, tuple[int, int]]:
        """Reviewer → (blind checks answered as known, all of them that were not taken back)."""
        sql = (
            "SELECT d.reviewer, SUM(d.value = d.given), COUNT(*) FROM entry d "
            f"WHERE d.verb = 'check' AND NOT {_RETRACTED} GROUP BY d.reviewer"
        )
        return {name: (int(right), int(n)) for name, right, n in self._rows(sql)}

    def reviewed(self) -> Edits:
        """Decisions that stand as edits; their reason begins with "review".

        A kept missing label needs none, nor does a derived row that is left out.
        """
        found = [d for d in self.decisions() if _changes(d)]
        empty = Edits.empty()
        if not found:
            return empty
        columns = [_as_edit(d) for d in found]
        return Edits(
            **{
                f.name: np.array([c[f.name] for c in columns], dtype=getattr(empty, f.name).dtype)
                for f in fields(Edits)
            }
        )

    def judged(self) -> dict[tuple[str, str], tuple[float, float, float]]:
        """(task, action) → how many edits people found right, the summed confidence of those they judged, their number.

        Only relabels and fills, whose claim is the new label. A judgement counts 2 a − 1, at least 0, where a is the
        share of blind checks that its reviewer answered as known, with ``CHECKED`` right answers added beforehand: who
        answers by coin counts less with every check, and who was never checked counts in full.
        """
        found: dict[tuple[str, str], tuple[float, float, float]] = {}
        share = {name: (right + CHECKED) / (n + CHECKED) for name, (right, n) in self.checked().items()}
        for d in self.decisions():
            if d["edit_action"] in ("relabel", "fill") and d["verb"] != "exclude":
                right = d["verb"] == "accept" or (d["verb"] == "label" and d["value"] == d["edit_new"])
                key = (d["task"], d["edit_action"])
                counts = max(2 * share.get(d["reviewer"], 1.0) - 1, 0.0)
                before = found.get(key, (0.0, 0.0, 0.0))
                own = (counts * right, counts * d["edit_confidence"], counts)
                found[key] = (before[0] + own[0], before[1] + own[1], before[2] + own[2])
        return found

    def last_decision(self) -> int:
        """The entry of the last decision that settles something or takes such back; 0 without any."""
        return int(self._rows(f"SELECT COALESCE(MAX(id), 0) FROM entry WHERE {_DECIDES}")[0][0])

    def decided_after(self, entry: int) -> int:
        """How many such decisions were written after an entry."""
        return int(self._rows(f"SELECT COUNT(*) FROM entry WHERE {_DECIDES} AND id > ?", (int(entry),))[0][0])

    def settled(self) -> set[tuple[str, str, str, str]]:
        """Addresses (dataset, row, task, position) that people decided; the task is '' where they excluded a row."""
        sql = f"SELECT DISTINCT d.dataset, d.row, d.task, d.position FROM entry d WHERE {_SETTLES}"
        return {tuple(row) for row in self._rows(sql)}

    def _by_others(self, seen: int, reviewer: str) -> dict[tuple[str, ...], dict[str, Any]]:
        """What others decided since, by address and, for whoever excludes a row, the last by (dataset, row)."""
        names = ", ".join(f"d.{n}" for n in ENTRY)
        sql = f"SELECT {names} FROM entry d WHERE d.id > ? AND d.reviewer != ? AND {_SETTLES}"
        rows = [dict(zip(ENTRY, row, strict=True)) for row in self._rows(sql, (int(seen), reviewer))]
        by_row = {(r["dataset"], r["row"]): r for r in rows}
        return by_row | {(r["dataset"], r["row"], r["task"], r["position"]): r for r in rows}


def _place(decision: Decision) -> tuple[str, str, str, str]:
    return decision.dataset, decision.row, decision.task, decision.position


def _met(decision: Decision, news: Mapping[tuple[str, ...], dict[str, Any]]) -> dict[str, Any] | None:
    """What of the news speaks of the same label, or of the whole row where one of both does; None where nothing."""
    row = (decision.dataset, decision.row)
    if decision.verb == "exclude":
        return news.get(row)
    return news.get(_place(decision)) or news.get((*row, "", ""))


def _changes(decision: dict[str, Any]) -> bool:
    """Whether a decision needs an edit of its own, besides standing in for the model's."""
    if decision["edit_action"] == "add":  # its label is a recipe: there is nothing to keep or to choose
        return decision["verb"] in ("accept", "exclude")
    return decision["verb"] != "keep" or bool(decision["value"])


def _as_edit(decision: dict[str, Any]) -> dict[str, Any]:
    verb, value, given = decision["verb"], decision["value"], decision["given"]
    action = {"none": "drop", "exclude": "drop"}.get(verb, "relabel" if given else "fill")
    new, weight = value, 1.0
    if verb == "accept" and decision["edit_action"] in ("drop", "weight", "add"):
        action, new, weight = (decision[f"edit_{n}"] for n in ("action", "new", "weight"))
    return {
        "round": decision["edit_round"] or 0,
        **{name: decision[name] for name in ADDRESS},
        "action": action,
        "old": given,
        "new": "" if action == "drop" else new,
        "weight": 0.0 if action == "drop" else weight,
        "confidence": 1.0,
        "expected_precision": 1.0,
        "status": "accepted",
        "reason": f"review: {verb} by {decision['reviewer'] or 'somebody'}",
    }

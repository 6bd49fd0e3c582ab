"""The ledger: an append-only SQLite record of issues, edits, verdicts and human decisions.

The dataset at any time is the base plus the accepted edits that were not undone, and on top of them what people
decided. Nothing is ever changed or deleted, which triggers enforce: undoing appends an entry that points to what it
takes back.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jointset.errors import RunError
from jointset.ledger.decisions import UNDECIDED, DecisionLog
from jointset.ledger.schema import CHUNK, EDIT, ISSUE, VERDICT
from jointset.ledger.select import COLUMNS, UNDONE, Selector, condition_of
from jointset.ledger.text import now, plain, steady_facts, tasks_text
from jointset.records import STATUSES, Edits, Ints, Issues, Verdict


class Ledger(DecisionLog):
    """An open ledger; also a context manager that closes it.

    ``create`` makes the file when there is none; ``wait`` is how many seconds another writer is waited for.
    Raises RunError when the file is absent, locked, written by a newer version, or no ledger at all.

    >>> with Ledger(":memory:") as ledger:
    ...     _ = ledger.record_round(
    ...         1, issues=Issues.empty(), edits=Edits.empty(), verdicts=[], facts={"labels": 3}
    ...     )
    ...     ledger.facts(1)
    {'labels': 3}
    """

    def record_round(
        self,
        round: int,
        *,
        issues: Issues,
        edits: Edits,
        verdicts: Sequence[tuple[str, Verdict]],
        facts: Mapping[str, Any],
    ) -> bool:
        """Append a round in one transaction; False, and nothing is written, when the round is already there.

        ``edits`` carry the status they were decided with (their ``round`` is set to this one); ``verdicts``
        are (name of the set, verdict); ``facts`` are JSON values. Raises RunError when the disk is full or
        the file is locked; the round is then absent as a whole.
        """
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM round WHERE round = ?", (int(round),)).fetchone():
                return False
            text = json.dumps(plain(facts), ensure_ascii=False, sort_keys=True)
            db.execute("INSERT INTO round VALUES (?, ?, ?)", (int(round), text, now()))
            for table, record, names in (("issue", issues, ISSUE), ("edit", edits, EDIT)):
                names = tuple(name for name in names if name != "round")
                rows = zip(*(getattr(record, name).tolist() for name in names), strict=True)
                _insert(db, table, round, names, rows)
            found = [(n, bool(v.accepted), bool(v.progress), v.reason, tasks_text(v)) for n, v in verdicts]
            _insert(db, "verdict", round, VERDICT, found)
        return True

    def rounds(self) -> tuple[int, ...]:
        """The rounds that are recorded, in order."""
        return tuple(r for (r,) in self._rows("SELECT round FROM round ORDER BY round"))

    def check_rounds(self, *rounds: int | None) -> None:
        """Raise RunError for a round that is not recorded."""
        there = self.rounds()
        for round in rounds:
            if round is not None and round not in there:
                told = f"the run has {', '.join(map(str, there))}" if there else "the run has none"
                raise RunError(f"there is no round {round}; {told}")

    def issues(self, round: int | None = None) -> Issues:
        """The issues of one round, or of all."""
        where, values = ("WHERE round = ?", (int(round),)) if round is not None else ("", ())
        sql = f"SELECT {', '.join(ISSUE)} FROM issue {where} ORDER BY round, id"
        return self._record(Issues, sql, values)

    def last_issue(self, round: int) -> int:
        """The id of the last issue of a round; 0 when it has none."""
        sql = "SELECT COALESCE(MAX(id), 0) FROM issue WHERE round = ?"
        return int(self._rows(sql, (int(round),))[0][0])

    def issues_at(self, dataset: str, row: str, task: str, position: str = "") -> list[dict[str, Any]]:
        """What the rounds found about one label, in order."""
        names = ("round", *ISSUE)
        sql = f"SELECT {', '.join(names)} FROM issue WHERE row = ? AND dataset = ? AND task = ? AND position = ?"
        rows = self._rows(f"{sql} ORDER BY round, id", (row, dataset, task, position))
        return [dict(zip(names, found, strict=True)) for found in rows]

    def edits(
        self, *, round: int | None = None, status: str | None = None, where: Selector | None = None
    ) -> Edits:
        """Edits with their current status, in the order they were recorded."""
        return self._edits(*condition_of(where or Selector(), round=round, status=status))

    def accepted(self, round: int | None = None) -> Edits:
        """Edits in force after ``round`` (None: the last); the dataset is the base plus these, in order.

        What people decided stands in for the model's edits at the same address, whenever they decided it.
        """
        condition, values = condition_of(Selector(status="accepted"))
        if round is not None:
            condition, values = f"{condition} AND e.round <= ?", [*values, int(round)]
        if not self.last_decision():
            return self._edits(condition, values)
        # also without an edit of their own: whoever keeps a missing label takes a fill out of force
        return Edits.concat([self._edits(f"{condition} AND {UNDECIDED}", values), self.reviewed()])

    def verdicts(self) -> list[dict[str, Any]]:
        """Every verdict: round, name, accepted, progress, reason, tasks (dicts; NaN where undefined)."""
        names = ("round", *VERDICT)
        rows = self._rows(f"SELECT {', '.join(names)} FROM verdict ORDER BY round, id")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        for verdict in found:
            tasks = json.loads(verdict["tasks"])
            verdict["tasks"] = [{k: math.nan if v is None else v for k, v in t.items()} for t in tasks]
            verdict["accepted"], verdict["progress"] = bool(verdict["accepted"]), bool(verdict["progress"])
        return found

    def facts(self, round: int) -> dict[str, Any]:
        """What was recorded about a round; RunError when there is no such round."""
        found = self._rows("SELECT facts FROM round WHERE round = ?", (int(round),))
        if not found:
            raise RunError(f"{self.path}: no round {round}; recorded: {self.rounds() or 'none'}")
        return dict(json.loads(found[0][0]))

    def select(self, selector: Selector) -> Ints:
        """The ids ``(n,)`` of the edits that match, in order; handles for this ledger alone."""
        condition, values = condition_of(selector)
        rows = self._rows(f"SELECT e.id FROM edit e {condition} ORDER BY e.round, e.id", values)
        return np.array([i for (i,) in rows], dtype=np.int64)

    def undo(self, selector: Selector, *, note: str = "") -> int:
        """Take back the accepted edits that match, by compensating entries; how many there were.

        Undoing twice does nothing the second time.
        """
        condition, values = condition_of(selector, status="accepted")
        with self._transaction() as db:
            sql = "INSERT INTO entry (kind, edit, note, written) SELECT 'undo', e.id, ?, ? FROM edit e"
            return int(db.execute(f"{sql} {condition} ORDER BY e.id", [note, now(), *values]).rowcount)

    def diff(self, round_a: int, round_b: int) -> Edits:
        """Net changes between the states after two rounds, one edit per address and kind of change.

        ``old`` is the label before the first change, ``new`` that after the last; what came back to where it
        was is left out. The earlier round is taken first, whichever order they are named in.
        """
        first, last = sorted((int(round_a), int(round_b)))
        sort = "CASE WHEN e.action IN ('relabel', 'fill') THEN 'label' ELSE e.action END"
        address = "e.dataset, e.row, e.task, e.position, e.annotator"
        columns = COLUMNS.replace("e.old", "f.old AS old")
        sql = f"""
            WITH net AS (SELECT MIN(e.id) AS first, MAX(e.id) AS last FROM edit e
              WHERE e.status = 'accepted' AND e.round > ? AND e.round <= ? AND NOT {UNDONE}
              GROUP BY {address}, {sort})
            SELECT {columns} FROM net JOIN edit e ON e.id = net.last JOIN edit f ON f.id = net.first
            WHERE NOT ({sort} = 'label' AND f.old = e.new) ORDER BY e.round, e.id"""
        return self._record(Edits, sql, (first, last))

    def counts(self) -> dict[str, Any]:
        """``summary.json``'s ``edits``: totals and ``by`` dataset, task and action.

        ``proposed`` counts every edit that was ever proposed; the others count edits by their current status.
        """
        cells: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
        total = dict.fromkeys(STATUSES, 0)
        group = "SELECT e.dataset, e.task, e.action, {} FROM edit e {} GROUP BY e.task, e.dataset, e.action{}"
        undone = "JOIN entry u ON u.edit = e.id AND u.kind = 'undo'"
        rows = self._rows(group.format("e.status, COUNT(*)", "", ", e.status"))
        rows += [(*row[:3], "undone", row[3]) for row in self._rows(group.format("COUNT(*)", undone, ""))]
        for dataset, task, action, status, n in rows:
            actions = cells.setdefault(dataset, {}).setdefault(task, {})
            for count in (total, actions.setdefault(action, dict.fromkeys(STATUSES, 0))):
                count["proposed"] += n if status != "undone" else 0
                if status != "proposed":
                    count[status] += n
                if status == "undone":
                    count["accepted"] -= n
        return {**total, "by": cells}

    def export(self, path: str | Path) -> None:
        """Write ``edits``, ``issues``, ``verdicts`` and ``rounds`` as Parquet into the folder ``path``."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        verdicts = [{**v, "tasks": json.dumps(plain(v["tasks"]))} for v in self.verdicts()]
        rounds = [{"round": r, "facts": json.dumps(self.facts(r), ensure_ascii=False)} for r in self.rounds()]
        text, whole, flag = pa.string(), pa.int64(), pa.bool_()
        types = {"round": whole, "accepted": flag, "progress": flag}
        shape = pa.schema([(name, types.get(name, text)) for name in ("round", *VERDICT)])
        tables = {
            "edits": self.edits().to_arrow(),
            "issues": self.issues().to_arrow(),
            "verdicts": pa.Table.from_pylist(verdicts, schema=shape),
            "rounds": pa.Table.from_pylist(rounds, schema=pa.schema({"round": whole, "facts": text})),
        }
        for name, table in tables.items():
            partial = folder / f".{name}.parquet"
            pq.write_table(table, partial, compression="zstd")
            partial.replace(folder / f"{name}.parquet")

    def fingerprint(self) -> str:
        """SHA-256 over the content, free of wall-clock times, durations, peak memory and database ids.

        The same configuration, data, seed and versions give the same fingerprint. Of the facts, the keys in
        ``VOLATILE`` and those that end in ``_seconds`` or ``_at`` do not count, at any depth.
        """
        digest = hashlib.sha256()
        for r, facts in self._rows("SELECT round, facts FROM round ORDER BY round"):
            digest.update(repr((r, json.dumps(steady_facts(json.loads(facts)), sort_keys=True))).encode())
        entry = "n.kind, n.dataset, n.row, n.task, n.position, n.annotator, n.value, n.reviewer, n.note, "
        entry += "n.verb, n.given, n.batch"
        of = "e.round, e.dataset, e.row, e.task, e.position, e.annotator, e.action"
        for sql in (
            f"SELECT round, {', '.join(ISSUE)} FROM issue ORDER BY round, id",
            f"SELECT {', '.join(EDIT)} FROM edit ORDER BY round, id",
            f"SELECT round, {', '.join(VERDICT)} FROM verdict ORDER BY round, id",
            f"SELECT {entry}, {of} FROM entry n LEFT JOIN edit e ON e.id = n.edit ORDER BY n.id",
        ):
            digest.update(sql.encode())
            with self._guard():
                cursor = self._db.execute(sql)
                while rows := cursor.fetchmany(CHUNK):
                    digest.update(repr(rows).encode())
        return digest.hexdigest()

    def scan(
        self,
        names: Sequence[str],
        *,
        table: str = "edit",
        after: int = 0,
        round: int | None = None,
        code: str | None = None,
        ids: Sequence[int] | None = None,
        rows: tuple[str, Sequence[str]] | None = None,
    ) -> Iterator[list[Any]]:
        """``id`` and the named columns of ``edit`` or ``issue``, of ids above ``after``, by chunks, in order.

        ``round``, ``ids``, ``rows`` (dataset, row ids) and, of issues, ``code`` choose among them. The status of an
        edit is that it was decided with; :meth:`entries` say what was undone since.
        """
        chosen = [("round", round), ("code", code)]
        condition = "".join(f" AND {column} = ?" for column, value in chosen if value is not None)
        values: list[Any] = [int(after), *(value for _, value in chosen if value is not None)]
        if ids is not None:
            condition += " AND id IN (SELECT value FROM json_each(?))"
            values.append(json.dumps([int(i) for i in ids]))
        if rows is not None:
            condition += " AND dataset = ? AND row IN (SELECT value FROM json_each(?))"
            values += [rows[0], json.dumps(list(rows[1]))]
        with self._guard():
            sql = f"SELECT id, {', '.join(names)} FROM {table} WHERE id > ?{condition} ORDER BY id"
            cursor = self._db.execute(sql, values)
            while found := cursor.fetchmany(CHUNK):
                yield found

    def _edits(self, condition: str, values: Sequence[Any]) -> Edits:
        sql = f"SELECT {COLUMNS} FROM edit e {condition} ORDER BY e.round, e.id"
        return self._record(Edits, sql, values)


def _insert(
    db: sqlite3.Connection, table: str, round: int, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    marks = ", ".join("?" * len(names))
    db.executemany(f"INSERT INTO {table} (round, {', '.join(names)}) VALUES ({int(round)}, {marks})", rows)

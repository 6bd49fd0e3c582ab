"""The ledger: an append-only SQLite record of issues, edits, verdicts and human decisions.

The dataset at any time is the base plus the accepted edits that were not undone. Nothing is ever changed or
deleted, which triggers enforce: undoing appends an entry that points to the edit it takes back.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from jointset.errors import RunError
from jointset.records import STATUSES, Columns, Edits, Ints, Issues, Verdict

APPLICATION = 0x6A736C64  # marks the file as a ledger: "jsld"
VERSION = 1
VERDICT = ("name", "accepted", "progress", "reason", "tasks")
ISSUE = tuple(f.name for f in fields(Issues))
EDIT = tuple(f.name for f in fields(Edits))
CHUNK = 10_000
VOLATILE = ("seconds", "started", "finished", "time", "peak_memory_bytes")

Found = TypeVar("Found", bound=Columns)

_TABLES = f"""
CREATE TABLE round (round INTEGER PRIMARY KEY, facts TEXT NOT NULL, written TEXT NOT NULL);
CREATE TABLE issue (id INTEGER PRIMARY KEY, round INTEGER NOT NULL, {", ".join(ISSUE)});
CREATE TABLE edit (id INTEGER PRIMARY KEY, {", ".join(EDIT)});
CREATE TABLE verdict (id INTEGER PRIMARY KEY, round INTEGER NOT NULL, {", ".join(VERDICT)});
CREATE TABLE entry (id INTEGER PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('undo', 'decision')),
  edit INTEGER REFERENCES edit (id), dataset TEXT, row TEXT, task TEXT, position TEXT, annotator TEXT,
  value TEXT, reviewer TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', written TEXT NOT NULL,
  CHECK (kind = 'decision' OR edit IS NOT NULL));
CREATE INDEX issue_round ON issue (round);
CREATE INDEX edit_cell ON edit (task, dataset, action, status);
CREATE INDEX edit_row ON edit (row);
CREATE INDEX edit_round ON edit (round);
CREATE UNIQUE INDEX entry_undo ON entry (edit) WHERE kind = 'undo'
"""
_GUARDS = tuple(
    f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;"
    for table in ("round", "issue", "edit", "verdict", "entry")
    for verb in ("UPDATE", "DELETE")
)
_UNDONE = "EXISTS (SELECT 1 FROM entry u WHERE u.kind = 'undo' AND u.edit = e.id)"
_STATUS = f"CASE WHEN e.status = 'accepted' AND {_UNDONE} THEN 'undone' ELSE e.status END"
_COLUMNS = ", ".join(f"{_STATUS} AS status" if name == "status" else f"e.{name}" for name in EDIT)


_ADVICE = {
    ("locked", "busy"): "another process is writing; let it finish and try again",
    ("disk is full",): "the disk is full and nothing of this step was written; make room and run again",
    ("not a database", "malformed"): "not a ledger, or damaged; restore it from a copy or name another file",
    ("readonly", "unable to open"): "cannot be opened for writing; check the folder and its permissions",
}


@dataclass(frozen=True)
class Selector:
    """Which edits: every field that is given has to match; a tuple matches any of its values.

    ``confidence`` is an inclusive (min, max) in [0, 1], either end None; ``status`` is the current one.

    >>> Selector(task="topic", confidence=(None, 0.8)).task
    'topic'
    """

    task: str | Sequence[str] | None = None
    dataset: str | Sequence[str] | None = None
    action: str | Sequence[str] | None = None
    round: int | Sequence[int] | None = None
    row: str | Sequence[str] | None = None
    position: str | Sequence[str] | None = None
    confidence: tuple[float | None, float | None] = (None, None)
    status: str | Sequence[str] | None = None


class Ledger:
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

    def __init__(self, path: str | Path, *, create: bool = True, wait: float = 5.0) -> None:
        self.path = Path(path)
        memory = str(path) == ":memory:"
        if not memory and not create and not self.path.is_file():
            raise RunError(f"{path}: no such ledger; name the folder of a run that has recorded a round")
        with self._guard():
            self._db = sqlite3.connect(str(path), timeout=wait, isolation_level=None)
        try:
            with self._guard():
                self._open(memory)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; the ledger cannot be used afterwards."""
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
            text = json.dumps(_plain(facts), ensure_ascii=False, sort_keys=True)
            db.execute("INSERT INTO round VALUES (?, ?, ?)", (int(round), text, _now()))
            for table, record, names in (("issue", issues, ISSUE), ("edit", edits, EDIT)):
                names = tuple(name for name in names if name != "round")
                rows = zip(*(getattr(record, name).tolist() for name in names), strict=True)
                _insert(db, table, round, names, rows)
            found = [(n, bool(v.accepted), bool(v.progress), v.reason, _tasks_text(v)) for n, v in verdicts]
            _insert(db, "verdict", round, VERDICT, found)
        return True

    def rounds(self) -> tuple[int, ...]:
        """The rounds that are recorded, in order."""
        return tuple(r for (r,) in self._rows("SELECT round FROM round ORDER BY round"))

    def issues(self, round: int | None = None) -> Issues:
        """The issues of one round, or of all."""
        where, values = ("WHERE round = ?", (int(round),)) if round is not None else ("", ())
        sql = f"SELECT {', '.join(ISSUE)} FROM issue {where} ORDER BY round, id"
        return self._record(Issues, sql, values)

    def edits(
        self, *, round: int | None = None, status: str | None = None, where: Selector | None = None
    ) -> Edits:
        """Edits with their current status, in the order they were recorded."""
        return self._edits(*_where(where or Selector(), round=round, status=status))

    def accepted(self, round: int | None = None) -> Edits:
        """Edits in force after ``round`` (None: the last); the dataset is the base plus these, in order."""
        condition, values = _where(Selector(status="accepted"))
        if round is not None:
            condition, values = f"{condition} AND e.round <= ?", [*values, int(round)]
        return self._edits(condition, values)

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
        condition, values = _where(selector)
        rows = self._rows(f"SELECT e.id FROM edit e {condition} ORDER BY e.round, e.id", values)
        return np.array([i for (i,) in rows], dtype=np.int64)

    def undo(self, selector: Selector, *, note: str = "") -> int:
        """Take back the accepted edits that match, by compensating entries; how many there were.

        Undoing twice does nothing the second time.
        """
        condition, values = _where(selector, status="accepted")
        with self._transaction() as db:
            sql = "INSERT INTO entry (kind, edit, note, written) SELECT 'undo', e.id, ?, ? FROM edit e"
            return int(db.execute(f"{sql} {condition} ORDER BY e.id", [note, _now(), *values]).rowcount)

    def diff(self, round_a: int, round_b: int) -> Edits:
        """Net changes between the states after two rounds, one edit per address and kind of change.

        ``old`` is the label before the first change, ``new`` that after the last; what came back to where it
        was is left out. The earlier round is taken first, whichever order they are named in.
        """
        first, last = sorted((int(round_a), int(round_b)))
        sort = "CASE WHEN e.action IN ('relabel', 'fill') THEN 'label' ELSE e.action END"
        address = "e.dataset, e.row, e.task, e.position, e.annotator"
        columns = _COLUMNS.replace("e.old", "f.old AS old")
        sql = f"""
            WITH net AS (SELECT MIN(e.id) AS first, MAX(e.id) AS last FROM edit e
              WHERE e.status = 'accepted' AND e.round > ? AND e.round <= ? AND NOT {_UNDONE}
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
        verdicts = [{**v, "tasks": json.dumps(_plain(v["tasks"]))} for v in self.verdicts()]
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
            digest.update(repr((r, json.dumps(_steady(json.loads(facts)), sort_keys=True))).encode())
        entry = "n.kind, n.dataset, n.row, n.task, n.position, n.annotator, n.value, n.reviewer, n.note"
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

    def _open(self, memory: bool) -> None:
        db = self._db
        # Otherwise INSERT OR REPLACE deletes without asking the triggers.
        db.execute("PRAGMA recursive_triggers = ON")
        if self._version() is None:
            with self._transaction():
                self._create()
        if (version := self._version()) != VERSION:
            raise RunError(
                f"{self.path}: a ledger of version {version}, this jointset reads {VERSION}; update jointset"
            )
        if not memory:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")

    def _version(self) -> int | None:
        """The version of the ledger's tables; None when the file is not marked as a ledger."""
        mark, version = (
            self._db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("application_id", "user_version")
        )
        return int(version) if mark == APPLICATION else None

    def _create(self) -> None:
        if self._version() is not None:
            return  # another process was first
        if self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise RunError(f"{self.path}: a database, but not a ledger; name another file")
        marks = (f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {VERSION}")
        for statement in (*_TABLES.strip().split(";\n"), *_GUARDS, *marks):
            self._db.execute(statement)

    def _edits(self, condition: str, values: Sequence[Any]) -> Edits:
        sql = f"SELECT {_COLUMNS} FROM edit e {condition} ORDER BY e.round, e.id"
        return self._record(Edits, sql, values)

    def _record(self, kind: type[Found], sql: str, values: Sequence[Any] = ()) -> Found:
        """A columnar record, read by chunks so that few Python objects live at a time."""
        parts = []
        with self._guard():
            cursor = self._db.execute(sql, values)
            while rows := cursor.fetchmany(CHUNK):
                found = {}
                for f, column in zip(fields(kind), zip(*rows, strict=True), strict=True):
                    found[f.name] = np.empty(len(rows), dtype=f.metadata["dtype"])
                    found[f.name][:] = column
                parts.append(kind(**found))
        return kind.concat(parts)

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._guard():
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite has already rolled back after some errors
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Turn SQLite's errors into one line that says what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            advice = next((a for words, a in _ADVICE.items() if any(w in text for w in words)), None)
            if advice is None:
                raise
            raise RunError(f"{self.path}: {advice} (SQLite: {text})") from error


def _where(
    selector: Selector, *, round: int | None = None, status: str | None = None
) -> tuple[str, list[Any]]:
    """The WHERE clause of a selector over ``edit e``, and its values."""
    parts: list[str] = []
    values: list[Any] = []
    for name in ("task", "dataset", "action", "round", "row", "position"):
        wanted = getattr(selector, name)
        if wanted is not None:
            _match(f"e.{name}", wanted, parts, values)
    for sign, bound in zip((">=", "<="), selector.confidence, strict=True):
        if bound is not None:
            parts.append(f"e.confidence {sign} ?")
            values.append(float(bound))
    if round is not None:
        _match("e.round", round, parts, values)
    for wanted in (selector.status, status):
        if wanted is not None:
            names = [wanted] if isinstance(wanted, str) else list(wanted)
            tests = [_status_test(name) for name in names]
            parts.append(f"({' OR '.join(tests) or '0'})")
    return (f"WHERE {' AND '.join(parts)}" if parts else "WHERE 1"), values


def _status_test(status: str) -> str:
    if status not in STATUSES:
        raise RunError(f"no status is called {status!r}; known: {', '.join(STATUSES)}")
    if status == "undone":
        return f"(e.status = 'accepted' AND {_UNDONE})"
    return f"(e.status = 'accepted' AND NOT {_UNDONE})" if status == "accepted" else f"e.status = '{status}'"


def _match(column: str, wanted: Any, parts: list[str], values: list[Any]) -> None:
    single = isinstance(wanted, (str, int, np.integer))
    many = [v.item() if isinstance(v, np.generic) else v for v in ([wanted] if single else wanted)]
    # One JSON value instead of many parameters, whose number SQLite limits.
    parts.append(f"{column} = ?" if single else f"{column} IN (SELECT value FROM json_each(?))")
    values.append(many[0] if single else json.dumps(many))


def _insert(
    db: sqlite3.Connection, table: str, round: int, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    marks = ", ".join("?" * len(names))
    db.executemany(f"INSERT INTO {table} (round, {', '.join(names)}) VALUES ({int(round)}, {marks})", rows)


def _tasks_text(verdict: Verdict) -> str:
    return json.dumps(_plain([asdict(t) for t in verdict.tasks]), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """JSON values: NumPy scalars and arrays unpacked, undefined numbers as null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _steady(value: Any) -> Any:
    """Facts without what differs between two identical runs."""
    if isinstance(value, dict):
        steady = (k for k in value if k not in VOLATILE and not k.endswith(("_seconds", "_at")))
        return {k: _steady(value[k]) for k in steady}
    return [_steady(v) for v in value] if isinstance(value, list) else value


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")

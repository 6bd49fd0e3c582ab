"""An open ledger file: transactions, reading by chunks, and SQLite's errors as advice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from jointset.errors import RunError
from jointset.ledger.schema import APPLICATION, CHUNK, GUARDS, TABLES, UPGRADES, VERSION
from jointset.records import Columns

Found = TypeVar("Found", bound=Columns)
Self = TypeVar("Self", bound="Connection")

_ADVICE = {
    ("locked", "busy"): "another process is writing; let it finish and try again",
    ("disk is full",): "the disk is full and nothing of this step was written; make room and run again",
    ("not a database", "malformed"): "not a ledger, or damaged; restore it from a copy or name another file",
    ("readonly", "unable to open"): "cannot be opened for writing; check the folder and its permissions",
}


class Connection:
    """The file of a ledger; a context manager that closes it."""

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

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, memory: bool) -> None:
        db = self._db
        # Otherwise INSERT OR REPLACE deletes without asking the triggers.
        db.execute("PRAGMA recursive_triggers = ON")
        if self._version() is None:
            with self._transaction():
                self._create()
        if self._version() in UPGRADES:
            with self._transaction():
                self._upgrade()
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
        for statement in (*TABLES.strip().split(";\n"), *GUARDS, *marks):
            self._db.execute(statement)

    def _upgrade(self) -> None:
        version = self._version()
        while version in UPGRADES:  # another process may have been first
            for statement in UPGRADES[version]:
                self._db.execute(statement)
            version += 1
            self._db.execute(f"PRAGMA user_version = {version}")

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

"""The tables of a ledger, what guards them, and how an older ledger is brought up to date."""

from __future__ import annotations

from dataclasses import fields

from jointset.records import Edits, Issues

APPLICATION = 0x6A736C64  # marks the file as a ledger: "jsld"
VERSION = 2  # 2: human decisions carry verb, given label and batch
VERDICT = ("name", "accepted", "progress", "reason", "tasks")
ISSUE = tuple(f.name for f in fields(Issues))
EDIT = tuple(f.name for f in fields(Edits))
CHUNK = 10_000
VOLATILE = ("seconds", "started", "finished", "time", "peak_memory_bytes")

LOOKUPS = """CREATE INDEX IF NOT EXISTS issue_row ON issue (row);
CREATE INDEX IF NOT EXISTS entry_row ON entry (row) WHERE kind = 'decision';
CREATE INDEX IF NOT EXISTS entry_retract ON entry (batch) WHERE verb = 'retract'"""

TABLES = f"""
CREATE TABLE round (round INTEGER PRIMARY KEY, facts TEXT NOT NULL, written TEXT NOT NULL);
CREATE TABLE issue (id INTEGER PRIMARY KEY, round INTEGER NOT NULL, {", ".join(ISSUE)});
CREATE TABLE edit (id INTEGER PRIMARY KEY, {", ".join(EDIT)});
CREATE TABLE verdict (id INTEGER PRIMARY KEY, round INTEGER NOT NULL, {", ".join(VERDICT)});
CREATE TABLE entry (id INTEGER PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('undo', 'decision')),
  edit INTEGER REFERENCES edit (id), dataset TEXT, row TEXT, task TEXT, position TEXT, annotator TEXT,
  value TEXT, reviewer TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', written TEXT NOT NULL,
  verb TEXT NOT NULL DEFAULT '', given TEXT NOT NULL DEFAULT '', batch INTEGER NOT NULL DEFAULT 0,
  CHECK (kind = 'decision' OR edit IS NOT NULL));
CREATE INDEX issue_round ON issue (round);
CREATE INDEX edit_cell ON edit (task, dataset, action, status);
CREATE INDEX edit_row ON edit (row);
CREATE INDEX edit_round ON edit (round);
CREATE UNIQUE INDEX entry_undo ON entry (edit) WHERE kind = 'undo';
{LOOKUPS}
"""
GUARDS = tuple(
    f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;"
    for table in ("round", "issue", "edit", "verdict", "entry")
    for verb in ("UPDATE", "DELETE")
)

# Columns and indexes only: nothing that stands is changed, so the guards stay as they are.
UPGRADES = {
    1: (
        "ALTER TABLE entry ADD COLUMN verb TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE entry ADD COLUMN given TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE entry ADD COLUMN batch INTEGER NOT NULL DEFAULT 0",
        *LOOKUPS.split(";\n"),
    )
}

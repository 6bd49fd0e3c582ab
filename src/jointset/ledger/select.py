"""Which edits: selectors, and the SQL that they and the statuses become."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.errors import RunError
from jointset.ledger.schema import EDIT
from jointset.records import STATUSES

UNDONE = "EXISTS (SELECT 1 FROM entry u WHERE u.kind = 'undo' AND u.edit = e.id)"
STATUS = f"CASE WHEN e.status = 'accepted' AND {UNDONE} THEN 'undone' ELSE e.status END"
COLUMNS = ", ".join(f"{STATUS} AS status" if name == "status" else f"e.{name}" for name in EDIT)


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


def condition_of(
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
        return f"(e.status = 'accepted' AND {UNDONE})"
    return f"(e.status = 'accepted' AND NOT {UNDONE})" if status == "accepted" else f"e.status = '{status}'"


def _match(column: str, wanted: Any, parts: list[str], values: list[Any]) -> None:
    single = isinstance(wanted, (str, int, np.integer))
    many = [v.item() if isinstance(v, np.generic) else v for v in ([wanted] if single else wanted)]
    # One JSON value instead of many parameters, whose number SQLite limits.
    parts.append(f"{column} = ?" if single else f"{column} IN (SELECT value FROM json_each(?))")
    values.append(many[0] if single else json.dumps(many))

"""Small tables for notebooks: what ``repr`` says, laid out and escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

MOST = 50  # rows shown


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]], below: str = "") -> str:
    """One HTML table with a line above and one below; everything is escaped, and beyond 50 rows it says how many more.

    >>> table("a < b", ["n"], [[1]])[:43]
    '<div><strong>a &lt; b</strong><table><thead'
    """
    more = f"<tr><td>… {len(rows) - MOST:,} more</td></tr>" if len(rows) > MOST else ""
    head = "".join(f"<th>{escape(str(h))}</th>" for h in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in rows[:MOST]
    )
    return (
        f"<div><strong>{escape(title)}</strong>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}{more}</tbody></table>"
        + (f"<p>{escape(below)}</p>" if below else "")
        + "</div>"
    )


def brief(value: object, most: int = 60) -> str:
    """A cell in a few characters; media by their size.

    >>> brief(b"123"), brief(1.5), brief("a" * 61)[-2:]
    ('3 bytes', '1.5', 'a…')
    """
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    text = " ".join(str(value).split())
    return text if len(text) <= most else text[:most] + "…"


def of_project(name: str, settings: Mapping[str, Any]) -> str:
    """The grid of a project: which dataset labels which task, of which kind, in which column."""
    datasets, tasks = settings["datasets"], settings["tasks"]
    rows = [
        [d, *(f"{t['kind']}: {t['labels'][d]}" if d in t["labels"] else "·" for t in tasks.values())]
        for d in datasets
    ]
    return table(f"Project {name}", ["dataset", *tasks], rows)


def of_run(summary: Mapping[str, Any] | None) -> tuple[list[list[str]], str]:
    """Per task what became of it, and the counts of edits; no rows while there is no summary.

    >>> of_run(None)
    ([], 'not finished; repeat jointset run to go on')
    """
    if summary is None:
        return [], "not finished; repeat jointset run to go on"
    rows = []
    for name, task in summary["tasks"].items():
        judged = task["verdict"] != "not judged"
        change = f"{task['before']:.3f} → {task['after']:.3f}" if judged else "–"
        rows.append([name, task["metric"], change, task["verdict"]])
    edits, rounds = summary["edits"], summary["rounds"]
    counts = ", ".join(f"{edits[k]:,} {k}" for k in ("proposed", "accepted", "rejected", "undone"))
    return rows, f"{rounds} round{'' if rounds == 1 else 's'}; edits: {counts}"

"""Small tables for notebooks: what ``repr`` says, laid out and escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

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

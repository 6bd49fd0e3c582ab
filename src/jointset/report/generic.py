"""Facts of any shape as tables: matrices coloured, lists of records as rows; bounded whatever their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from jointset.report.html import element, join, note, short, table

MOST_ROWS = 30
MOST_COLUMNS = 16
MOST_DEPTH = 5


def render(value: Any, name: str = "", depth: int = 0) -> Markup:
    """A fact as HTML.

    >>> str(render({"rows": 3}))
    '<dl><div><dt>rows</dt><dd>3</dd></div></dl>'
    """
    if depth > MOST_DEPTH:
        return join([short(value)])
    if isinstance(value, Mapping):
        return _mapping(value, name, depth)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _sequence(value, name, depth)
    return join([_scalar(value)])


def heat(
    matrix: Sequence[Sequence[Any]],
    rows: Sequence[Any],
    columns: Sequence[Any],
    caption: str,
    corner: str = "",
    *,
    whole: bool = False,
    tinted: tuple[float, float] | None = None,
) -> Markup:
    """A matrix as a table whose cells are tinted by their share of the largest entry.

    ``tinted`` are a value without a tint and one with all of it instead.
    """
    most = (
        max((abs(v) for row in matrix for v in row if isinstance(v, (int, float)) and v == v), default=1) or 1
    )
    none, full = tinted or (0.0, most)
    shown = []
    for label, row in list(zip(rows, matrix, strict=True))[:MOST_ROWS]:
        cells = [short(label, 24)]
        for v in row[:MOST_ROWS]:
            known = isinstance(v, (int, float)) and v == v
            text = "–" if not known else f"{v:,.0f}" if whole else f"{v:.2f}"
            share = ((v if tinted else abs(v)) - none) / (full - none) if known else 0.0
            tint = round(100 * min(max(share, 0.0), 1.0))
            cells.append(element("span", text, class_="heat", style=f"--t:{tint}%"))
        shown.append(cells)
    found = table([corner, *(short(c, 16) for c in columns[:MOST_ROWS])], shown, caption=caption)
    cut = note(f"The first {MOST_ROWS} of {len(rows)} are shown.") if len(rows) > MOST_ROWS else None
    return join([found, cut])


def _mapping(value: Mapping[str, Any], name: str, depth: int) -> Markup:
    if not value:
        return join(["none"])
    inner = list(value.values())
    if all(isinstance(v, Mapping) for v in inner) and len(value) > 1 and _flat(inner):
        keys = list(dict.fromkeys(k for v in inner for k in v))[:MOST_COLUMNS]
        rows = [
            [short(k, 40), *(_scalar(v.get(key)) for key in keys)] for k, v in list(value.items())[:MOST_ROWS]
        ]
        return join([table(["", *keys], rows, caption=name or "facts"), _cut(len(value))])
    items = [
        element("div", element("dt", short(k, 60)), element("dd", render(v, str(k), depth + 1)))
        for k, v in list(value.items())[:MOST_ROWS]
    ]
    return join([element("dl", items), _cut(len(value))])


def _sequence(value: Sequence[Any], name: str, depth: int) -> Markup:
    if value and all(isinstance(v, Mapping) for v in value) and _flat(value):
        keys = list(dict.fromkeys(k for v in value for k in v))[:MOST_COLUMNS]
        rows = [[_scalar(v.get(k)) for k in keys] for v in value[:MOST_ROWS]]
        return join([table(keys, rows, caption=name or "facts"), _cut(len(value))])
    if value and all(isinstance(v, Sequence) and not isinstance(v, str) for v in value):
        if all(isinstance(x, (int, float, type(None))) for v in value for x in v):
            return heat(value, range(len(value)), range(max(map(len, value))), name or "matrix")
        return join(
            [
                element("ul", [element("li", render(v, name, depth + 1)) for v in value[:MOST_ROWS]]),
                _cut(len(value)),
            ]
        )
    return join(
        [", ".join(str(_scalar(v)) for v in value[:MOST_ROWS]), " …" if len(value) > MOST_ROWS else ""]
    )


def _flat(records: Sequence[Mapping[str, Any]]) -> bool:
    return all(not isinstance(x, (Mapping, list, tuple)) for v in records for x in v.values())


def _scalar(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else short(value, 160)


def _cut(n: int) -> Markup | None:
    return note(f"The first {MOST_ROWS} of {n:,} are shown.") if n > MOST_ROWS else None

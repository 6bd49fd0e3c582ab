"""HTML out of Python, safe by construction: every text is escaped unless it was made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup, escape

VOID = ("br", "img", "meta", "link", "input")


def element(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element; ``class_`` stands for class, ``_`` in a name for ``-``; attributes of None or False are left out.

    >>> element("p", "1 < 2", class_="note")
    Markup('<p class="note">1 &lt; 2</p>')
    """
    found = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        found.append(
            Markup(" {}").format(key) if value is True else Markup(' {}="{}"').format(key, str(value))
        )
    opened = Markup("<{}{}>").format(Markup(name), Markup("").join(found))
    return opened if name in VOID else opened + join(children) + Markup("</{}>").format(Markup(name))


def join(children: Iterable[Any], between: Any = "") -> Markup:
    """Children one after another; None is left out, lists are opened up.

    >>> join(["a", None, ["<", "b"]])
    Markup('a&lt;b')
    """
    flat: list[Any] = []
    for child in children:
        if isinstance(child, (list, tuple)):
            flat.append(join(child))
        elif child is not None:
            flat.append(child)
    return escape(between).join(escape(c) for c in flat)


def bounded(parts: Iterable[Any], most: int = 200_000) -> Markup:
    """Parts one after another as long as they stay within ``most`` characters; a note says how many were left out."""
    shown: list[Markup] = []
    size = left = 0
    for part in parts:
        made = join([part])
        size += len(made)
        if size > most:
            left += 1
            size -= len(made)
        else:
            shown.append(made)
    cut = (
        note(f"{left} more are left out, so that the page stays small; the ledger has them.")
        if left
        else None
    )
    return join([*shown, cut])


def table(
    head: Sequence[Any], rows: Iterable[Sequence[Any]], *, caption: str = "", text: Sequence[int] = (0,)
) -> Markup:
    """A table that scrolls sideways where it is too wide; columns in ``text`` are set left, the others as figures."""
    body = [
        element(
            "tr",
            [
                element(
                    "th" if i == 0 else "td", cell, scope="row" if i == 0 else None, class_=_side(i, text)
                )
                for i, cell in enumerate(row)
            ],
        )
        for row in rows
    ]
    heading = element(
        "tr", [element("th", h, scope="col", class_=_side(i, text)) for i, h in enumerate(head)]
    )
    shown = element("table", element("caption", caption) if caption else None, element("thead", heading))
    shown = shown.replace(Markup("</table>"), element("tbody", body) + Markup("</table>"))
    return element("div", shown, class_="scroll", tabindex="0", role="region", aria_label=caption or "table")


def chip(text: str, kind: str = "") -> Markup:
    """A short word in a frame; ``kind`` is good, bad or nothing."""
    return element("span", text, class_=f"chip {kind}".strip())


def paragraph(*children: Any) -> Markup:
    """A paragraph."""
    return element("p", *children)


def note(*children: Any) -> Markup:
    """A paragraph in small type."""
    return element("p", *children, class_="note")


def short(value: Any, most: int = 60) -> str:
    """A text cut to a length, with its first and last part kept; control characters are taken out.

    >>> short("abcdefghij", 6)
    'abcd…j'
    """
    text = "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in str(value)[: 4 * most + 100])
    whole = len(str(value)) <= 4 * most + 100
    if len(text) <= most and whole:
        return text
    tail = max(most // 5, 1) if whole else 0
    return text[: most - 1 - tail] + "…" + (text[-tail:] if tail else "")


def number(value: Any, digits: int = 3, *, sign: bool = False) -> str:
    """A figure, or a dash where there is none.

    >>> number(0.12345), number(None), number(0.5, sign=True)
    ('0.123', '–', '+0.500')
    """
    if value is None or value != value:
        return "–"
    return f"{value:{'+' if sign else ''}.{digits}f}"


def share(value: Any) -> str:
    """A share as per cent.

    >>> share(0.125)
    '12.5 %'
    """
    return "–" if value is None or value != value else f"{100 * value:.1f} %"


def _side(column: int, text: Sequence[int]) -> str | None:
    return None if column in text else "n"

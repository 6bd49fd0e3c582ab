"""Small charts as inline SVG; colours come from the page, so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from jointset.report.html import element, join, number, short

WIDTH = 640
LETTER = 6.6  # mean width of one in a chart's text


def changes(rows: Sequence[tuple[str, float, float, float, float, str]]) -> Markup:
    """Before and after per task, each with the interval of the change: (name, before, after, low, high, outcome).

    ``low`` and ``high`` are of the improvement, drawn around the point after.
    """
    values = [
        v
        for _, before, after, low, high, _ in rows
        for v in (before, after, *_ends(before, after, low, high))
    ]
    scale = _scale(values, 190, WIDTH - 20)
    parts = []
    for i, (name, before, after, low, high, outcome) in enumerate(rows):
        y = 24 + 34 * i
        ends = _ends(before, after, low, high)
        tip = f"{name}: {number(before)} before, {number(after)} after, change within {number(low, sign=True)} … "
        parts += [
            element("text", short(name, 24), x=0, y=y + 4),
            element("line", x1=scale(ends[0]), x2=scale(ends[1]), y1=y, y2=y, class_="band"),
            element("line", x1=scale(before), x2=scale(after), y1=y, y2=y, class_="move"),
            element("circle", cx=scale(before), cy=y, r=5, class_="before"),
            element(
                "circle",
                element("title", f"{tip}{number(high, sign=True)}: {outcome}"),
                cx=scale(after),
                cy=y,
                r=6,
                class_=f"after {outcome.replace(' ', '-')}",
            ),
        ]
    height = 34 * len(rows) + 34
    parts += _axis(scale, values, height - 14)
    return _picture(parts, height, "held-out score of every task before (hollow) and after (filled)")


def calibration(points: Sequence[tuple[float, float, int]], name: str) -> Markup:
    """Said against found: (mean confidence, share right, rows) per bin, with the diagonal; areas show rows."""
    side, pad = 260, 34
    most = max((n for _, _, n in points), default=1)

    def at(x: float, y: float) -> tuple[float, float]:
        return round(pad + x * (side - 2 * pad), 1), round(side - pad - y * (side - 2 * pad), 1)

    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    path = " ".join(f"{x},{y}" for x, y in (at(c, r) for c, r, _ in points))
    parts: list[Any] = [
        element("text", short(name, 30), x=pad, y=16, class_="name"),
        element("line", x1=x0, y1=y0, x2=x1, y2=y1, class_="axis"),
        element("polyline", points=path, class_="line"),
    ]
    for said, right, n in points:
        x, y = at(said, right)
        radius = round(2 + 6 * (n / most) ** 0.5, 1)
        title = element("title", f"said {said:.0%}, right {right:.0%}, {n:,} rows")
        parts.append(element("circle", title, cx=x, cy=y, r=radius, class_="after"))
    for tick in (0.0, 0.5, 1.0):
        parts.append(element("text", f"{tick:g}", x=at(tick, 0)[0], y=side - 14, text_anchor="middle"))
        parts.append(element("text", f"{tick:g}", x=pad - 6, y=at(0, tick)[1] + 4, text_anchor="end"))
    return _picture(parts, side, f"{name}: how sure it was (across) and how often right (up)", width=side)


def bars(rows: Sequence[tuple[str, Sequence[float], str]], kinds: Sequence[str], label: str) -> Markup:
    """Stacked bars, one per row: (name, lengths, what it says); ``kinds`` are classes of the parts."""
    most = max((sum(lengths) for _, lengths, _ in rows), default=1) or 1
    room = WIDTH - 210 - LETTER * max((len(says) for _, _, says in rows), default=0)
    parts = []
    for i, (name, lengths, says) in enumerate(rows):
        y, x = 6 + 24 * i, 190.0
        parts.append(element("text", short(name, 26), x=0, y=y + 13))
        for kind, length in zip(kinds, lengths, strict=True):
            wide = round(length / most * max(room, 60), 1)
            title = element("title", f"{name}: {kind} {length:,.4g}")
            parts.append(
                element("rect", title, x=round(x, 1), y=y, width=wide, height=16, class_=f"bar {kind}")
            )
            x += wide
        parts.append(element("text", says, x=round(x + 8, 1), y=y + 13))
    return join([_picture(parts, 24 * len(rows) + 12, label), _legend(kinds) if len(kinds) > 1 else None])


def curve(samples: np.ndarray, label: str, width: int = 240, height: int = 48) -> Markup:
    """The envelope of a sound, ``(n,)`` in [-1, 1]."""
    slots = np.array_split(samples, min(width // 2, max(len(samples), 1)))
    top = [(float(s.max()), float(s.min())) if len(s) else (0.0, 0.0) for s in slots]
    middle = height / 2
    points = [f"{2 * i},{middle - middle * hi:.1f}" for i, (hi, _) in enumerate(top)]
    points += [f"{2 * i},{middle - middle * lo:.1f}" for i, (_, lo) in reversed(list(enumerate(top)))]
    return _picture([element("polygon", points=" ".join(points), class_="wave")], height, label, width=width)


def _legend(kinds: Sequence[str]) -> Markup:
    def swatch(kind: str) -> Markup:
        square = element("rect", width=12, height=12, class_=f"bar {kind}")
        return element("svg", square, viewBox="0 0 12 12", class_="swatch", aria_hidden="true")

    return element("p", [element("span", swatch(k), f" {k} ") for k in kinds], class_="note legend")


def _ends(before: float, after: float, low: float, high: float) -> tuple[float, float]:
    sign = 1.0 if (after - before) * ((low + high) / 2) >= 0 else -1.0
    return before + sign * low, before + sign * high


def _scale(values: Sequence[float], start: float, end: float) -> Any:
    finite = [v for v in values if v == v] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    pad = 0.05 * (high - low) or 0.05
    low, high = low - pad, high + pad
    return lambda v: round(start + (min(max(v, low), high) - low) / (high - low) * (end - start), 1)


def _axis(scale: Any, values: Sequence[float], y: float) -> list[Markup]:
    finite = [v for v in values if v == v] or [0.0, 1.0]
    ticks = np.linspace(min(finite), max(finite), 5)
    return [
        element("text", f"{t:.3g}", x=scale(t), y=y + 8, text_anchor="middle", class_="tick") for t in ticks
    ]


def _picture(parts: Sequence[Any], height: float, label: str, *, width: float = WIDTH) -> Markup:
    drawn = element(
        "svg", element("title", label), list(parts), viewBox=f"0 0 {width} {height}", role="img", aria_label=label,
        width=width, class_="chart",
    )  # fmt: skip
    if width < WIDTH:
        return drawn
    # Shrunk to a phone's width its words could not be read, so it scrolls there.
    return element("div", drawn, class_="scroll", tabindex="0", role="region", aria_label=f"chart: {label}")

"""The paths of the toy problems as one small SVG: a panel a method."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZE, GAP, TITLE, COLUMNS, CELLS = 104, 10, 15, 8, 26
COLOURS = ("#0b6e99", "#b3541e", "#5a3d8c", "#1d7a4c", "#a3195b")


def draw(problem: Any, rows: list[dict[str, Any]], reached: float) -> str:
    """Panels with the height of the mean loss in grey, the front in black, and one coloured path a start."""
    count = -(-len(rows) // COLUMNS)
    width, height = COLUMNS * (SIZE + GAP) + GAP, count * (SIZE + TITLE + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="10">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<defs><clipPath id="c"><rect width="{SIZE}" height="{SIZE}"/></clipPath>',
        f'<g id="g">{_ground(problem)}</g></defs>',
    ]
    for i, row in enumerate(rows):
        x, y = GAP + i % COLUMNS * (SIZE + GAP), GAP + i // COLUMNS * (SIZE + TITLE + GAP)
        parts.append(f'<g transform="translate({x} {y})">{_panel(problem, row, reached)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(problem: Any, row: dict[str, Any], reached: float) -> str:
    hits = sum(e < reached for e in row["excess"])
    parts = [
        f'<text y="10">{row["method"]}</text>',
        f'<text x="{SIZE}" y="10" text-anchor="end" fill="#666">{hits}/{len(row["excess"])}</text>',
        f'<g transform="translate(0 {TITLE})"><use href="#g"/><g clip-path="url(#c)" fill="none">',
    ]
    for path, colour in zip(row["paths"], COLOURS, strict=True):
        points = _points(problem, np.array(path))
        end = points.rsplit(" ", 1)[-1].split(",")
        start = points.split(" ", 1)[0].split(",")
        parts.append(f'<polyline points="{points}" stroke="{colour}" stroke-width="1.2"/>')
        parts.append(f'<circle cx="{start[0]}" cy="{start[1]}" r="1.8" stroke="{colour}" fill="#fff"/>')
        parts.append(f'<circle cx="{end[0]}" cy="{end[1]}" r="2.2" fill="{colour}"/>')
    return "".join([*parts, "</g></g>"])


def _ground(problem: Any) -> str:
    """Cells shaded by the rank of the mean loss in them, once for all panels, and the front."""
    left, right, low, high = problem.window
    middle = (np.arange(CELLS) + 0.5) / CELLS
    grid = np.stack(np.meshgrid(left + middle * (right - left), high - middle * (high - low)), axis=-1)
    losses = problem.losses(grid)
    losses = (losses / losses.std(axis=(0, 1))).mean(axis=-1)
    rank = losses.ravel().argsort().argsort().reshape(losses.shape) / losses.size
    step = SIZE / CELLS
    cells = []
    for shade in range(10):  # one path a shade
        inside = np.argwhere((rank * 10).astype(int) == shade)
        moves = "".join(
            f"M{c * step:.1f} {r * step:.1f}h{step:.1f}v{step:.1f}h-{step:.1f}z" for r, c in inside
        )
        grey = 205 + 5 * shade
        cells.append(f'<path d="{moves}" fill="rgb({grey},{grey},{grey})"/>')
    front = _points(problem, problem.front()[::8])
    return "".join([*cells, f'<polyline points="{front}" fill="none" stroke="#000" stroke-width="2"/>'])


def _points(problem: Any, path: np.ndarray) -> str:
    left, right, low, high = problem.window
    x = (path[:, 0] - left) / (right - left) * SIZE
    y = (high - path[:, 1]) / (high - low) * SIZE
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))

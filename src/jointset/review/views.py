"""What the pages show: a list of lines, an item, its pictures and sounds."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jointset.data.media.sounds import wav
from jointset.errors import DataError, MissingExtra
from jointset.report import media, svg
from jointset.report.rows import Rows
from jointset.review.blind import Check
from jointset.review.desk import PAGE, Desk
from jointset.review.forms import to_query
from jointset.review.items import Item, recipe_of
from jointset.review.queue import ADD, CHECK, ORDERS, Filters

ALIKE = 120  # characters of a neighbour's texts or cells
SIDES = {"thumb": 64, "image": 512, "full": 4096}  # the most pixels a side of a picture has


def queue(desk: Desk, filters: Filters, key: int | None, page: int, reviewer: str) -> dict[str, Any]:
    """The list, the counts and the filters; without a page, the one that the item of the key is on."""
    check = desk.checks.of(reviewer, key)
    order = desk.queue.ordered(filters)
    index = desk.index(check.resume if check else key) if key is not None else -1
    if not page and index >= 0:
        at = (order == index).nonzero()[0]
        page = int(at[0]) // PAGE + 1 if len(at) else 1
    if check is None and index >= 0:
        key = int(desk.queue.key[index])
    pages = max(1, -(-len(order) // PAGE))
    page = min(max(page, 1), pages)
    lines = [_line(desk, int(i)) for i in order[(page - 1) * PAGE : page * PAGE]]
    if check is not None and key is not None:
        _put_in(desk, lines, check, key)
    return {
        "filters": filters, "facets": desk.queue.facets(filters), "lines": lines, "count": len(order), "page": page,
        "pages": pages, "key": key, "orders": ORDERS, "total": len(desk.queue), "query": to_query(filters),
    }  # fmt: skip


def item(desk: Desk, index: int | None) -> dict[str, Any]:
    """An item with its waveforms, and why a picture or a sound cannot be shown."""
    return (
        {"item": None, "seen": desk.queue.entry} if index is None else _facts(desk, index, desk.item(index))
    )


def blind(desk: Desk, reviewer: str, alias: int | None) -> dict[str, Any] | None:
    """The check that is open under a key, as an item; None without one."""
    check = desk.checks.of(reviewer, alias)
    made = desk.disguised(reviewer, alias) if check and alias is not None else None
    return _facts(desk, desk.index(check.key), made) if check and made else None


def medium(
    desk: Desk, index: int, kind: str, number: int, near: int | None = None
) -> tuple[bytes, str] | None:
    """A picture or a sound of an item, decoded and written anew, and its type; None where there is none.

    ``near`` is the place of another row that is shown in a small picture beside it. Only of columns that are inputs.
    Raises DataError, or MissingExtra, for what cannot be shown.
    """
    if near is not None and not (kind == "thumb" and 0 <= near < len(desk.rows)):
        return None
    data, row = desk.rows.dataset_at(int(desk.queue.place[index]) if near is None else near)
    columns = data.inputs.get("audio" if kind == "sound" else "image", ())
    if not 0 <= number < len(columns):
        return None
    if kind == "sound":
        sound = media.sound(data, columns[number], row)
        return None if sound is None else (wav(*sound), "audio/wav")
    picture = _picture(data, columns[number], row, SIDES[kind])
    return None if picture is None else (picture, "image/png")


def _facts(desk: Desk, index: int, made: Item) -> dict[str, Any]:
    data, row = desk.rows.dataset_at(int(desk.queue.place[index]))
    return {
        "item": made,
        "waves": [_wave(data, column, row) for column in made.sounds],
        "unshown": [_unshown(data, column, row) for column in made.images],
        "alike": [_alike(desk, n.place) for n in made.near],
        "reliable": desk.reliability(made.task, made.action),
        "seen": desk.queue.entry,
    }


@lru_cache(maxsize=4)  # the page asks whether it can be shown, then for the picture itself
def _picture(data: Rows, column: str, row: int, side: int) -> bytes | None:
    return media.image(data, column, row, side, enlarge=False)


def _alike(desk: Desk, place: int) -> tuple[bool, str]:
    """Whether a neighbour has a picture, and the beginning of its texts or cells."""
    data, row = desk.rows.dataset_at(place)
    said = [text for _, text in media.texts(data, row, ALIKE)]
    said += [f"{c.column} {c.value}" for c in media.cells(data, row) if c.value != ""] if not said else []
    return bool(data.inputs.get("image")), " · ".join(said)


def _unshown(data: Rows, column: str, row: int) -> str:
    """Why a picture cannot be shown, '' where it can; 'none' where there is none."""
    try:
        return "" if _picture(data, column, row, SIDES["image"]) is not None else "none"
    except (DataError, MissingExtra) as error:
        return str(error)


def _wave(data: Rows, column: str, row: int) -> tuple[str, str]:
    """The waveform of a sound, and why there is none."""
    try:
        sound = media.sound(data, column, row)
    except (DataError, MissingExtra) as error:
        return "", str(error)
    return (svg.curve(sound[0], column, width=480, height=72), "") if sound else ("", "none")


def _line(desk: Desk, index: int) -> dict[str, Any]:
    queue = desk.queue
    data, row = desk.rows.dataset_at(int(queue.place[index]))
    name = {n: queue.name(n, index) for n in ("task", "position", "action", "old", "new")}
    if name["action"] == ADD:
        name["new"] = ", ".join(recipe_of(data.name, data.ids[row].as_py(), name["new"]).operations)
    return {
        **name, "key": int(queue.key[index]), "row": data.ids[row].as_py(), "dataset": data.name,
        "confidence": float(queue.confidence[index]), "decided": int(queue.decided[index]),
        "flagged": bool(queue.flagged[index]),
    }  # fmt: skip


def _put_in(desk: Desk, lines: list[dict[str, Any]], check: Check, alias: int) -> None:
    """A line for an open check, before the item that it was put in before, as any item on the screen has one."""
    index = desk.index(check.key)
    if index < 0:
        return
    line = {**_line(desk, index), "key": alias, "decided": 0, "flagged": check.flagged}
    if line["action"] == CHECK:
        line["action"] = "relabel" if line["old"] else "fill"
    at = next((i for i, other in enumerate(lines) if other["key"] == check.resume), 0)
    lines.insert(at, line)
    del lines[PAGE:]

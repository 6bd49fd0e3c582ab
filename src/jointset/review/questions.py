"""The open items of the queue as questions for other programs, with their inputs in words and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np

from jointset.data.media.sounds import wav
from jointset.errors import DataError, MissingExtra
from jointset.records import Bools, Input, Ints, Question
from jointset.report import media
from jointset.report.rows import Rows
from jointset.review.desk import Desk
from jointset.review.items import Item
from jointset.review.queue import ADD, Filters, Queue

SIDE = 512  # pixels of a picture that is written for people
ASKED = ("relabel", "fill", "drop", "weight", "add", "check")

Save = Callable[[str, bytes], str]


def asked(desk: Desk, filters: Filters, *, derived: bool = True) -> Ints:
    """The items that match and can be asked about, in the order of the filters, ``(m,)``; one per label.

    Without ``derived``, edits that add a row are left out: labelling tools ask for labels, and these have none.
    """
    queue = desk.queue
    items = queue.ordered(filters)
    codes = [i for i, n in enumerate(queue.names["action"]) if n in ASKED and (derived or n != ADD)]
    return items[_latest(queue)[items] & np.isin(queue.codes["action"][items], codes)]


def questions(desk: Desk, items: Ints, save: Save) -> Iterator[Question]:
    """One question per item; ``save`` is given the name and the bytes of a picture or a sound, and returns its path.

    Text without the characters that tables and databases refuse (NUL).
    """
    precision = _expected_precision(desk, items)
    saved: dict[tuple[int, str], str] = {}
    for index in items.tolist():
        item = desk.item(index, brief=True)
        place = int(desk.queue.place[index])
        data, row = desk.rows.dataset_at(place)
        for column, modality in _media_columns(item):
            if (place, column) not in saved:
                saved[place, column] = _save(data, row, column, modality, save)
        paths = {(column, modality): saved[place, column] for column, modality in _media_columns(item)}
        task = desk.rows.tasks[item.task]
        given = data.given[task.name][row]
        known = {
            c: str(int(v)) for c, v in zip(task.classes, given, strict=True) if v >= 0
        } if task.kind == "multilabel" else {}  # fmt: skip
        yield Question(
            key=item.key,
            seen=desk.queue.entry,
            round=item.round,
            dataset=item.dataset,
            row=item.row,
            task=task,
            position=item.position,
            action=item.action,
            given=item.given,
            suggested=item.suggested,
            known=known,
            confidence=item.confidence,
            expected_precision=precision.get(item.key, float("nan")),
            inputs=tuple(_inputs(item, data, paths)),
            evidence=tuple((k, _plain(v)) for k, v in _evidence(item)),
        )


def _latest(queue: Queue) -> Bools:
    """The last item of every label, ``(n,)``: of edits in several rounds only that is asked about."""
    address = queue.place.astype(np.int64)
    for name in ("task", "position"):
        address = address * max(len(queue.names[name]), 1) + queue.codes[name]
    _, first = np.unique(address[::-1], return_index=True)
    last = np.zeros(len(queue), bool)
    last[len(queue) - 1 - first] = True
    return last


def _expected_precision(desk: Desk, items: Ints) -> dict[int, float]:
    keys = desk.queue.key[items]
    found = desk.ledger.scan(("expected_precision",), ids=keys[keys > 0].tolist())
    return {int(id): float(value) for id, value in chain.from_iterable(found)}


def _media_columns(item: Item) -> list[tuple[str, str]]:
    return [(c, "image") for c in item.images] + [(c, "audio") for c in item.sounds]


def _inputs(item: Item, data: Rows, paths: dict[tuple[str, str], str]) -> Iterator[Input]:
    """All input columns, in the same order for every row of a dataset; '' where the row has nothing in one."""
    texts = {column: "".join(text for text, _ in pieces) for column, pieces in item.texts}
    for column in data.inputs.get("text", ()):
        yield Input(column, "text", _plain(texts.get(column, "")))
    for (column, modality), path in paths.items():
        yield Input(column, "image" if modality == "image" else "audio", path)
    for cell in item.cells:
        yield Input(cell.column, "tabular", _plain(cell.value))


def _evidence(item: Item) -> Iterator[tuple[str, str]]:
    probable = ", ".join(name if p != p else f"{name} {p:.2f}" for name, p in item.top)
    if probable:
        yield "predicted", probable
    if item.others:
        yield "other labels", ", ".join(f"{name}: {label}" for name, label in item.others)
    yield from item.why


def _save(data: Rows, row: int, column: str, modality: str, save: Save) -> str:
    """Write a picture or a sound anew and return its path; '' where there is none or it cannot be read."""
    try:
        if modality == "image":
            content, suffix = media.image(data, column, row, SIDE), "png"
        else:
            sound = media.sound(data, column, row)
            content, suffix = (None if sound is None else wav(*sound)), "wav"
    except (DataError, MissingExtra) as error:
        if isinstance(error, MissingExtra):
            raise
        return ""
    if content is None:
        return ""
    return save(f"{data.name}-{row}-{column}.{suffix}", content)


def _plain(text: str) -> str:
    return text.replace("\x00", "\ufffd")

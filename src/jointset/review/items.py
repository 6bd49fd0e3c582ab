"""One item of the queue, with everything a person needs to decide it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.augment import Recipe
from jointset.errors import DataError
from jointset.ledger import Decision, Ledger
from jointset.records import SPLITS, STATUSES, Task
from jointset.report import evidence, media
from jointset.report.rows import AllRows, Rows, where
from jointset.review.findings import Findings, Twin
from jointset.review.queue import ADD, DECIDED, ISSUES, Queue

DIGITS = "1234567890"  # keys of labels, as they lie on a keyboard
MOST_LABELS = 500


@dataclass(frozen=True)
class Item:
    """What is shown.

    ``given`` and ``suggested`` are label names, '' = none; ``labels`` are the choices and ``keys`` their digits;
    ``top`` the most probable labels; ``why`` (what, value) pairs; ``state`` how it was decided, '' = open. ``recipe``
    says how the row of an ``add`` edit is derived from ``row``; there are then no labels to choose.
    """

    key: int
    dataset: str
    row: str
    split: str
    task: str
    kind: str
    unit: str
    position: str
    action: str
    issue: str
    status: str
    round: int
    confidence: float
    weight: float | None
    given: str
    suggested: str
    labels: tuple[str, ...]
    keys: tuple[str, ...]
    top: tuple[tuple[str, float], ...]
    near: tuple[evidence.Neighbour, ...]
    others: tuple[tuple[str, str], ...]
    why: tuple[tuple[str, str], ...]
    images: tuple[str, ...]
    sounds: tuple[str, ...]
    texts: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    cells: tuple[media.Cell, ...]
    copies: tuple[str, ...]
    twins: tuple[Twin, ...]
    state: str
    reviewer: str
    flagged: bool
    recipe: Recipe | None = None


def recipe_of(dataset: str, row: str, text: str) -> Recipe:
    """How a derived row is made; one without operations where the text cannot be read."""
    try:
        return Recipe.read(dataset, row, text)
    except DataError:
        return Recipe(dataset, row, {}, 0)


def item(
    queue: Queue,
    index: int,
    ledger: Ledger,
    outputs: Mapping[str, NDArray[Any]],
    findings: Findings | None = None,
    *,
    brief: bool = False,
) -> Item:
    """The item at an index of the queue; ``outputs`` are the last round's cross-fitted predictions.

    A brief item comes without what takes a look at other rows.
    """
    place = int(queue.place[index])
    data, row = queue.rows.dataset_at(place)
    name = {n: queue.name(n, index) for n in ("task", "position", "action", "old", "new")}
    task = queue.rows.tasks[name["task"]]
    number = list(queue.rows.tasks).index(task.name)
    row_id = data.ids[row].as_py()
    recipe = recipe_of(data.name, row_id, name["new"]) if name["action"] == ADD else None
    if recipe is not None:
        given, suggested = "", recipe.told()
    else:
        given = evidence.label_name(task, data.given[task.name][row], name["position"])
        suggested = "" if name["action"] in ("drop", "weight") else name["new"]
    position = "" if recipe else name["position"]  # the finding is about the row it is derived from
    told = evidence.said(ledger, int(queue.round[index]), data.name, row_id, task.name, position)
    top = evidence.probabilities(outputs, number, task, place, name["position"])
    state = int(queue.decided[index])
    labels = () if recipe else choices(task, [n for n, _ in top], suggested)
    return Item(
        key=int(queue.key[index]),
        dataset=data.name,
        row=row_id,
        split=SPLITS[int(data.split[row])],
        task=task.name,
        kind=task.kind,
        unit=task.unit,
        position=name["position"],
        action=name["action"],
        issue=ISSUES[int(queue.issue[index])],
        status=STATUSES[int(queue.status[index])],
        round=int(queue.round[index]),
        confidence=float(queue.confidence[index]),
        weight=_weight(ledger, int(queue.key[index])) if name["action"] == "weight" else None,
        given=given,
        suggested=suggested,
        labels=labels,
        keys=keys_of(task, labels),
        recipe=recipe,
        top=tuple(top),
        near=() if brief else tuple(evidence.neighbours(outputs, queue.rows, task, place, name["position"])),
        others=tuple(evidence.others(queue.rows, task, place)),
        why=tuple((k, str(told[k])) for k in ("because", "with", "p_given", "margin") if k in told),
        images=data.inputs.get("image", ()),
        sounds=data.inputs.get("audio", ()),
        texts=_texts(data, row, task, None if brief else (given, suggested)),
        cells=tuple(media.cells(data, row)),
        copies=() if brief else _copies(data, row),
        twins=() if brief or findings is None else findings.twins(data.name, row_id),
        state=DECIDED[state] if state else "",
        reviewer=list(queue.reviewers.code)[queue.reviewer[index]] if queue.reviewer[index] >= 0 else "",
        flagged=bool(queue.flagged[index]),
    )


def _texts(
    data: Rows, row: int, task: Task, sides: tuple[str, str] | None
) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """(column, pieces) of the row's texts, words that speak for one of the ``sides``, given and suggested, marked."""
    return tuple(
        (
            column,
            tuple(evidence.marked_text(data, column, text, task, *sides)) if sides else ((text, ""),),
        )
        for column, text in media.texts(data, row)
    )


def choices(task: Task, probable: list[str], suggested: str) -> tuple[str, ...]:
    """The labels of a task to choose from: in the order of the classes where each has a digit, else likely ones first.

    >>> choices(Task("t", "binary", ("no", "yes")), ["yes"], "yes")
    ('no', 'yes')
    """
    if task.kind == "regression":
        return ()
    if task.kind == "multilabel":
        return ("0", "1")
    if len(task.classes) <= len(DIGITS):
        return task.classes
    first = list(dict.fromkeys([*([suggested] if suggested else []), *probable]))
    return tuple(dict.fromkeys([*first, *task.classes]))[:MOST_LABELS]


def keys_of(task: Task, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The digit of every label, '' where it has none: classes that are digits are their own, else by their order.

    >>> keys_of(Task("t", "binary", ("no", "yes")), ("no", "yes"))
    ('1', '2')
    >>> keys_of(Task("t", "multiclass", ("0", "1", "7")), ("0", "1", "7"))
    ('0', '1', '7')
    """
    if labels and all(len(c) == 1 and c in DIGITS for c in labels):
        return labels
    return tuple(DIGITS[i] if i < len(DIGITS) else "" for i in range(len(labels)))


def decision(queue: Queue, index: int, verb: str, value: str) -> Decision:
    """The ledger's form of a decision on an item; ``value`` is the chosen label for the verb "label".

    Raises ValueError when the label is none of the task's.
    """
    key = int(queue.key[index])
    return decided(
        queue.rows,
        int(queue.place[index]),
        queue.rows.tasks[queue.name("task", index)],
        queue.name("position", index),
        verb,
        queue.name("new", index) if verb == "accept" else value,
        edit=key if key > 0 else None,
        derived=queue.name("action", index) == ADD,
    )


def decided(
    rows: AllRows,
    place: int,
    task: Task,
    position: str,
    verb: str,
    value: str,
    edit: int | None = None,
    *,
    derived: bool = False,
) -> Decision:
    """The ledger's form of a decision on the label at a place; ``value`` is the suggestion for the verb "accept".

    Where the edit would add a row that is ``derived`` from the one at the place, nothing is given, and there is no
    label to choose. Raises ValueError when the chosen label is none of the task's.
    """
    data, row = rows.dataset_at(place)
    if derived and verb in ("label", "none"):
        raise ValueError(
            "a derived row is accepted or left out; it takes its labels from the row it is made of"
        )
    given = "" if derived else evidence.label_name(task, data.given[task.name][row], position)
    if verb == "label":
        value = checked(task, value)
    elif verb != "accept":
        value = given if verb == "keep" else ""
    whole = verb == "exclude"
    return Decision(
        dataset=data.name,
        row=data.ids[row].as_py(),
        task="" if whole else task.name,
        position="" if whole else position,
        verb=verb,
        value=value,
        given=given,
        edit=edit,
    )


def checked(task: Task, value: str) -> str:
    """A label as the ledger names it; ValueError when the task has none of this name.

    >>> checked(Task("price", "regression"), "2.50")
    '2.5'
    """
    if task.kind == "regression":
        number = float(value)
        if not np.isfinite(number):
            raise ValueError(f"{value} is no number")
        return f"{number:.6g}"
    known = ("0", "1") if task.kind == "multilabel" else task.classes
    if value not in known:
        raise ValueError(f"task {task.name} has no label {value!r}")
    return value


def _weight(ledger: Ledger, edit: int) -> float | None:
    found = [chunk[0][1] for chunk in ledger.scan(("weight",), ids=[edit])]
    return float(found[0]) if found else None


def _copies(data: Rows, row: int) -> tuple[str, ...]:
    """Ids of up to five other rows of the dataset with the same text, where it has a short one to look for."""
    import pyarrow.compute as pc

    for column in data.inputs.get("text", ()):
        values = data.table.column(column)
        value = values[row]
        if value.is_valid and 0 < len(str(value.as_py())) < 2000:
            at = np.flatnonzero(where(pc.equal(values, value)))[:6]
            return tuple(data.ids[int(i)].as_py() for i in at if i != row)[:5]
    return ()

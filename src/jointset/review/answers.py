"""Decisions that were made in a file, checked and written down as if they had been made on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from jointset.errors import DataError, nearest
from jointset.ledger import Decision, Recorded, Sitting
from jointset.records import Answer, Task
from jointset.review.desk import Desk
from jointset.review.items import checked, decided, recipe_of
from jointset.review.queue import ADD

WORDS = ("accept", "keep", "none", "exclude")


@dataclass(frozen=True)
class Taken:
    """How many decisions were written, stood already as they are, or were left open; ``refused`` as of the ledger."""

    written: int
    already: int
    skipped: int
    recorded: Recorded


def take(desk: Desk, answers: Sequence[Answer], *, reviewer: str) -> Taken:
    """Write the decisions down, all of them or, with DataError for the first bad one, none.

    ``reviewer`` stands where an answer names nobody. What the same person decided last about a label in the same way is
    not written again, so reading a file twice changes nothing. Where somebody else has decided since the question was
    put, nothing is written for that label and the other's entry is handed back, as on the page.
    """
    said = [a for a in answers if a.said.casefold() != "skip"]
    made = [(a, _decision(desk, a), a.reviewer or reviewer) for a in said]
    _check_one_word_each(made)
    once = {
        (by, *_place(d)): (a, d, by) for a, d, by in reversed(made)
    }  # a row is excluded once, whatever is asked of it
    last = desk.ledger.last_of(sorted({by for _, _, by in made}))
    new = [m for key, m in reversed(once.items()) if not _stands(last.get(key), m[1], m[0])]
    sittings = [
        Sitting(tuple(d for _, d, _ in group), by, note, seen)
        for (by, note, seen), group in groupby(new, key=lambda m: (m[2], m[0].note, m[0].seen))
    ]
    recorded = desk.ledger.decide_all(sittings)
    desk.refresh()
    return Taken(recorded.count, len(made) - len(new), len(answers) - len(said), recorded)


def verb_of(said: str, task: Task, position: str = "") -> tuple[str, str]:
    """The verb and the label of a cell; ``label:NAME`` and ``verb:NAME`` where a label is called like a verb.

    Raises ValueError for what is neither.

    >>> verb_of("Keep", Task("t", "binary", ("no", "yes"))), verb_of("yes", Task("t", "binary", ("no", "yes")))
    (('keep', ''), ('label', 'yes'))
    """
    labels = ("0", "1") if position else task.classes
    word = said.strip().casefold()
    if word.startswith("verb:"):
        word = word.removeprefix("verb:").strip()
        if word not in WORDS:
            raise ValueError(f"{said!r} is no decision{nearest(word, WORDS)}; one of {', '.join(WORDS)}")
        return word, ""
    if said.startswith("label:"):
        return "label", _label(said.removeprefix("label:"), task, labels)
    if word in WORDS:
        if word in labels:
            raise ValueError(f"{said!r} is a label as well; write label:{word} or verb:{word}")
        return word, ""
    return "label", _label(said, task, labels)


def _label(said: str, task: Task, labels: Sequence[str]) -> str:
    found = said if said in labels else said.strip()
    if found in labels:
        return found
    if task.kind == "regression":
        try:
            return checked(task, found)
        except ValueError:
            raise ValueError(f"{said!r} is neither a number nor one of {', '.join(WORDS)}") from None
    allowed = [*WORDS, *labels]
    shown = ", ".join(allowed[:20]) + (", …" if len(allowed) > 20 else "")
    raise ValueError(f"{said!r} is neither a decision nor a label{nearest(found, allowed)}; one of {shown}")


def _decision(desk: Desk, answer: Answer) -> Decision:
    """The ledger's form of an answer; DataError, which begins with file and line, where it does not fit the run."""
    place, task = _where(desk, answer)
    suggestion = ""
    if answer.key is not None:
        suggestion = _suggestion(desk, answer, place, task)
    position = answer.position
    derived = answer.key is not None and desk.queue.name("action", desk.index(answer.key)) == ADD
    if not derived and task.kind == "multilabel" and position not in task.classes:
        raise DataError(
            f"{answer.where}: task {task.name} has no class {position!r}{nearest(position, task.classes)}"
        )
    edit = answer.key if answer.key is not None and answer.key > 0 else None
    try:
        verb, label = verb_of(answer.said, task, "" if derived else position)
        value = suggestion if verb == "accept" else label
        return decided(desk.rows, place, task, position, verb, value, edit=edit, derived=derived)
    except ValueError as error:
        raise DataError(f"{answer.where}: decision {error}") from None


def _where(desk: Desk, answer: Answer) -> tuple[int, Task]:
    rows = desk.rows
    if answer.dataset not in rows.datasets:
        raise DataError(
            f"{answer.where}: the run has no dataset {answer.dataset!r}"
            f"{nearest(answer.dataset, rows.datasets)}; one of {', '.join(rows.datasets)}"
        )
    if answer.task not in rows.tasks:
        raise DataError(
            f"{answer.where}: the run has no task {answer.task!r}{nearest(answer.task, rows.tasks)}; "
            f"one of {', '.join(rows.tasks)}"
        )
    data = rows.datasets[answer.dataset]
    number = data.find(answer.row)
    if number < 0:
        raise DataError(f"{answer.where}: dataset {answer.dataset} has no row {answer.row!r}")
    return data.start + number, rows.tasks[answer.task]


def _suggestion(desk: Desk, answer: Answer, place: int, task: Task) -> str:
    """What the edit proposed; it must be the one that the file speaks of."""
    queue = desk.queue
    index = desk.index(answer.key or 0)
    other = f"{answer.where}: edit {answer.key} of this run is another one; is the file of another run?"
    if index < 0:
        raise DataError(f"{answer.where}: the run has no edit {answer.key}; is the file of another run?")
    here = (int(queue.place[index]), queue.name("task", index), queue.name("position", index))
    if here != (place, task.name, answer.position):
        raise DataError(other)
    suggested = queue.name("new", index)
    action = queue.name("action", index)
    shown = "" if action in ("drop", "weight") else suggested
    if action == ADD:
        shown = recipe_of(answer.dataset, answer.row, suggested).told()
    if answer.suggested is not None and answer.suggested != shown:
        raise DataError(f"{other} It suggests {shown!r}, the file says {answer.suggested!r}")
    return suggested


def _check_one_word_each(made: Iterable[tuple[Answer, Decision, str]]) -> None:
    """The same person may not decide one label in two ways in one file: nobody could say which counts."""
    seen: dict[tuple[str, ...], tuple[Answer, Decision]] = {}
    for answer, decision, by in made:
        before = seen.setdefault((by, *_place(decision)), (answer, decision))
        if (before[1].verb, before[1].value) != (decision.verb, decision.value):
            raise DataError(
                f"{answer.where}: decides {decision.row} {decision.task} as {answer.said!r}, but "
                f"{before[0].where} as {before[0].said!r}; leave one of them empty"
            )


def _stands(last: dict[str, object] | None, decision: Decision, answer: Answer) -> bool:
    if last is None:
        return False
    return (last["verb"], last["value"], last["note"]) == (decision.verb, decision.value, answer.note)


def _place(decision: Decision) -> tuple[str, str, str, str]:
    return decision.dataset, decision.row, decision.task, decision.position

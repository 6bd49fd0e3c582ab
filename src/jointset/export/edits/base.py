"""What the formats of open edits share: one form per row and task, and what its answer means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jointset.errors import DataError, nearest
from jointset.records import Answer, Input, Question, Task

VERBS = ("accept", "keep", "none", "exclude", "skip")  # what can be said besides a label
MEDIA = "media"  # the folder of pictures and sounds beside the files
OUTCOMES = ("none", "exclude", "accept")  # choices that stand beside the labels in labelling tools


@dataclass(frozen=True)
class Form:
    """The questions about one row and task, which a labelling tool shows at once: several only for multilabel."""

    questions: tuple[Question, ...]

    @property
    def first(self) -> Question:
        """Any of the questions: row, task and inputs are the same in all."""
        return self.questions[0]

    @property
    def task(self) -> Task:
        """The task."""
        return self.first.task

    @property
    def name(self) -> str:
        """A name that no other form of the ledger has."""
        return f"edit-{self.first.key}"

    @property
    def confidence(self) -> float:
        """That of the least sure suggestion, in [0, 1]."""
        return min(q.confidence for q in self.questions)

    def proposal(self) -> list[str] | None:
        """The labels to begin with, those of the suggestions laid over the given ones; None where none is suggested."""
        if any(q.action not in ("relabel", "fill", "check") for q in self.questions):
            return None
        if self.task.kind != "multilabel":
            return [self.first.suggested]
        entries = {**self.first.known, **{q.position: q.suggested for q in self.questions}}
        return [c for c in self.task.classes if entries.get(c) == "1"]

    def title(self) -> str:
        """One line that says what is asked."""
        changes = "; ".join(_change(q) for q in self.questions)
        return f"{self.task.name}: {changes}"

    def facts(self) -> dict[str, Any]:
        """What has to come back with the answer, in plain values."""
        first = self.first
        edits = [
            {"id": q.key, "position": q.position, "given": q.given, "suggested": q.suggested}
            for q in self.questions
        ]
        facts = {"dataset": first.dataset, "row": first.row, "task": self.task.name, "kind": self.task.kind}
        return {**facts, "seen": first.seen, "edits": edits, "known": dict(first.known)}


def forms(questions: Iterable[Question]) -> list[Form]:
    """Questions of one row and task together, in the order in which the first of them comes."""
    found: dict[tuple[str, str, str], list[Question]] = {}
    for q in questions:
        found.setdefault((q.dataset, q.row, q.task.name), []).append(q)
    return [Form(tuple(qs)) for qs in found.values()]


def projects(found: Sequence[Form]) -> dict[str, list[Form]]:
    """Forms that fit into one project of a labelling tool: one task, and the same input columns in all."""
    grouped: dict[tuple[str, tuple[tuple[str, str], ...]], list[Form]] = {}
    for form in found:
        shape = tuple((i.modality, i.column) for i in form.first.inputs)
        grouped.setdefault((form.task.name, _shape(shape)), []).append(form)
    named: dict[str, list[Form]] = {}
    for (task, _), members in grouped.items():
        datasets = "+".join(dict.fromkeys(m.first.dataset for m in members))
        alone = sum(name == task for name, _ in grouped) == 1
        named[task if alone else f"{task}-{datasets}"] = members
    return named


def answers(
    facts: Mapping[str, Any],
    labels: Sequence[str] | None,
    outcome: str,
    *,
    where: str,
    reviewer: str = "",
    note: str = "",
) -> list[Answer]:
    """What a filled form says of each of its questions; ``facts`` are those that came back with it.

    ``labels`` are the chosen ones, the text of the number for a regression, None without any; ``outcome`` is one of
    ``OUTCOMES`` or ''. It comes before a label, as labels are chosen beforehand. In multilabel every class counts: a
    class that nobody asked about is answered where it was chosen or left out against what was known.
    """
    address = {name: str(_get(facts, name, where)) for name in ("dataset", "row", "task")}
    common: dict[str, Any] = {
        **address,
        "where": where,
        "reviewer": reviewer,
        "note": note,
        "seen": facts.get("seen"),
    }
    edits = _get(facts, "edits", where)
    chosen = list(labels or ())
    if outcome == "exclude":
        edits = edits[:1]
    found = []
    for edit in edits:
        position, suggested = str(edit["position"]), str(edit["suggested"])
        if outcome:
            said = outcome
        elif labels is None:
            said = "skip"
        else:
            said = _said(("1" if position in chosen else "0") if position else chosen[0], edit)
        found.append(Answer(key=int(edit["id"]), position=position, suggested=suggested, said=said, **common))
    if facts.get("kind") == "multilabel" and labels is not None and not outcome:
        asked, known = {str(e["position"]) for e in edits}, facts.get("known", {})
        for name in dict.fromkeys([*known, *chosen]):
            entry = "1" if name in chosen else "0"
            if name not in asked and known.get(name, "0") != entry:
                found.append(Answer(key=None, position=name, suggested=None, said=f"label:{entry}", **common))
    return found


def pick(value: Any, allowed: Sequence[str], where: str, what: str) -> str:
    """A value that must be one of those allowed.

    >>> pick("keeep", VERBS, "a.csv, line 3", "outcome")
    Traceback (most recent call last):
    jointset.errors.DataError: a.csv, line 3: outcome 'keeep' is unknown (did you mean 'keep'?); one of accept, ...
    """
    if value in allowed:
        return str(value)
    shown = ", ".join(allowed[:12]) + (", …" if len(allowed) > 12 else "")
    raise DataError(f"{where}: {what} {value!r} is unknown{nearest(str(value), allowed)}; one of {shown}")


def _said(value: str, edit: Mapping[str, Any]) -> str:
    if edit["suggested"] != "" and value == edit["suggested"]:
        return "accept"
    return "keep" if edit["given"] != "" and value == edit["given"] else f"label:{value}"


def _get(facts: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in facts:
        raise DataError(
            f"{where}: carries no {name!r} of jointset; read in what was made from jointset's own file"
        )
    return facts[name]


def _shape(columns: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Columns of a table differ in nothing that a tool has to know beforehand: they are shown as one table."""
    return tuple(dict.fromkeys(("tabular", "") if m == "tabular" else (m, c) for m, c in columns))


def _change(q: Question) -> str:
    of = f"[{q.position}] " if q.position else ""
    sure = "" if q.confidence != q.confidence else f" ({q.confidence:.2f})"
    if q.action == "weight":
        return f"{of}{q.given or 'missing'}, doubtful: a lower weight{sure}"
    return f"{of}{q.given or 'missing'} → {q.suggested or 'no label'}{sure}"


def inputs_by_modality(inputs: Iterable[Input]) -> dict[str, list[Input]]:
    """Modality → inputs, in the order of the columns."""
    found: dict[str, list[Input]] = {}
    for i in inputs:
        found.setdefault(i.modality, []).append(i)
    return found

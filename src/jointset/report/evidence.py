"""Why a label was doubted: probabilities, neighbours, the row's other labels, what the audit wrote down."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.ledger import Ledger
from jointset.records import Task
from jointset.report.rows import AllRows, Rows

TOP = 5
NEAR = 5
MOST_ROWS = 50_000
WORD = re.compile(r"[^\W\d_]{2,}|[\u3040-\u30ff\u3400-\u9fff]")
TELLING = 1.0  # log-odds from which a word is marked


@dataclass(frozen=True)
class Neighbour:
    """A row that the model finds alike: its dataset, id, similarity in [-1, 1] and given label ('' = none)."""

    dataset: str
    row: str
    place: int
    similarity: float
    label: str


def label_name(task: Task, value: Any, position: str = "") -> str:
    """The name of a label in the records' form, '' where it is missing; of a multilabel row, its labels.

    >>> label_name(Task("t", "binary", ("no", "yes")), 1)
    'yes'
    """
    if task.kind == "regression":
        return "" if value != value else f"{float(value):.6g}"
    if task.kind == "multilabel":
        if position in task.classes:
            entry = value[task.classes.index(position)]
            return "" if entry < 0 else str(int(entry))
        return (
            ", ".join(c for c, v in zip(task.classes, value, strict=True) if v == 1)
            if (value >= 0).any()
            else ""
        )
    return "" if value < 0 else task.classes[int(value)]


def probabilities(
    outputs: Mapping[str, NDArray[Any]], number: int, task: Task, place: int, position: str
) -> list[tuple[str, float]]:
    """The most probable labels of a row, surest first; of a number, the predicted value alone."""
    name = f"outputs.{number}"
    if name not in outputs:
        return []
    found = np.asarray(outputs[name][place], np.float64)
    if task.kind == "regression":
        return [(f"{found[0]:.6g}", float("nan"))]
    if task.kind == "multilabel" and position in task.classes:
        p = float(found[task.classes.index(position)])
        return sorted([("1", p), ("0", 1 - p)], key=lambda pair: -pair[1])
    order = np.argsort(-found, kind="stable")[:TOP]
    return [(task.classes[i], float(found[i])) for i in order]


def neighbours(
    outputs: Mapping[str, NDArray[Any]], rows: AllRows, task: Task, place: int, position: str
) -> list[Neighbour]:
    """The labelled rows nearest in the embedding of the model that predicted the row; of many, a sample is searched."""
    if "embedding" not in outputs or "fold" not in outputs:
        return []
    fold = np.asarray(outputs["fold"])
    near = np.flatnonzero(fold == fold[place])
    if len(near) > MOST_ROWS:
        near = near[:: -(-len(near) // MOST_ROWS)]
    space = np.asarray(outputs["embedding"][near], np.float32)
    own = np.asarray(outputs["embedding"][place], np.float32)
    length = np.linalg.norm(space, axis=1) * np.linalg.norm(own)
    with np.errstate(divide="ignore", invalid="ignore"):
        alike = np.nan_to_num((space @ own) / length, nan=-1.0)
    alike[near == place] = -2.0
    found: list[Neighbour] = []
    for i in np.argsort(-alike, kind="stable")[:200]:
        data, number = rows.dataset_at(int(near[i]))
        label = label_name(task, data.given[task.name][number], position)
        if label and alike[i] > -1.5:
            found.append(Neighbour(data.name, data.ids[number].as_py(), int(near[i]), float(alike[i]), label))
        if len(found) == NEAR:
            break
    return found


def others(rows: AllRows, task: Task, place: int) -> list[tuple[str, str]]:
    """The row's given labels of the other tasks."""
    data, number = rows.dataset_at(place)
    found = [
        (t.name, label_name(t, data.given[t.name][number]))
        for t in rows.tasks.values()
        if t.name != task.name
    ]
    return [(name, label) for name, label in found if label]


def said(ledger: Ledger, round: int, dataset: str, row: str, task: str, position: str) -> dict[str, Any]:
    """What the audit of a round wrote down about a label: the code, the score, and its evidence."""
    known = ledger.issues_at(dataset, row, task, position)
    known = [k for k in known if k["round"] == round] or known
    if not known:
        return {}
    found = known[-1]
    facts = json.loads(found["evidence"] or "{}")
    shown = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in facts.items()}
    return {**shown, "code": found["code"], "score": found["score"]}


@lru_cache(maxsize=64)
def telling_words(rows: Rows, column: str, task: str) -> Mapping[int, Mapping[str, float]]:
    """Class → word → log-odds of the word in that class against the others, from up to 5,000 labelled rows.

    Counts are smoothed by one half; words of fewer than three rows are left out.
    """
    labels = rows.given.get(task)
    if labels is None or labels.ndim != 1 or labels.dtype.kind == "f":
        return {}
    known = np.flatnonzero(labels >= 0)
    known = known[:: max(1, len(known) // 5000)]
    total: Counter[str] = Counter()
    by_class: dict[int, Counter[str]] = {}
    sizes: Counter[int] = Counter()
    for i in known.tolist():
        text = rows.table.column(column)[i].as_py()
        words = set(WORD.findall(str(text or "")[:5000].lower()))
        code = int(labels[i])
        total.update(words)
        by_class.setdefault(code, Counter()).update(words)
        sizes[code] += 1
    n = len(known)
    found: dict[int, dict[str, float]] = {}
    for code, counts in by_class.items():
        rest = n - sizes[code]
        found[code] = {
            w: float(
                np.log((c + 0.5) / (sizes[code] - c + 0.5))
                - np.log((total[w] - c + 0.5) / (rest - total[w] + c + 0.5))
            )
            for w, c in counts.items()
            if total[w] >= 3
        }
    return found


def marked(text: str, for_new: Mapping[str, float], for_old: Mapping[str, float]) -> list[tuple[str, str]]:
    """The text in pieces (piece, side): side is ``new`` or ``old`` for words that speak for that label, else ''.

    >>> marked("a free lunch", {"free": 2.0}, {})
    [('a ', ''), ('free', 'new'), (' lunch', '')]
    """
    pieces: list[tuple[str, str]] = []
    end = 0
    for match in WORD.finditer(text):
        word = match[0].lower()
        weight = for_new.get(word, 0.0) - for_old.get(word, 0.0)
        if abs(weight) < TELLING:
            continue
        if match.start() > end:
            pieces.append((text[end : match.start()], ""))
        pieces.append((match[0], "new" if weight > 0 else "old"))
        end = match.end()
    if end < len(text):
        pieces.append((text[end:], ""))
    return pieces


def marked_text(
    rows: Rows, column: str, text: str, task: Task, old: str, new: str
) -> Sequence[tuple[str, str]]:
    """The text with the words marked that speak for the new or for the old label."""
    words = telling_words(rows, column, task.name) if task.classes and task.kind != "multilabel" else {}
    code = {name: i for i, name in enumerate(task.classes)}
    return marked(text, words.get(code.get(new, -1), {}), words.get(code.get(old, -1), {}))

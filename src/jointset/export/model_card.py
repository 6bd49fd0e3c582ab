"""The card of a joint model, in the form that the Hugging Face hub reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from jointset.records import Task

MOST_CLASSES = 20
MOST_TASKS = 100  # in the list of results that programs read
KINDS = {"regression": "tabular-regression"}


def model_card(
    name: str,
    tasks: Sequence[Task],
    *,
    inputs: Mapping[str, Mapping[str, Sequence[str]]],
    scores: Mapping[str, Mapping[str, Any]],
    edits: Mapping[str, int],
    seed: int,
    version: str,
) -> str:
    """The text of ``model/README.md``: metadata with the results, what the model was trained on, its scores and limits.

    ``inputs`` are columns by modality and dataset, ``scores`` the summary's entries by task, ``edits`` its counts.

    >>> tasks = [Task("mood", "binary", ("bad", "good"))]
    >>> inputs, counts = {"chats": {"text": ["body"]}}, {"accepted": 2}
    >>> print(model_card("demo", tasks, inputs=inputs, scores={}, edits=counts, seed=0, version="1").splitlines()[1])
    library_name: jointset
    """
    head = {
        "library_name": "jointset",
        "license": "unknown",
        "tags": ["jointset", "multi-task"],
        "model-index": [{"name": name, "results": _results(name, tasks, scores)}],
    }
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{front}---",
        f"# Joint model of the run {name}",
        "One multi-task model for",
        "\n".join(_task(t) for t in tasks),
        "## How to use it",
        "Weights are in `model.safetensors`, everything else in `config.json`; neither holds code.",
        f"```\njointset predict runs/{name} FILE --out predictions.parquet\n```",
        "Rows need the inputs of one of the datasets:",
        "\n".join(f"- {_code(d)}: {_columns(columns)}" for d, columns in inputs.items()),
        "## What it was trained on",
        f"The labels of {len(inputs)} datasets as given, with {edits.get('accepted', 0):,} edits in force that a model "
        "proposed and a gate on held-out rows let pass, or that people made. The run's ledger and report name each of "
        f"them. Seed {seed}, jointset {version}.",
        *(["## Scores", _scores(tasks, scores)] if scores else []),
        "## Limits",
        "- It is meant for rows like those it was trained on; nothing was measured on others.\n"
        "- Held-out labels are those given, or as people decided them; where they are wrong, so are the scores.\n"
        "- Intervals tell how far the held-out rows might mislead, not how far another training would differ.\n"
        "- The licence is that of the data; jointset does not know it.",
    ]
    return "\n\n".join(parts) + "\n"


def _task(task: Task) -> str:
    classes = ", ".join(task.classes[:MOST_CLASSES]) + (" …" if len(task.classes) > MOST_CLASSES else "")
    return f"- {_code(task.name)}: {task.kind}{f', classes {classes}' if classes else ''}"


def _columns(columns: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{m} {', '.join(map(_code, names))}" for m, names in columns.items())


def _scores(tasks: Sequence[Task], scores: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| task | metric | held-out rows | on the labels as given | on the repaired labels |",
        "|---|---|---|---|---|",
    ]
    for task in tasks:
        found = scores.get(task.name)
        if found is not None:
            before, after = (_number(found.get(side)) for side in ("before", "after"))
            rows = f"{found.get('rows', 0):,} {found.get('on', '')}".strip()
            lines.append(f"| {_code(task.name)} | {found.get('metric')} | {rows} | {before} | {after} |")
    return "\n".join(lines)


def _results(
    name: str, tasks: Sequence[Task], scores: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One result a task, of the metrics that could be taken."""
    found = []
    for task in tasks[:MOST_TASKS]:
        metrics = {
            k: v for k, v in scores.get(task.name, {}).get("metrics_after", {}).items() if v is not None
        }
        if metrics:
            split = {"holdout": "validation"}.get(scores[task.name].get("on", ""), "test")
            found.append(
                {
                    "task": {"type": KINDS.get(task.kind, "other"), "name": task.name},
                    "dataset": {"type": name, "name": name, "split": split},
                    "metrics": [{"type": k, "value": v} for k, v in metrics.items()],
                }
            )
    return found


def _code(text: str) -> str:
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}"

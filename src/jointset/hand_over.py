"""A run's model, written in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointset.data import Dataset
from jointset.errors import UserError

if TYPE_CHECKING:
    from jointset.project import Run

COMPARED = 32  # texts of the run that a classifier is compared on


def write_model(run: Run, folder: Path, format: str, task: str | None) -> Path:
    """Write the whole model as ONNX, or a task of it as a classifier of transformers."""
    name = run.work.config.name
    if format == "onnx":
        if task is not None:
            raise UserError(f"--task {task}: an ONNX file has all tasks; take --task out, or --format onnx")
        from jointset.models.convert import onnx

        tables = {d.name: _rooted(d) for d in run.work.pool.datasets}
        return onnx.write(run.model, folder, tables, name=name)
    if format != "huggingface":
        raise UserError(f"--format {format}: a task is written as huggingface; take --task out, or --format")
    if task is None:
        tasks = ", ".join(t.name for t in run.model.tasks)
        raise UserError(f"--format huggingface writes one task: name it with --task, one of {tasks}")
    from jointset.models.convert import huggingface

    scored = run.summary["tasks"].get(task)
    score = "" if scored is None or scored["after"] is None else _score(scored)
    return huggingface.write(run.model, task, folder, texts=_texts(run), name=name, score=score)


def _rooted(dataset: Dataset) -> Any:
    """The dataset's table, which says where relative paths in it start."""
    if dataset.root is None:
        return dataset.table
    given = dataset.table.schema.metadata or {}
    return dataset.table.replace_schema_metadata({**given, "jointset.root": str(dataset.root)})


def _texts(run: Run) -> list[str]:
    for dataset in run.work.pool.datasets:
        if set(dataset.inputs) == {"text"}:
            column = dataset.table.column(dataset.inputs["text"][0]).drop_null()
            return [str(t) for t in column.slice(0, COMPARED).to_pylist()]
    return []


def _score(scored: dict[str, Any]) -> str:
    return f"On {scored['rows']:,} {scored['on']} rows of the run its {scored['metric']} is {scored['after']:.3f}."

"""``jointset init``: a configuration with guesses, out of the user's files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from jointset.config import path_from
from jointset.config.commented import one_line
from jointset.console.words import counted
from jointset.data.names import numbered
from jointset.data.sources import read
from jointset.errors import UserError

LABEL = re.compile(  # a word of the name: workclass is none
    r"(?<![a-z])(labels?|class|target|category|topics?|sentiment|stars?|rating|score|grade|mood|quality|status"
    r"|outcome|income|diagnosis|y|is)(?![a-z])",
    re.I,
)
GRADED = re.compile(r"(?<![a-z])(rating|score|grade|quality)(?![a-z])", re.I)
MOST_CLASSES = 20  # of a column that is taken for a label without its name saying so
SPLIT = re.compile(r"^(split|fold|subset|partition)$", re.I)
IDENTITY = re.compile(r"^(id|uuid|guid|key|row_?id|.*_id)$", re.I)
GROUP = re.compile(r"user|customer|patient|author|speaker|writer|group|session|subject", re.I)
FILES = {
    "image": re.compile(r"\.(png|jpe?g|bmp|gif|webp|tiff?)$", re.I),
    "audio": re.compile(r"\.(wav|flac|ogg|oga|opus|mp3|aiff?)$", re.I),
}
HEADS = {  # how the bytes of a file begin
    "image": re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8|BM|II\*\0|MM\0\*|RIFF....WEBP", re.S),
    "audio": re.compile(rb"RIFF....WAVE|fLaC|OggS|ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]|FORM....AIF", re.S),
}
LONG_TEXT = 20
SAMPLE = 20  # sounds and pictures looked at


def init(files: list[Path], out: Path) -> None:
    """Write the configuration; an existing file is left alone."""
    if out.exists():
        raise UserError(f"{out} exists already; name another with --out, or remove it")
    tables = {file: read(file, name=file.name) for file in files}
    datasets: dict[str, Any] = {}
    tasks: dict[str, Any] = {}
    for file, table in tables.items():
        name = re.sub(r"[^A-Za-z0-9]+", "_", file.stem).strip("_") or "data"
        name = numbered(name, datasets)
        others = [set(t.column_names) for f, t in tables.items() if f != file]
        guess = guess_columns(table, others)
        datasets[name] = (path_from(file, out.resolve().parent), guess)
        for label, kind in guess["labels"].items():
            key = re.sub(r"[^A-Za-z0-9]+", "_", label.strip()).strip("_").lower() or "label"
            taken = [k for k, t in tasks.items() if name in t["labels"]]
            key = numbered(key, [*taken, *(c for c in table.column_names if c != label)])
            tasks.setdefault(key, {"kind": kind, "labels": {}})["labels"][name] = label
    out.write_text(render(datasets, tasks), encoding="utf-8")
    told = f"{out}: {counted(len(datasets), 'dataset')}, {counted(len(tasks), 'task')} guessed"
    labels = ", ".join(f"{n} ({t['kind']})" for n, t in tasks.items())
    typer.echo(
        f"{told}: {labels}; read the lines marked 'guess', then: jointset check {out}"
        if tasks
        else f"{told}: no column looks like a label; name one under tasks in {out}, then: jointset check {out}"
    )


def guess_columns(table: Any, others: Sequence[set[str]] = ()) -> dict[str, Any]:
    """Roles of the columns: inputs by modality, labels with their kind, id, group and split.

    ``others`` are the columns of the other files. Where no name says label, a column of few values does that the other
    files lack, or that comes last.
    """
    import pyarrow as pa

    roles: dict[str, Any] = {"inputs": {}, "labels": {}, "id": None, "group": None, "split": None}
    rest, few = [], []
    for field in table.schema:
        column = table.column(field.name).drop_null()
        distinct, n = len(column.unique()) if not pa.types.is_nested(field.type) else 0, len(column)
        text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        sample = [str(v) for v in column.slice(0, 200).to_pylist()] if text else []
        media = _media(column, sample)
        if media:
            roles["inputs"].setdefault(media, field.name)
        elif SPLIT.match(field.name):
            roles["split"] = field.name
        elif IDENTITY.match(field.name) and distinct == n == table.num_rows and roles["id"] is None:
            roles["id"] = field.name
        elif GROUP.search(field.name) and IDENTITY.match(field.name):
            roles["group"] = field.name
        elif LABEL.search(field.name.strip()) and n and not (text and distinct > 0.5 * n and n > 20):
            roles["labels"][field.name] = kind_of_labels(field.type, distinct, n, field.name)
        elif text and sample and sum(map(len, sample)) / len(sample) > LONG_TEXT and distinct > 0.3 * n:
            roles["inputs"].setdefault("text", []).append(field.name)
        elif n and not pa.types.is_nested(field.type) and not _is_bytes(field.type):
            rest.append(field.name)
            if 2 <= distinct <= MOST_CLASSES:
                few.append(field.name)
    if not roles["labels"]:
        own = [c for c in few if others and not any(c in columns for columns in others)]
        for name in own or [c for c in few if c == table.column_names[-1]]:
            column = table.column(name).drop_null()
            roles["labels"][name] = kind_of_labels(column.type, len(column.unique()), len(column))
            rest.remove(name)
    if rest:
        roles["inputs"]["tabular"] = rest
    return roles


def _media(column: Any, sample: list[str]) -> str | None:
    """What a column of file names, of encoded bytes, or of samples with their rate holds: image, audio or neither."""
    import pyarrow as pa

    kind = column.type
    fields = {kind.field(i).name for i in range(kind.num_fields)} if pa.types.is_struct(kind) else set()
    if fields >= {"array", "sampling_rate"}:
        return "audio"
    heads = []
    if _is_bytes(kind):
        heads = [v.as_py()[:16] for v in column.slice(0, SAMPLE)]
    elif "bytes" in fields:
        heads = [(v["bytes"].as_py() or b"")[:16] for v in column.slice(0, SAMPLE)]
    for media in FILES:
        named = sum(bool(FILES[media].search(v)) for v in sample)
        begun = sum(bool(HEADS[media].match(h)) for h in heads)
        if named + begun > max(len(sample), len(heads)) / 2:
            return media
    return None


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def kind_of_labels(type_: Any, distinct: int, n: int, name: str = "") -> str:
    """The kind of task that a column of ``n`` labels looks like; ``name`` is the column's."""
    import pyarrow as pa

    if pa.types.is_integer(type_) and distinct > 5 and GRADED.search(name):
        return "regression"  # neighbouring grades are mixed up by people, too: as classes they would look like noise

    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return "multilabel"
    if (pa.types.is_floating(type_) and distinct > 20) or (pa.types.is_integer(type_) and distinct > 50):
        return "regression"
    return "binary" if distinct == 2 else "multiclass"


def render(datasets: dict[str, Any], tasks: dict[str, Any]) -> str:
    """The configuration as commented YAML."""
    lines = [
        "# Written by jointset init. Lines marked 'guess' are what your columns look like: check them.",
        "# An input that would not be known when you predict, or that says the label in other words, must go.",
        "name: my-run  # its results go to runs/my-run",
        "datasets:",
    ]
    lines += [line for name, (file, guess) in datasets.items() for line in _dataset(name, file, guess)]
    lines.append("tasks:")
    lines += [line for name, task in tasks.items() for line in _task(name, task)]
    if not tasks:
        lines.append("  # no label column was recognised; name at least one task:")
        lines.append("  # sentiment: {kind: multiclass, labels: {DATASET: COLUMN}}")
    lines += [
        "improve:",
        "  rounds: 2",
        "  precision: 0.9  # expected share of right edits among those applied",
        "  fixes: [relabel, fill, drop, weight]  # also: leaks, duplicates, shift, tail, add",
        "seed: 0",
        "",
    ]
    return "\n".join(lines)


def _dataset(name: str, file: str, guess: dict[str, Any]) -> list[str]:
    lines = [
        f"  {name}:",
        f"    path: {one_line(file)}{'' if Path(file).is_absolute() else '  # relative to this file'}",
        f"    inputs: {one_line(guess['inputs'])}  # guess",
    ]
    lines += [f"    {role}: {one_line(guess[role])}  # guess" for role in ("id", "group") if guess[role]]
    if not guess["id"]:
        lines.append("    # id: COLUMN   # unique; without it rows are named by a hash of their content")
    if not guess["group"]:
        lines.append("    # group: COLUMN   # patient, author, …: its rows stay on one side of every split")
    lines.append(
        f"    split: {{column: {one_line(guess['split'])}}}  # guess: train, holdout or valid, test"
        if guess["split"]
        else "    split: {holdout: 0.15, test: 0.15}  # drawn at random; the gate judges on holdout"
    )
    return lines


def _task(name: str, task: dict[str, Any]) -> list[str]:
    return [
        f"  {name}:",
        f"    kind: {task['kind']}  # guess: binary, multiclass, multilabel or regression",
        f"    labels: {one_line(task['labels'])}  # guess",
        "    # map: {DATASET: {VALUE: CLASS}}   # other names for classes (call the task otherwise than the column)",
        "    # missing: [-1]                    # values that mean 'no label'; empty cells do anyway",
    ]

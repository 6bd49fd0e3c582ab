"""``jointset demo``: the whole loop on embedded real images with known damage, scored against the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from jointset import config as configs
from jointset.cli.run import render
from jointset.console.progress import Progress
from jointset.errors import UserError
from jointset.project import Run, execute

NOISE, WITHHELD, TEST = 0.2, 0.3, 0.25
STROKES = ("loop", "line", "curve")
STROKE_OF = np.array([0, 1, 2, 2, 1, 2, 0, 1, 0, 0])
LABELS = {"bank": ("digit", "parity"), "post": ("stroke", "digit"), "school": ("parity", "stroke")}

CONFIG = """\
# Three datasets of handwritten digits. Each was labelled for other tasks; together they cover all three.
name: demo
datasets:
  bank:   {path: bank.parquet, inputs: {image: image}, id: id, split: {column: split, holdout: 0.15}}
  post:   {path: post.parquet, inputs: {image: image}, id: id, split: {column: split, holdout: 0.15}}
  school: {path: school.parquet, inputs: {image: image}, id: id, split: {column: split, holdout: 0.15}}
tasks:
  digit:  {kind: multiclass, labels: {bank: digit, post: digit}}
  stroke: {kind: multiclass, labels: {post: stroke, school: stroke}}
  parity: {kind: binary, labels: {school: parity, bank: parity}}
improve: {rounds: 2, precision: 0.9}
seed: SEED
"""


def demo(folder: Path, *, seed: int, as_json: bool) -> None:
    """Write the files, run the loop, and score it."""
    config = folder / "jointset.yaml"
    if folder.exists() and any(folder.iterdir()) and not config.is_file():
        raise UserError(
            f"{folder}: the folder is not empty and holds no demo; name another: jointset demo FOLDER"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not config.is_file():
        write_files(folder, seed)
    settings = configs.load(config)
    if not as_json:
        typer.echo(
            f"1,797 real images of digits in three datasets, with damage done on purpose (seed "
            f"{settings.seed}): of the training "
            f""
            f"labels {WITHHELD:.0%} are withheld and {NOISE:.0%} of the rest are wrong. The truth is in "
            f"{folder / 'truth.parquet'}, "
            "which the run never reads."
        )
    with Progress(settings) as progress:
        run = execute(settings, folder / "runs", emit=progress)
    scores = score(run, folder)
    if as_json:
        typer.echo(json.dumps({"summary": run.summary, "truth": scores}, indent=2))
        return
    typer.echo("\n" + render(run.summary) + "\n\nagainst the truth, which the run never saw:")
    for task, s in scores.items():
        typer.echo(
            f"  {task}: {s['errors_found']} of {s['errors']} wrong labels found "
            f"(average precision {s['average_precision']:.3f}); "
            f"{s['relabelled']} relabelled, {s['relabelled_right']:.1%} right; {s['filled']} of {s['missing']} filled, "
            f"{s['filled_right']:.1%} right; labels right {s['right_before']:.1%} → {s['right_after']:.1%}"
        )
    typer.echo(
        f"\nnext: jointset diff {run.path} · jointset export {run.path} · edit {config} and run your own"
    )


def write_files(folder: Path, seed: int) -> None:
    """The three damaged datasets, the truth beside them, and the configuration."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from sklearn.datasets import load_digits

    digits = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits.target))
    pixels = np.round(digits.data[order] * (255 / 16)).astype(np.uint8)  # (n, 64)
    truth = {
        "digit": digits.target[order],
        "stroke": STROKE_OF[digits.target[order]],
        "parity": digits.target[order] % 2,
    }
    names = {"digit": [str(d) for d in range(10)], "stroke": list(STROKES), "parity": ["even", "odd"]}
    image = pa.field("image", pa.list_(pa.uint8(), 64), metadata={"jointset.shape": "8,8"})
    answers = []
    for part, (name, tasks) in zip(
        np.array_split(np.arange(len(order)), len(LABELS)), LABELS.items(), strict=True
    ):
        ids = np.array([f"{name}-{i:04d}" for i in range(len(part))], object)
        split = np.where(rng.random(len(part)) < TEST, "test", "train").astype(object)
        columns: dict[str, Any] = {"id": ids, "split": split}
        columns["image"] = pa.FixedSizeListArray.from_arrays(pa.array(pixels[part].ravel()), 64)
        for task in tasks:
            given = damaged(truth[task][part], len(names[task]), split == "train", rng)
            columns[task] = pa.array([names[task][g] if g >= 0 else None for g in given])
            right = [names[task][t] for t in truth[task][part]]
            answers.append(
                pa.table(
                    {"dataset": [name] * len(part), "id": ids, "task": [task] * len(part), "truth": right}
                )
            )
        fields = [image if c == "image" else pa.field(c, pa.string()) for c in columns]
        pq.write_table(pa.table(columns, schema=pa.schema(fields)), folder / f"{name}.parquet")
    pq.write_table(pa.concat_tables(answers), folder / "truth.parquet")
    (folder / "jointset.yaml").write_text(CONFIG.replace("SEED", str(seed)), encoding="utf-8")


def damaged(
    truth: NDArray[Any], classes: int, training: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[Any]:
    """Training labels with ``WITHHELD`` of them missing (-1) and ``NOISE`` of the rest moved to another class."""
    moved = (truth + rng.integers(1, classes, len(truth))) % classes
    given = np.where(training & (rng.random(len(truth)) < NOISE), moved, truth)
    return np.where(training & (rng.random(len(truth)) < WITHHELD), -1, given)


def score(run: Run, folder: Path) -> dict[str, dict[str, Any]]:
    """Compare the repaired training labels with the truth, task by task."""
    import pandas as pd
    import pyarrow.parquet as pq

    truth = pq.read_table(folder / "truth.parquet").to_pandas()
    scores = {}
    for task in run.work.tasks:
        parts = []
        for name, dataset in run.datasets.items():
            frame = dataset.to_pandas()
            if task.name in LABELS[name]:
                right = truth[(truth.dataset == name) & (truth.task == task.name)].set_index("id")["truth"]
                frame["truth"] = frame["id"].map(right)
                parts.append(frame)
        scores[task.name] = _score(pd.concat(parts), task.name)
    return scores


def _score(frame: Any, task: str) -> dict[str, Any]:
    """``frame`` holds the export columns of the task and ``truth``; only training rows count."""
    from sklearn.metrics import average_precision_score

    frame = frame[frame.split == "train"]
    given, final, source = frame[f"{task}__given"], frame[task], frame[f"{task}__source"]
    labelled = given.notna()
    wrong = labelled & (given != frame.truth)
    repaired, filled = source == "relabelled", source == "filled"
    suspected = labelled & (repaired | final.isna() | (frame[f"{task}__weight"] < 1))
    quality = frame.loc[labelled, f"{task}__quality"].fillna(1.0)
    return {
        "errors": int(wrong.sum()),
        "errors_found": int((wrong & suspected).sum()),
        "average_precision": float(average_precision_score(wrong[labelled], 1 - quality)),
        "relabelled": int(repaired.sum()),
        "relabelled_right": float((final == frame.truth)[repaired].mean())
        if repaired.any()
        else float("nan"),
        "missing": int((~labelled).sum()),
        "filled": int(filled.sum()),
        "filled_right": float((final == frame.truth)[filled].mean()) if filled.any() else float("nan"),
        "right_before": float((given == frame.truth)[labelled].mean()),
        "right_after": float((final == frame.truth)[final.notna()].mean()),
    }

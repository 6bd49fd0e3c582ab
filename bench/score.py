"""Scores of a finished run against the truth, which the run itself never saw.

Everything is counted over *cells*: one row of a frame per dataset, row and task that has a true label, with
the columns dataset, id, task, split, truth, given, final, source, quality (last audit) and quality_first
(round 1).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

KEYS = ["dataset", "id", "task"]
PARTS = {"given": "__given", "final": "", "source": "__source", "quality": "__quality"}


def cells(run: Any, folder: Path) -> pd.DataFrame:
    """The run's labels beside the truth of ``folder``."""
    from jointset.records import SPLITS

    work, first = run.work, _first_audit(run.path)
    truth = pd.read_parquet(folder / "truth.parquet")
    truth = truth[truth["task"].isin([t.name for t in work.tasks])]
    parts = []
    for name, dataset in run.datasets.items():
        frame, rows = dataset.to_pandas(), work.pool.rows_of(name)
        for i, task in enumerate(work.tasks):
            if not (truth["task"] == task.name).any():
                continue
            part = frame[[task.name + end for end in PARTS.values()]].set_axis(list(PARTS), axis=1)
            part["quality_first"] = first[f"quality.{i}"][rows] if first else np.nan
            part["split"] = np.array(SPLITS, object)[work.pool.split[rows]]
            parts.append(part.assign(dataset=name, id=frame["jointset_row"], task=task.name))
    both = pd.concat(parts).merge(truth, on=KEYS, how="inner", validate="one_to_one")
    if len(both) != len(truth):
        raise ValueError(f"{folder}: {len(both)} cells match the truth's {len(truth)} addresses")
    return both


def _first_audit(path: Path) -> dict[str, Any]:
    file = path / "rounds" / "01" / "audit.npz"
    if not file.is_file():
        return {}
    with np.load(file, allow_pickle=False) as stored:
        return dict(stored)


def average_precision(cells: pd.DataFrame, quality: str) -> float:
    """Of ``1 - quality`` over the training cells with a given label, against "the given label is wrong"."""
    given = cells[(cells["split"] == "train") & cells["given"].notna()]
    return ranked((given["given"] != given["truth"]).to_numpy(), given[quality].to_numpy(float))


def ranked(wrong: np.ndarray, quality: np.ndarray) -> float:
    """Average precision of ``1 - quality``; NaN without a wrong label; an unknown quality counts as sure.

    >>> ranked(np.array([True, False]), np.array([0.1, np.nan]))
    1.0
    """
    from sklearn.metrics import average_precision_score

    if not wrong.any():
        return float("nan")
    return float(average_precision_score(wrong, 1 - np.nan_to_num(quality, nan=1.0)))


def repaired(cells: pd.DataFrame) -> dict[str, float]:
    """How the labels of the training cells stand: shares in [0, 1], NaN where nothing is counted.

    ``right_remaining`` is over labels that are there at the end, ``right_all`` over all cells (none is not
    right); ``relabelled`` is the share of given labels that were replaced.
    """
    train = cells[cells["split"] == "train"]
    given, final = train["given"].notna(), train["final"].notna()
    was, now = train["given"] == train["truth"], train["final"] == train["truth"]
    filled, relabelled = train["source"] == "filled", train["source"] == "relabelled"
    return {
        "given_right": _share(was[given]),
        "right_remaining": _share(now[final]),
        "right_all": _share(now),
        "relabelled": _share(relabelled[given]),
        "relabelled_right": _share(now[relabelled]),
        "filled": _share(filled[~given]),
        "filled_right": _share(now[filled]),
        "dropped": _share(~final[given]),
        "ap_first": average_precision(cells, "quality_first"),
        "ap_last": average_precision(cells, "quality"),
    }


def constant_fill(cells: pd.DataFrame) -> float:
    """What filling every missing training label with its task's commonest given label gets right."""
    train = cells[cells["split"] == "train"]
    common = train.groupby("task")["given"].agg(lambda s: s.mode().iloc[0])
    missing = train[train["given"].isna()]
    return _share(missing["truth"] == missing["task"].map(common))


def label_accuracy(cells: pd.DataFrame, column: str) -> dict[str, float]:
    """Accuracy of the labels ``column`` over rows of every split; no label is not right.

    ``voted`` is over the rows that had a vote, ``all`` over all rows, ``labelled`` over those with a label.
    """
    right, there = cells[column] == cells["truth"], cells[column].notna()
    voted = cells["voted"].astype(bool)
    return {"voted": _share(right[voted]), "all": _share(right), "labelled": _share(right[there])}


def promises(edits: pd.DataFrame, truth: pd.DataFrame) -> list[dict[str, Any]]:
    """Per task and action of the accepted edits: how many, the promised and the real share right.

    A relabel or fill is right when the new label is the true one, a drop when the old label was not. Edits of
    addresses without a truth are left out, and so are weights, which change no label.
    """
    edits = edits[edits["action"] != "weight"].rename(columns={"row": "id"})
    known = edits.merge(truth[[*KEYS, "truth"]], on=KEYS, how="inner")
    known["right"] = np.where(
        known["action"] == "drop", known["old"] != known["truth"], known["new"] == known["truth"]
    )
    found = known.groupby(["task", "action"], sort=True).agg(
        n=("right", "size"), promised=("expected_precision", "mean"), real=("right", "mean")
    )
    return json.loads(found.reset_index().to_json(orient="records"))


def predictions(model: Any, work: Any, split: str = "test") -> dict[str, pd.DataFrame]:
    """Per task the model's ``score`` (of the last class), ``label`` and the ``given`` label of the rows."""
    from jointset.records import SPLITS

    parts: dict[str, list[pd.DataFrame]] = {t.name: [] for t in work.tasks}
    for dataset in work.pool.datasets:
        rows = np.arange(len(work.pool))[work.pool.rows_of(dataset.name)]
        own = np.flatnonzero(work.pool.split[rows] == SPLITS.index(split))
        if not len(own):
            continue
        outputs = model.outputs(dataset.table.take(own), dataset=dataset.name, root=dataset.root)
        for task in work.tasks:
            p, given = outputs[task.name], work.given[task.name][rows[own]]
            known = given >= 0
            frame = pd.DataFrame(
                {"score": p[:, -1], "label": p.argmax(1), "given": given, "dataset": dataset.name}
            )
            parts[task.name].append(frame[known])
    return {name: pd.concat(frames) for name, frames in parts.items() if frames}


def accuracy(frame: pd.DataFrame) -> float:
    """Share of the predicted labels that are the given ones."""
    return _share(frame["label"] == frame["given"])


def by_dataset(frame: pd.DataFrame) -> dict[str, float]:
    """Accuracy dataset by dataset."""
    return {str(name): accuracy(part) for name, part in frame.groupby("dataset")}


def mean_auc(frames: dict[str, pd.DataFrame]) -> float:
    """Mean area under the curve over the binary tasks that have both classes."""
    from sklearn.metrics import roc_auc_score

    usable = [f for f in frames.values() if f["given"].nunique() == 2]
    return float(np.mean([roc_auc_score(f["given"], f["score"]) for f in usable])) if usable else float("nan")


def _share(mask: Any) -> float:
    return float(np.mean(mask)) if len(mask) else float("nan")

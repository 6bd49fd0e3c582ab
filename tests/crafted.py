"""A run that was put together by hand: real files, a real ledger, nothing trained."""

import json
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from jointset import config as configs
from jointset.augment import Recipe
from jointset.ledger import Ledger
from jointset.prepare import prepare
from jointset.records import Edits, Issues, TaskVerdict, Verdict
from jointset.report import write_rows
from jointset.rundir import RunDirectory, write_json, write_text

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
EVIL = [
    HOSTILE,
    "[click](javascript:alert(1)) javascript:alert(1)",
    "‮עברית שלום‬ مرحبا 👩‍👩‍👧‍👦🏳️‍🌈 中文",
    "\x00\x07 bell {{7*7}} {% raw %} ${x}",
    "plain words about a refund that was late",
]


WEIGHTS = {"drop": 0.0, "weight": 0.3, "add": 0.5}


@dataclass
class Crafted:
    """The run, and what it was made of."""

    directory: RunDirectory
    frame: pd.DataFrame


def craft(
    path: Path,
    n: int = 120,
    *,
    cell: str = "",
    images: list | None = None,
    facts: dict | None = None,
    trusted: bool = False,
) -> Crafted:
    """A run of one dataset with texts, numbers and, if named, images; edits of every action at known rows.

    With ``trusted``, the labels of the held-out rows are marked as known for sure.
    """
    rng = np.random.default_rng(0)
    path.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(
        {
            "id": [f"r{i}" for i in range(n)],
            "text": [f"{EVIL[i % len(EVIL)]} no {i}" for i in range(n)],
            "size": rng.normal(0, 1, n).round(3),
            "mood": np.array(["bad", "good", HOSTILE], object)[rng.integers(0, 3, n)],
            "urgent": np.array(["no", "yes"], object)[rng.integers(0, 2, n)],
            "amount": rng.normal(10, 2, n).round(2),
            "split": ["holdout" if i % 5 == 4 else "train" for i in range(n)],
        }
    )
    frame.loc[3, "size"] = 1e6
    frame.loc[frame.index % 7 == 0, "urgent"] = None
    if cell:
        frame.loc[0, "text"] = cell
    inputs: dict = {"text": "text", "tabular": ["size"]}
    if images is not None:
        frame["picture"] = [images[i % len(images)] for i in range(n)]
        inputs["image"] = "picture"
    known = {"trusted": "known"} if trusted else {}
    frame.assign(known=frame.split == "holdout").to_csv(path / "d.csv", index=False)
    settings = {
        "name": "crafted",
        "datasets": {
            "d": {"path": str(path / "d.csv"), "inputs": inputs, "id": "id", "split": "split", **known}
        },
        "tasks": {
            "mood": {"kind": "multiclass", "labels": {"d": "mood"}},
            "urgent": {"kind": "binary", "labels": {"d": "urgent"}},
            "amount": {"kind": "regression", "labels": {"d": "amount"}, "unit": "EUR"},
        },
        "seed": 0,
    }
    directory = RunDirectory(path / "runs" / "crafted")
    config = configs.parse(settings, "test")
    work = prepare(config, directory.data)
    write_text(directory.path / "config.yaml", configs.dump(config))
    write_json(directory.path / "data.lock", work.facts())
    write_rows(directory, work)
    _record(directory, frame, facts or {})
    return Crafted(directory, frame)


def _record(directory: RunDirectory, frame: pd.DataFrame, facts: dict) -> None:
    rng = np.random.default_rng(1)
    n, train = len(frame), frame[frame.split == "train"]
    rows = []
    for i, (_, row) in enumerate(train.iterrows()):
        if row.urgent is None or row.urgent != row.urgent:
            rows.append((row.id, "urgent", "fill", "", "yes", 0.7 + 0.3 * rng.random()))
        else:
            action = ("relabel", "drop", "weight")[i % 3]
            new = {"relabel": "good" if row.mood != "good" else "bad", "drop": "", "weight": row.mood}[action]
            rows.append((row.id, "mood", action, row.mood, new, 0.5 + 0.5 * rng.random()))
    for row, operation in zip(train.id, ("text.swap", "tabular.noise", "tabular.mixup"), strict=False):
        partner = {"partner": train.id.iloc[-1], "share": 0.7} if operation == "tabular.mixup" else {}
        recipe = Recipe("d", row, {operation: 0.1}, 7, ("mood",), **partner)
        rows.append((row, "mood", "add", "", recipe.text(), 1.0))
    m = len(rows)
    columns = [np.array(c, object) for c in zip(*rows, strict=True)]
    copies = np.where(columns[2] == "add", "copy 1", "").astype(object)
    text = {"position": copies, "annotator": np.full(m, "", object)}
    confidence = columns[5].astype(float)
    edits = Edits(
        round=np.full(m, 1), dataset=np.full(m, "d", object), row=columns[0], task=columns[1], action=columns[2],
        old=columns[3], new=columns[4], weight=np.array([WEIGHTS.get(a, 1.0) for a in columns[2]]),
        confidence=confidence, expected_precision=np.full(m, 0.9), reason=_reasons(columns[2]),
        status=np.array(["rejected" if i % 9 == 8 else "accepted" for i in range(m)], object), **text,
    )  # fmt: skip
    held = frame[frame.split == "holdout"].head(6)
    doubted = edits.take(edits.action != "add")
    issues = Issues.concat(
        [
            _issues(*(getattr(doubted, c) for c in ("row", "task", "old", "new", "confidence"))),
            _issues(held.id.to_numpy(object), np.full(len(held), "mood", object), held.mood.to_numpy(object),
                    np.full(len(held), "good", object), np.full(len(held), 0.8)),
        ]
    )  # fmt: skip
    nan = float("nan")
    verdict = Verdict(
        True, True, f"accepted: {HOSTILE}",
        (TaskVerdict("mood", "accuracy", 0.5, 0.6, 0.01, 0.2, "better", 12),
         TaskVerdict("urgent", "auc", nan, nan, nan, nan, "not judged", 3)),
    )  # fmt: skip
    refused = Verdict(False, False, "rejected: worse: mood", verdict.tasks)
    with Ledger(directory.ledger) as ledger:
        ledger.record_round(
            1, issues=issues, edits=edits, verdicts=[("all", refused), ("retry", verdict)],
            facts={"noise_rate": {"mood": 0.1}, "noise_matrix": {"mood": (0.9 * np.eye(3) + 0.1 / 3).tolist()}} | facts,
        )  # fmt: skip
    directory.round(1).mkdir(parents=True, exist_ok=True)
    _data_issues(directory, frame)
    p = rng.dirichlet(np.ones(3), n).astype(np.float32)
    q = rng.dirichlet(np.ones(2), n).astype(np.float32)
    outputs = {"outputs.0": p, "outputs.1": q, "outputs.2": rng.normal(10, 2, (n, 1)).astype(np.float32)}
    embedding = rng.normal(size=(n, 4)).astype(np.float16)
    np.savez(
        directory.round(1) / "predictions.npz",
        **outputs,
        embedding=embedding,
        fold=(np.arange(n) % 2).astype(np.int8),
    )
    rows = np.flatnonzero(frame.split.to_numpy() != "train")
    before = {
        f"{side}.{i}": outputs[f"outputs.{i}"][rows]
        for side in ("before", "before_decided")
        for i in range(3)
    }
    after = {
        f"{side}.{i}": outputs[f"outputs.{i}"][rows] for side in ("after", "after_decided") for i in range(3)
    }
    np.savez(directory.held_out, rows=rows, **before, **after)
    task = {
        "metric": "accuracy",
        "on": "holdout",
        "rows": 12,
        "before": 0.5,
        "after": 0.6,
        "interval": [0.01, 0.2],
        "verdict": "better",
    }
    summary = {
        "name": "crafted",
        "tasks": {"mood": task},
        "rounds": 1,
        "stopped": "the rounds asked for are done",
        "seconds": 3.0,
    }
    (directory.path / "summary.json").write_text(
        json.dumps({**summary, "peak_memory_bytes": 10**8, "seed": 0, "version": "0"})
    )


def _reasons(action) -> np.ndarray:
    """What edits were proposed for, several per action, and what the gate said of them."""
    of = {"relabel": ["label_error"], "fill": ["missing_label"], "drop": ["label_error", "spare_copy", "leak_source"],
          "weight": ["label_error", "shifted_row", "tail_label"], "add": ["tail_label"]}  # fmt: skip
    turn = {a: cycle(codes) for a, codes in of.items()}
    return np.array([f"{next(turn[a])}; accepted: fine" for a in action], object)


def _data_issues(directory: RunDirectory, frame: pd.DataFrame) -> None:
    """Copies that the checks of the data found: r1 of r0, r3 nearly of r0, and the held-out r4 of r2."""
    facts = [
        ("exact_duplicate", 1, {"copy_of": "d/r0"}),
        ("near_duplicate", 3, {"like": "d/r0", "similarity": 0.97}),
        ("leaked_copy", 4, {"copy_of": "d/r2"}),
        ("leak_source", 2, {"copy_of": "d/r4"}),
        ("outlier", 5, {"distance": 9.0}),
    ]
    n = len(facts)
    texts = [np.full(n, "", object) for _ in range(4)]
    ids = frame.id.to_numpy(object)[[i for _, i, _ in facts]]
    evidence = np.array([json.dumps(e) for *_, e in facts], object)
    found = Issues(np.array([c for c, *_ in facts], object), np.full(n, "d", object), ids, texts[0], texts[1],
                   np.zeros(n), texts[2], texts[3], np.ones(n), evidence)  # fmt: skip
    pq.write_table(found.to_arrow(), directory.round(1) / "data_issues.parquet")


def further_round(run: Crafted) -> int:
    """A second round, as a run that goes on records it; how many edits it has."""
    with Ledger(run.directory.ledger) as ledger:
        first, issues = ledger.edits(round=1), ledger.issues(1)
        new = first.take(first.action == "weight").with_columns(action="drop", new="", weight=0.0, round=2)
        new = Edits.concat([new, first.take(first.action == "fill").with_columns(confidence=0.91, round=2)])
        ledger.record_round(2, issues=issues, edits=new, verdicts=[], facts={})
    folder = run.directory.round(2)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.npz").write_bytes((run.directory.round(1) / "predictions.npz").read_bytes())
    return len(new)


def _issues(row, task, given, suggested, confidence) -> Issues:
    n = len(row)
    code = np.where(given == "", "missing_label", "label_error").astype(object)
    evidence = np.array([json.dumps({"p_given": 0.1, "because": f"urgent={HOSTILE}"})] * n, object)
    empty = np.full(n, "", object)
    return Issues(
        code,
        np.full(n, "d", object),
        row,
        task,
        empty,
        1 - confidence,
        given,
        suggested,
        confidence,
        evidence,
    )

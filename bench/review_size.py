"""A run of a million rows and a ledger of a million edits: how large the report is, how fast the review page answers.

Nothing is trained: the rows, the edits and the predictions are drawn. ``python bench/review_size.py --rows 1000000``
prints JSON; ``--work`` keeps the run for a second look.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jointset import config as configs
from jointset.data.storage import store
from jointset.ledger import Ledger
from jointset.records import Edits, Issues, TaskVerdict, Verdict
from jointset.report.rows import write_ipc
from jointset.rundir import RunDirectory, write_json, write_text

SPOKEN = "calm quiet slow plain even usual steady loud wild fast rare refund broken great bad fine late"
WORDS = np.array(SPOKEN.split(), object)
MOODS = ("bad", "mixed", "good")


def make(path: Path, rows: int, edits: int, seed: int) -> RunDirectory:
    """Lay out the run: one dataset of texts and numbers, two tasks, one round."""
    rng = np.random.default_rng(seed)
    run = RunDirectory(path)
    path.mkdir(parents=True, exist_ok=True)
    table, ids = _table(rng, rows)
    fingerprint = f"{seed:064x}"
    store(table, fingerprint, run.data)
    mood, urgent = rng.integers(0, 3, rows).astype(np.int32), rng.integers(-1, 2, rows).astype(np.int32)
    split = (rng.random(rows) < 0.15).astype(np.int8)
    columns = {
        "row": ids,
        "split": split,
        "trusted": np.zeros(rows, np.int8),
        "given.0": mood,
        "given.1": urgent,
    }
    folder = run.data / "rows"
    folder.mkdir(parents=True, exist_ok=True)
    write_ipc(folder / "0.arrow", pa.table(columns))
    kinds = [("mood", "multiclass", MOODS), ("urgent", "binary", ("no", "yes"))]
    tasks = [{"name": n, "kind": k, "classes": c, "scale": (0, 1), "notes": ()} for n, k, c in kinds]
    known = {
        "name": "d",
        "fingerprint": fingerprint,
        "inputs": {"text": ["text"], "tabular": ["size"]},
        "root": None,
    }
    write_json(folder / "rows.json", {"format": 1, "datasets": [{**known, "labels": {}}], "tasks": tasks})
    settings = {
        "name": "big", "datasets": {"d": {"path": "d.csv", "inputs": {"text": "text", "tabular": ["size"]}}},
        "tasks": {n: {"kind": k, "labels": {"d": n}} for n, k, _ in kinds},
    }  # fmt: skip
    write_text(path / "config.yaml", configs.dump(configs.parse(settings, "bench")))
    _ledger(run, rng, ids, np.flatnonzero(split == 0), mood, edits)
    _predictions(run, rng, rows, split)
    task = {
        "metric": "accuracy",
        "on": "holdout",
        "rows": 9,
        "before": 0.8,
        "after": 0.81,
        "interval": [0, 0.02],
        "verdict": "same",
    }
    write_json(
        path / "summary.json",
        {
            "name": "big",
            "tasks": {"mood": task},
            "rounds": 1,
            "stopped": "asked for",
            "seconds": 1,
            "seed": seed,
        },
    )
    return run


def _table(rng: np.random.Generator, rows: int) -> tuple[pa.Table, pa.Array]:
    text = pa.array([" ".join(WORDS[w]) for w in rng.integers(0, len(WORDS), (rows, 10))], pa.large_string())
    ids = pa.array([f"row-{i:07d}" for i in range(rows)], pa.large_string())
    return pa.table({"id": ids, "text": text, "size": rng.normal(size=rows)}), ids


def _ledger(
    run: RunDirectory, rng: np.random.Generator, ids: pa.Array, train: Any, mood: Any, n: int
) -> None:
    run.ledger.unlink(missing_ok=True)
    place = rng.choice(train, n, replace=n > len(train))
    action = rng.choice(np.array(["relabel", "fill", "drop", "weight"], object), n, p=[0.4, 0.4, 0.1, 0.1])
    names = np.array(MOODS, object)
    old = np.where(action == "fill", "", names[mood[place]]).astype(object)
    confidence = rng.beta(8, 1.5, n)
    empty = np.full(n, "", object)
    row = np.array(ids.take(pa.array(place)).to_pylist(), object)
    edits = Edits(
        round=np.full(n, 1), dataset=np.full(n, "d", object), row=row, task=np.full(n, "mood", object), position=empty,
        annotator=empty, action=action, old=old, new=names[rng.integers(0, 3, n)], weight=np.ones(n),
        confidence=confidence,
        expected_precision=np.full(n, 0.9), status=np.where(rng.random(n) < 0.9, "accepted", "rejected").astype(object),
        reason=np.full(n, "accepted: better: mood (accuracy 0.80 → 0.81)", object),
    )  # fmt: skip
    issues = Issues(
        np.where(action == "fill", "missing_label", "label_error").astype(object), edits.dataset, row,
        edits.task, empty,
        1 - confidence, old, edits.new, confidence, np.full(n, '{"p_given": 0.1}', object),
    )  # fmt: skip
    verdict = Verdict(
        True, True, "accepted", (TaskVerdict("mood", "accuracy", 0.8, 0.81, 0.0, 0.02, "better", 9),)
    )
    with Ledger(run.ledger) as ledger:
        facts = {"noise_matrix": {"mood": np.eye(3).tolist()}, "noise_rate": {"mood": 0.1}}
        ledger.record_round(1, issues=issues, edits=edits, verdicts=[("all", verdict)], facts=facts)


def _predictions(run: RunDirectory, rng: np.random.Generator, rows: int, split: Any) -> None:
    folder = run.round(1)
    folder.mkdir(parents=True, exist_ok=True)
    outputs = {
        "outputs.0": rng.dirichlet(np.ones(3), rows).astype(np.float32),
        "outputs.1": rng.random((rows, 2), np.float32),
    }
    fold = rng.integers(0, 5, rows).astype(np.int8)
    np.savez(
        folder / "predictions.npz",
        **outputs,
        embedding=rng.normal(size=(rows, 64)).astype(np.float16),
        fold=fold,
    )
    held = np.flatnonzero(split)
    sides = {
        f"{side}.{i}": outputs[f"outputs.{i}"][held]
        for side in ("before", "after", "before_decided", "after_decided")
        for i in (0, 1)
    }
    np.savez(run.held_out, rows=held, **sides)


def measure_report(run: RunDirectory) -> dict[str, float]:
    """Size and time of the report, in a process of its own."""
    code = (
        "import resource, sys, time; t, c = time.perf_counter(), time.process_time(); from pathlib import "
        "Path; from jointset import report;"
        "from jointset.rundir import RunDirectory; report.write(RunDirectory(Path(sys.argv[1])));"
        "print(time.perf_counter() - t, time.process_time() - c, "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    wall, cpu, memory = (
        float(v)
        for v in subprocess.run(
            [sys.executable, "-c", code, run.path], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    size = run.report.stat().st_size / 2**20
    return {
        "MiB": round(size, 3),
        "seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_MiB": round(memory),
    }


def measure_review(run: RunDirectory) -> dict[str, Any]:
    """Start-up, time of the first page and of filters, memory of the server."""
    import http.client

    code = "from jointset.cli.main import main; main()"
    started = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-c", code, "review", str(run.path), "--port", "0"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        address = server.stdout.readline().split()[1]  # type: ignore[union-attr]
        port = int(address.rsplit(":", 1)[1].split("/")[0])
        cookie = ""

        def spent() -> float:
            parts = Path(f"/proc/{server.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
            return 1000 * (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

        def ask(path: str) -> tuple[float, str]:
            nonlocal cookie
            begun = time.perf_counter()
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            link.request("GET", path, headers={"Cookie": cookie} if cookie else {})
            answer = link.getresponse()
            body = answer.read().decode()
            cookie = (answer.headers.get("set-cookie") or cookie).split(";")[0]
            if answer.status >= 400:
                raise RuntimeError(f"{path}: {answer.status}")
            return 1000 * (time.perf_counter() - begun), body

        while True:
            try:
                ask(f"/?token={address.split('token=')[1]}")
                break
            except ConnectionError:
                time.sleep(0.05)
        found: dict[str, Any] = {"start_seconds": round(time.perf_counter() - started, 2)}
        found["start_cpu_seconds"] = round(spent() / 1000, 2)
        paths = {
            "first_page": "/", "second_page": "/queue?page=2", "last_page": "/queue?page=100000",
            "filter_action": "/queue?action=relabel", "filter_pair": "/queue?pair=bad%09good",
            "filter_score": "/queue?low=0.6&high=0.8&status=accepted", "search_row": "/queue?text=row-00012",
            "search_text": "/queue?text=refund+broken", "item": "/item?key=1", "next": "/item?key=1&step=1",
            "bulk": "/bulk?action=drop",
        }  # fmt: skip
        for name, path in paths.items():
            before = spent()
            found[f"{name}_ms"] = [round(ask(path)[0]) for _ in range(3)]
            found[f"{name}_cpu_ms"] = round((spent() - before) / 3)
        status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
        memory = {
            k: int(v.split()[0]) / 1024
            for k, v in (line.split(":\t") for line in status.splitlines())
            if k in ("VmHWM", "VmRSS", "RssAnon")
        }
        return {**found, **{f"{k}_MiB": round(v) for k, v in memory.items()}}
    finally:
        server.terminate()
        server.wait(20)


def main() -> None:
    """Make the run, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--edits", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("review-size"))
    options = parser.parse_args()
    run = RunDirectory(options.work)
    if not (options.work / "summary.json").is_file():
        run = make(options.work, options.rows, options.edits, options.seed)
    found = {
        "rows": options.rows,
        "edits": options.edits,
        "report": measure_report(run),
        "review": measure_review(run),
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

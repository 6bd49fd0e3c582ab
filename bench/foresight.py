"""What foresight is worth: false alarms of the test for a signal, and what a copy of a task does to the audit.

    python bench/foresight.py alarms [--only adult sentence_cls …] [--rows 500 1000 2000] [--draws 3]
    python bench/foresight.py copies [--seeds 0 1 2]

*alarms*: every task of the sets, and its labels permuted, at some numbers of training rows a dataset. A true task that
is suspected is a false alarm, though a run goes on to ask the task's own model; a permuted one that is not is a miss.

*copies*: 8,000 people, three tasks, a share of the labels wrong; a copy of the wrong labels beside. The predictions are
a cross-fitted logistic regression's. A cell: average precision of ranking the wrong labels of *rich*, labels flagged,
and the share of these that is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.datasets import data_file  # noqa: E402
from bench.sharing.sets import COLLEGE, PEOPLE, SETS  # noqa: E402
from jointset import audit  # noqa: E402
from jointset import config as configs  # noqa: E402
from jointset.foresight import missing_signals  # noqa: E402
from jointset.prepare import prepare  # noqa: E402
from jointset.records import Task, is_labelled  # noqa: E402
from jointset.relatedness.signal import enough  # noqa: E402
from jointset.relating import material_of, sampled  # noqa: E402

ASKED = ["adult", "fsdd", "mnist10k", "sentence_cls", "goemotions", "molecules"]


def alarms(folder: Path, name: str, rows: int, draws: int) -> tuple[Counter[str], list[str]]:
    """How many true and permuted tasks were judged and suspected, and which true ones."""
    SETS[name](folder, 0, None)
    settings = yaml.safe_load((folder / "set.yaml").read_text(encoding="utf-8")) | {"name": name}
    work = prepare(configs.resolve_paths(configs.parse(settings, name), folder), folder / "data")
    counts: Counter[str] = Counter()
    named = []
    for draw in range(draws):
        drawn = dataclasses.replace(work, config=work.config.model_copy(update={"seed": draw}))
        material = material_of(drawn, sampled(drawn, rows))
        rng = np.random.default_rng(draw)
        for what, permuted in (("true", False), ("permuted", True)):
            labels = {
                n: _permuted(y, rng) if permuted else y for n, y in material.labels.items() if enough(y)
            }
            found = missing_signals(labels, material.features, seed=draw)
            counts[what] += len(labels)
            counts[f"{what}, suspected"] += len(found)
            named += [] if permuted else list(found)
    return counts, named


def _permuted(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out, places = labels.copy(), np.flatnonzero(is_labelled(labels))
    out[places] = labels[rng.permutation(places)]
    return out


def copied(seed: int, noise: float) -> dict[str, str]:
    """The audit of *rich* without a copy, with one that is heard, and with one that is not."""
    from sklearn.metrics import average_precision_score

    frame = pd.read_parquet(data_file("adult", "adult.parquet")).sample(8000, random_state=seed)
    true = {
        "rich": frame["income"].str.contains(">").to_numpy(int),
        "college": frame["education"].str.strip().isin(COLLEGE).to_numpy(int),
        "single": (frame["marital_status"].str.strip() == "Never-married").to_numpy(int),
    }
    rng = np.random.default_rng(seed)
    wrong = {n: rng.random(len(y)) < noise for n, y in true.items()}
    given = {n: np.where(wrong[n], 1 - y, y) for n, y in true.items()}
    probs = {n: _predicted(frame[PEOPLE], y) for n, y in given.items()}
    given["copy"], probs["copy"] = 1 - given["rich"], probs["rich"][:, ::-1]

    def told(names: Sequence[str], copies: Sequence[Sequence[str]] = ()) -> str:
        tasks = [Task(n, "binary", ("no", "yes")) for n in names]
        found = audit.run({n: given[n] for n in names}, probs_of(probs, names), tasks, copies=copies)["rich"]
        right = f"{wrong['rich'][found.is_error].mean():.2f}" if found.is_error.any() else "–"
        ranked = average_precision_score(wrong["rich"], 1 - found.quality)
        return f"{ranked:.3f}; {int(found.is_error.sum())} flagged, {right}"

    names = list(true)
    return {
        "without": told(names),
        "heard": told([*names, "copy"]),
        "not heard": told([*names, "copy"], [("rich", "copy")]),
    }


def probs_of(probs: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {n: probs[n] for n in names}


def _predicted(inputs: pd.DataFrame, y: np.ndarray) -> np.ndarray:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [c for c in inputs if inputs[c].dtype.kind in "iuf"]
    words = [c for c in inputs if c not in numbers]
    ready = inputs.astype(dict.fromkeys(words, str))
    columns = make_column_transformer(
        (StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), words)
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=300))
    return np.asarray(cross_val_predict(model, ready, y, cv=5, method="predict_proba"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what foresight is worth.")
    parser.add_argument("what", choices=["alarms", "copies"])
    parser.add_argument("--only", nargs="+", choices=SETS, default=ASKED)
    parser.add_argument("--rows", nargs="+", type=int, default=[1000, 2000])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    if arguments.what == "copies":
        print(
            "| noise, seed | without a copy | with one that is heard | with one that is not |\n|---|---|---|---|"
        )
        for noise in (0.05, 0.2):
            for seed in arguments.seeds:
                print(f"| {noise:.0%}, {seed} | {' | '.join(copied(seed, noise).values())} |", flush=True)
        return
    print(
        "| set, rows a dataset | true tasks suspected | which | permuted ones suspected |\n|---|---|---|---|"
    )
    for name in arguments.only:
        for rows in arguments.rows:
            with tempfile.TemporaryDirectory() as folder:
                counts, named = alarms(Path(folder), name, rows, arguments.draws)
            which = ", ".join(f"{n} ({c}×)" for n, c in Counter(named).most_common()) or "–"
            print(
                f"| {name}, {rows:,} | {counts['true, suspected']} of {counts['true']} | {which} | "
                f"{counts['permuted, suspected']} of {counts['permuted']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

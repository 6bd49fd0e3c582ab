"""Eight corpora of sentences trained jointly, beside TF-IDF + logistic regression on each alone.

    python bench/sentences.py [--seeds 0 1 2] [--work FOLDER]

Files and splits are those of ``bench/sharing/sets.py``: test sentences that stand in any corpus' training part are
left out. The peer trains on every training row and takes the C and the n-grams of words that three-fold
cross-validation finds best; the joint model keeps 15 % of them to stop by. Test rows are read once, for this table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.sharing import runs  # noqa: E402
from bench.sharing.sets import sentence_cls  # noqa: E402

GRID = {"words__ngram_range": [(1, 1), (1, 2)], "linear__C": [1.0, 3.0, 10.0]}
JOINT: dict[str, dict[str, Any]] = {"joint": {}, "joint, inputs not mixed": {"mixup": 0.0}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Sentences: joint training beside a linear model on each corpus."
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, help="folder to work in; finished parts of it are taken over")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        found = [measured(work / str(seed), seed) for seed in arguments.seeds]
    print(markdown(found))


def measured(folder: Path, seed: int) -> dict[str, dict[str, float]]:
    """Way → corpus → accuracy on the test rows."""
    if not (folder / "set.yaml").is_file():
        sentence_cls(folder, seed, None)
    found = {"TF-IDF + LR": {p.stem: linear(pd.read_parquet(p)) for p in sorted(folder.glob("*.parquet"))}}
    for name, changes in JOINT.items():
        print(f"seed {seed}: {name}", file=sys.stderr, flush=True)
        variant = runs.Variant("hard", label=name.replace(", ", "-").replace(" ", "-"))
        scores = runs.joint(folder, variant, changes)
        if "error" in scores:
            raise SystemExit(f"{name}: {scores['error']}")
        found[name] = {task: one["value"] for task, one in scores["tasks"].items()}
    return found


def linear(frame: pd.DataFrame) -> float:
    """Accuracy of the best logistic regression on n-grams of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    train, test = (frame[frame["split"] == s] for s in ("train", "test"))
    steps = [("words", TfidfVectorizer()), ("linear", LogisticRegression(max_iter=500))]
    best = GridSearchCV(Pipeline(steps), GRID, cv=3).fit(train["text"], train["label"])
    return float(best.score(test["text"], test["label"]))


def markdown(found: list[dict[str, dict[str, float]]]) -> str:
    """Ways by corpora: mean over seeds [least, most], and in how many corpora a joint model is ahead of the peer."""
    ways, tasks = list(found[0]), list(found[0]["TF-IDF + LR"])
    mean = {w: {t: statistics.fmean(f[w][t] for f in found) for t in tasks} for w in ways}
    lines = [f"| | {' | '.join(tasks)} | ahead |", "|---|" + "---|" * (len(tasks) + 1)]
    for way in ways:
        cells = [cell([f[way][t] for f in found]) for t in tasks]
        ahead = sum(mean[way][t] > mean["TF-IDF + LR"][t] for t in tasks)
        lines.append(f"| {way} | {' | '.join(cells)} | {ahead if way in JOINT else ''} |")
    return "\n".join(lines)


def cell(values: list[float]) -> str:
    """Mean and range, without the leading zero."""
    between = f" [{min(values):.3f}, {max(values):.3f}]" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{between}".replace("0.", ".")


if __name__ == "__main__":
    main()

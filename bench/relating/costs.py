"""What the measures before training cost where nothing is cut down: all rows, and the library's own settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.relating.pairs import kept
from bench.relating.sets import WHOLE, made
from bench.relating.trainings import Trainings
from jointset.records import TRAIN


def of_set(work: Path, name: str, seeds: Sequence[int]) -> dict[str, float]:
    """Tasks, training rows, and seconds of the processor: a joint training (mean over seeds), and the consensus."""
    trainings = Trainings(made(work, name, 0, WHOLE))
    joint = [trainings.scores(trainings.names, s) for s in seeds]
    _, spent = kept(trainings)
    return {
        "tasks": len(trainings.names),
        "rows": int((trainings.work.pool.split == TRAIN).sum()),
        "epochs": sum(j["epochs"] for j in joint) / len(joint),
        "joint": sum(j["seconds"] for j in joint) / len(joint),
        "consensus": spent["consensus"],
    }


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """A line per set.

    >>> one = {"tasks": 2, "rows": 10, "epochs": 3, "joint": 4.0, "consensus": 1.0}
    >>> print(table({"a": one}).splitlines()[-1])
    | a | 2 | 10 | 3.0 | 4.0 | 1.0 | 0.25 |
    """
    head = "| set | tasks | training rows | epochs | a joint training, s | consensus, s | joint trainings |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for name, f in found.items():
        took = (
            f"{f['epochs']:.1f} | {f['joint']:.1f} | {f['consensus']:.1f} | {f['consensus'] / f['joint']:.2f}"
        )
        lines.append(f"| {name} | {f['tasks']} | {f['rows']:,} | {took} |")
    return "\n".join(lines)

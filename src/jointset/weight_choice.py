"""Which of the searched weights a run goes on with, and what is said about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.config import SearchSettings
from jointset.data import Overlay
from jointset.errors import DataError
from jointset.metrics import resamples
from jointset.models.joint import JointModel
from jointset.records import Floats, Ints
from jointset.search import Trial, Worth, front, worth
from jointset.stages import stopping_rows
from jointset.training.checkpoint import save_arrays
from jointset.training.evaluate import predict, resampled, skills
from jointset.workbench import Bench

RESAMPLES = 1000


@dataclass(frozen=True)
class Judge:
    """The held-out rows of a search, and the names of the tasks whose mean score counts."""

    bench: Bench
    rows: Ints
    counted: tuple[str, ...]

    @classmethod
    def of(cls, bench: Bench, overlay: Overlay, settings: SearchSettings) -> Judge:
        """The judge of a search; raises DataError where no task that counts has two different held-out labels."""
        rows, work = stopping_rows(bench, overlay), bench.work
        nothing = {t.name: np.zeros((len(rows), t.n_outputs), np.float32) for t in work.tasks}
        judged = skills(work.tasks, {n: y[rows] for n, y in work.given.items()}, nothing)
        wanted = [settings.target] if settings.target else list(work.by_name)
        counted = tuple(n for n in wanted if n in judged)
        if not counted:
            raise DataError(
                f"training.weighting.search: {', '.join(wanted[:5])}: no two different held-out labels to compare "
                "weights by; give the datasets a larger holdout, or name a weighting"
            )
        return cls(bench, rows, counted)

    @property
    def labels(self) -> dict[str, Any]:
        """Held-out labels by task."""
        return {n: y[self.rows] for n, y in self.bench.work.given.items()}

    def scores(self, model: JointModel, number: int | None = None) -> dict[str, float]:
        """Held-out skill by task; the outputs of a trial with a ``number`` are kept."""
        outputs, _ = predict(model, self.bench.inputs, self.rows)
        if number is not None:
            arrays = {str(i): outputs[t.name] for i, t in enumerate(self.bench.work.tasks)}
            save_arrays(self.bench.run.trial(number, "npz"), arrays)
        found = skills(self.bench.work.tasks, self.labels, outputs)
        return {n: round(s, 6) for n, s in found.items()}

    def score(self, scores: Mapping[str, float]) -> float:
        """What is searched for: the mean over the tasks that count."""
        return round(float(np.mean([scores[n] for n in self.counted])), 6)

    def worth(self, trials: Sequence[Trial]) -> Worth:
        """What the best of the trials is worth on rows that did not choose it."""
        drawn: list[Floats] = []
        left: list[Floats] = []
        outputs, labels = [self._outputs(t.number) for t in trials], self.labels
        for weights in resamples(len(self.rows), RESAMPLES, self.bench.work.config.seed):
            for found, rows in ((drawn, weights), (left, (weights == 0).astype(float))):
                found.append(np.stack([self._means(labels, own, rows) for own in outputs]))  # (trial, b)
        scores = np.array([t.score for t in trials])
        return worth(scores, np.concatenate(drawn, axis=1), np.concatenate(left, axis=1))

    def _outputs(self, number: int) -> dict[str, Floats]:
        with np.load(self.bench.run.trial(number, "npz"), allow_pickle=False) as stored:
            return {t.name: stored[str(i)] for i, t in enumerate(self.bench.work.tasks)}

    def _means(self, labels: Mapping[str, Any], outputs: Mapping[str, Floats], rows: Floats) -> Floats:
        tasks = [t for t in self.bench.work.tasks if t.name in self.counted]
        return np.mean([resampled(t, labels[t.name], outputs[t.name], rows) for t in tasks], axis=0)


def best_of(trials: Sequence[Trial]) -> Trial:
    """The trial of the highest score that was not ended early; the first of several."""
    return max((t for t in trials if not t.pruned), key=lambda t: t.score)


def outcome(
    trials: Sequence[Trial], found: Worth, again: Sequence[float], settings: SearchSettings
) -> dict[str, Any]:
    """What ``weights.json`` holds; ``again`` are the gains of the best over equal weights with further seeds.

    The best is kept where it is expected to be better on rows that did not choose it, and was better on average with
    seeds that did not choose it; without further seeds, in any case.
    """
    best, equal = best_of(trials), trials[0]
    sure = found.expected > 0 and np.mean(again) > 0 if again else not settings.confirm
    kept = best if sure else equal
    return {
        "search": settings.search,
        "searched": settings.target or "mean over tasks",
        "trials": len(trials),
        "pruned": sum(t.pruned for t in trials),
        "kept": kept.number,
        "weights": dict(kept.weights),
        "equal": equal.score,
        "best": {"number": best.number, "weights": dict(best.weights), "score": best.score},
        **dataclasses.asdict(found),
        "again": [round(g, 6) for g in again],
        "front": _front(trials) if settings.objective == "front" else None,
        "seconds": round(sum(t.seconds for t in trials), 1),
    }


def _front(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    whole = [t for t in trials if not t.pruned]
    on = front(np.array([list(t.scores.values()) for t in whole]))
    return [
        {"number": t.number, "weights": dict(t.weights), "scores": dict(t.scores)}
        for t, kept in zip(whole, on, strict=True)
        if kept
    ]

"""The search of task weights: trials of the joint training before the first round, each with its record on disk."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.config import SearchSettings
from jointset.data import Overlay
from jointset.errors import DataError
from jointset.metrics import resamples
from jointset.records import TRAIN, Floats, Ints
from jointset.rundir import read_json, write_json
from jointset.search import SEARCHES, Search, Trial, Worth, front, hopeless, worth
from jointset.stages import Bench, stopping_rows
from jointset.training.checkpoint import save_arrays
from jointset.training.evaluate import predict, resampled, skills
from jointset.training.loop import Fit, fit

RESAMPLES = 1000


@dataclass(frozen=True)
class _Judge:
    """The held-out rows of a search, and the tasks whose scores count."""

    bench: Bench
    rows: Ints
    tasks: tuple[str, ...]

    def labels(self, name: str) -> Any:
        return self.bench.work.given[name][self.rows]

    def score(self, scores: Mapping[str, float]) -> float:
        return float(np.mean([scores[n] for n in self.tasks]))


def settled(bench: Bench, overlay: Overlay) -> Bench:
    """The bench with the weights that a search finds, or found before; as it is where none is asked for."""
    settings = bench.work.config.training.search
    if settings is None:
        return bench
    if not bench.run.weights.is_file():
        judge = _judge(bench, overlay, settings)
        trials = _search(bench, overlay, judge, settings)
        write_json(bench.run.weights, _outcome(judge, trials, settings))
    found = read_json(bench.run.weights)
    bench.emit({"event": "weights", **found})
    return with_weights(bench, found["weights"])


def with_weights(bench: Bench, weights: Mapping[str, float]) -> Bench:
    """The bench whose tasks weigh as told."""
    tasks = tuple(dataclasses.replace(t, weight=weights[t.name]) for t in bench.work.tasks)
    return dataclasses.replace(bench, work=dataclasses.replace(bench.work, tasks=tasks))


def _judge(bench: Bench, overlay: Overlay, settings: SearchSettings) -> _Judge:
    rows, work = stopping_rows(bench, overlay), bench.work
    nothing = {t.name: np.zeros((len(rows), t.n_outputs), np.float32) for t in work.tasks}
    judged = skills(work.tasks, {n: y[rows] for n, y in work.given.items()}, nothing)
    wanted = [settings.target] if settings.target else list(work.by_name)
    tasks = tuple(n for n in wanted if n in judged)
    if not tasks:
        raise DataError(
            f"training.weighting.search: no two different held-out labels of {', '.join(wanted[:5])} to compare "
            "weights by; give the datasets a larger holdout, or name a weighting"
        )
    return _Judge(bench, rows, tasks)


def _search(bench: Bench, overlay: Overlay, judge: _Judge, settings: SearchSettings) -> list[Trial]:
    names = [t.name for t in bench.work.tasks]
    search: Search = SEARCHES[settings.search](
        names,
        settings.budget,
        span=settings.span,
        seed=bench.work.config.seed,
        front=settings.objective == "front",
    )
    trials: list[Trial] = []
    while (weights := search.propose(trials)) is not None:
        file = bench.run.trial(len(trials), "json")
        if not file.is_file():
            trial = _trial(with_weights(bench, weights), overlay, judge, trials, weights, settings)
            write_json(file, dataclasses.asdict(trial))
        read = read_json(file)
        trials.append(Trial(**{**read, "curve": tuple(read["curve"])}))
        best = max(t.score for t in trials if not t.pruned)
        bench.emit({"event": "trial", "of": search.length, "highest": best, **read})
    return trials


def _trial(
    bench: Bench,
    overlay: Overlay,
    judge: _Judge,
    before: Sequence[Trial],
    weights: dict[str, float],
    settings: SearchSettings,
) -> Trial:
    """One joint training, as a round would do it; a killed one goes on where it was."""
    number, problem = len(before), bench.problem(overlay)
    name = f"trial-{number:03d}"
    partial = bench.run.checkpoint(f"{name}.partial")
    started = time.monotonic()

    def report(event: dict[str, Any]) -> bool:
        bench.emit({"event": "epoch", "name": name, **event})
        return settings.prunes and hopeless(event["best"], event["epoch"], before)

    train = np.flatnonzero(problem.usable() & (bench.work.pool.split == TRAIN))
    result = fit(
        problem,
        train,
        stopping_rows(bench, overlay),
        bench.settings,
        seed=bench.work.config.seed,
        checkpoint=partial,
        report=report,
    )
    scores = _scored(bench, judge, result, number)
    partial.unlink(missing_ok=True)
    pruned = settings.prunes and hopeless(max(result.curve), len(result.curve), before)
    return Trial(
        number,
        weights,
        scores,
        judge.score(scores),
        result.epochs,
        tuple(round(s, 6) for s in result.curve),
        pruned,
        round(time.monotonic() - started, 2),
    )


def _scored(bench: Bench, judge: _Judge, result: Fit, number: int) -> dict[str, float]:
    outputs, _ = predict(result.model, bench.inputs, judge.rows)
    names = [t.name for t in bench.work.tasks]
    save_arrays(bench.run.trial(number, "npz"), {str(i): outputs[n] for i, n in enumerate(names)})
    found = skills(bench.work.tasks, {n: judge.labels(n) for n in names}, outputs)
    return {n: round(s, 6) for n, s in found.items()}


def _outcome(judge: _Judge, trials: Sequence[Trial], settings: SearchSettings) -> dict[str, Any]:
    whole = [t for t in trials if not t.pruned]
    best = max(whole, key=lambda t: t.score)  # the first of several
    found = _worth(judge, whole)
    equal = settings.guard and not found.expected > 0
    kept = whole[0] if equal else best
    return {
        "search": settings.search,
        "searched": settings.target or "mean over tasks",
        "trials": len(trials),
        "pruned": len(trials) - len(whole),
        "kept": kept.number,
        "weights": dict(kept.weights),
        "score": kept.score,
        "best": {"number": best.number, "weights": dict(best.weights), "score": best.score},
        "equal": whole[0].score,
        **dataclasses.asdict(found),
        "front": _front(judge, whole) if settings.objective == "front" else None,
        "seconds": round(sum(t.seconds for t in trials), 1),
    }


def _worth(judge: _Judge, trials: Sequence[Trial]) -> Worth:
    work = judge.bench.work
    drawn: list[Floats] = []
    left: list[Floats] = []
    outputs = [_outputs(judge, t) for t in trials]
    for weights in resamples(len(judge.rows), RESAMPLES, work.config.seed):
        for found, rows in ((drawn, weights), (left, (weights == 0).astype(float))):
            found.append(np.stack([_means(judge, own, rows) for own in outputs]))  # (trial, b)
    scores = np.array([t.score for t in trials])
    return worth(scores, np.concatenate(drawn, axis=1), np.concatenate(left, axis=1))


def _means(judge: _Judge, outputs: Mapping[str, Floats], rows: Floats) -> Floats:
    by_name = judge.bench.work.by_name
    return np.mean([resampled(by_name[n], judge.labels(n), outputs[n], rows) for n in judge.tasks], axis=0)


def _outputs(judge: _Judge, trial: Trial) -> dict[str, Floats]:
    names = [t.name for t in judge.bench.work.tasks]
    with np.load(judge.bench.run.trial(trial.number, "npz"), allow_pickle=False) as stored:
        return {n: stored[str(i)] for i, n in enumerate(names)}


def _front(judge: _Judge, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    names = list(trials[0].scores)
    on = front(np.array([[t.scores[n] for n in names] for t in trials]))
    return [
        {"number": t.number, "weights": dict(t.weights), "scores": dict(t.scores)}
        for t, kept in zip(trials, on, strict=True)
        if kept
    ]

"""The search of task weights: trials of the joint training before the first round, each with its record on disk."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jointset.config import SearchSettings
from jointset.data import Overlay
from jointset.records import TRAIN
from jointset.rundir import read_json, write_json
from jointset.search import SEARCHES, Trial, hopeless
from jointset.stages import stopping_rows
from jointset.training.loop import Fit, fit
from jointset.weight_choice import Judge, best_of, outcome
from jointset.workbench import Bench

FURTHER = 1000  # between the seeds of trainings that confirm; those of folds lie close to the run's


def settled(bench: Bench, overlay: Overlay) -> Bench:
    """The bench with the weights that a search finds, or found before; as it is where none is asked for."""
    settings = bench.work.config.training.search
    if settings is None:
        return bench
    if not bench.run.weights.is_file():
        judge = Judge.of(bench, overlay, settings)
        trials = _search(bench, overlay, judge, settings)
        again = _again(bench, overlay, judge, trials, settings)
        found = outcome(trials, judge.worth([t for t in trials if not t.pruned]), again, settings)
        write_json(bench.run.weights, found)
        for file in (bench.run.path / "search").glob("*.npz"):
            file.unlink()
    found = read_json(bench.run.weights)
    bench.emit({"event": "weights", **found})
    return with_weights(bench, found["weights"])


def with_weights(bench: Bench, weights: Mapping[str, float]) -> Bench:
    """The bench whose tasks weigh as told."""
    tasks = tuple(dataclasses.replace(t, weight=weights[t.name]) for t in bench.work.tasks)
    return dataclasses.replace(bench, work=dataclasses.replace(bench.work, tasks=tasks))


def _search(bench: Bench, overlay: Overlay, judge: Judge, settings: SearchSettings) -> list[Trial]:
    search = SEARCHES[settings.search](
        [t.name for t in bench.work.tasks],
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
        bench.emit({"event": "trial", "of": search.length, "highest": best_of(trials).score, **read})
    return trials


def _trial(
    bench: Bench,
    overlay: Overlay,
    judge: Judge,
    before: Sequence[Trial],
    weights: dict[str, float],
    settings: SearchSettings,
) -> Trial:
    """One joint training, as a round would do it, unless it lags behind those ``before``."""
    started, number = time.monotonic(), len(before)

    apart = bool(bench.work.config.model.groups)  # each has epochs of its own

    def lags(best: float, epoch: int) -> bool:
        return settings.prunes and not apart and hopeless(best, epoch, before)

    result = _train(bench, overlay, f"trial-{number:03d}", bench.work.config.seed, lags)
    scores = judge.scores(result.model, number)
    return Trial(
        number=number,
        weights=weights,
        scores=scores,
        score=judge.score(scores),
        epochs=result.epochs,
        curve=tuple(round(s, 6) for s in result.curve),
        pruned=lags(max(result.curve), len(result.curve)),
        seconds=round(time.monotonic() - started, 2),
    )


def _again(
    bench: Bench, overlay: Overlay, judge: Judge, trials: Sequence[Trial], settings: SearchSettings
) -> list[float]:
    """Gains of the best over equal weights, both trained anew with other seeds."""
    best, gains = best_of(trials), []
    for turn in range(1, settings.confirm + 1 if best.number else 1):
        scores = []
        for trial in (trials[0], best):
            file = bench.run.path / "search" / f"again-{turn}-{trial.number:03d}.json"
            if not file.is_file():
                seed = bench.work.config.seed + FURTHER * turn
                weighed = with_weights(bench, trial.weights)
                result = _train(weighed, overlay, file.stem, seed, lambda best, epoch: False)
                write_json(file, {"seed": seed, "score": judge.score(judge.scores(result.model))})
            scores.append(read_json(file)["score"])
        gains.append(scores[1] - scores[0])
        told = {"equal": scores[0], "best": scores[1]}
        bench.emit({"event": "again", "turn": turn, "of": settings.confirm, **told})
    return gains


def _train(bench: Bench, overlay: Overlay, name: str, seed: int, lags: Callable[[float, int], bool]) -> Fit:
    """The joint training of a trial; a killed one goes on where it was."""
    problem, partial = bench.problem(overlay), bench.run.checkpoint(f"{name}.partial")

    def report(event: dict[str, Any]) -> bool:
        bench.emit({"event": "epoch", "name": name, **event})
        return lags(event["best"], event["epoch"])

    result = fit(
        problem,
        problem.trained_on(bench.work.pool.split == TRAIN),
        stopping_rows(bench, overlay),
        bench.settings,
        seed=seed,
        checkpoint=partial,
        report=report,
    )
    partial.unlink(missing_ok=True)
    return result

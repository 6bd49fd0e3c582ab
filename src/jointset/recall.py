"""Where a repeated run goes on: after what the ledger holds, with the model that this left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset import stages
from jointset.data import Overlay
from jointset.ledger import Ledger
from jointset.prepare import Work
from jointset.records import Edits, TaskVerdict, Verdict
from jointset.rundir import RunDirectory
from jointset.stages import Trained
from jointset.workbench import Bench


@dataclass(frozen=True)
class Sitting:
    """What the rounds of one call begin with.

    ``first`` and ``model`` are the model of the labels as given and the one that stands now; rounds up to ``done`` are
    recorded, those up to ``until`` may follow, unless ``stopped`` says why the last one ended the loop. ``heeded`` is
    the last decision that ``model`` surely knows, 0 where it was trained in an earlier call.
    """

    first: Trained
    model: Trained
    done: int
    until: int
    stopped: str | None
    heeded: int


def begun(bench: Bench, ledger: Ledger, overlay_with: Callable[[Edits, int], Overlay]) -> Sitting:
    """The sitting of a run that is new, was interrupted, or was finished and has been reviewed since.

    A recorded round is never decided again, whatever people have decided meanwhile. After a review, what they decided
    about training rows comes into the model first, and as many rounds as are asked for may follow.
    """
    nothing, base = Edits.empty(), _finished_rounds(bench.run)
    anew = not any((bench.run.path / "checkpoints").glob("*.safetensors"))
    heeded = ledger.last_decision() if anew else 0
    if base is None:
        done = 0
        first = model = stages.train(bench, overlay_with(nothing, 0), bench.start)
    else:
        done = base
        first = _recalled(bench.run, bench.work, "before")
        model = stages.train(bench, overlay_with(nothing, base), f"round-{base:02d}-reviewed")
    until, stopped = done + bench.work.config.improve.rounds, None
    for number in (n for n in ledger.rounds() if n > done):
        verdicts = [(v["name"], _verdict(v)) for v in ledger.verdicts() if v["round"] == number]
        if verdicts and verdicts[-1][1].accepted:
            name = f"round-{number:02d}-{verdicts[-1][0]}"
            model = stages.train(bench, overlay_with(nothing, number), name)
        done = number
        if not (verdicts and verdicts[-1][1].accepted and verdicts[-1][1].progress):
            stopped = stages.why_stopped(ledger.edits(round=number), verdicts)
    return Sitting(first, model, done, until, stopped, heeded)


def _finished_rounds(run: RunDirectory) -> int | None:
    """The rounds after which the run was finished before; None when it was not, or left no outputs to go on from."""
    finished = (run.path / "summary.json").is_file() and run.held_out.is_file()
    return int(run.summary()["rounds"]) if finished else None


def _recalled(run: RunDirectory, work: Work, side: str) -> Trained:
    """What a model of a finished run said of the held-out rows; its weights are gone, and are not asked for."""
    with np.load(run.held_out, allow_pickle=False) as stored:
        held = {t.name: stored[f"{side}.{i}"] for i, t in enumerate(work.tasks)}
        decided = {t.name: stored[f"{side}_decided.{i}"] for i, t in enumerate(work.tasks)}
    return Trained(side, run.model / "model.safetensors", 0, held, decided)


def _verdict(found: Mapping[str, Any]) -> Verdict:
    tasks = tuple(TaskVerdict(**t) for t in found["tasks"])
    return Verdict(found["accepted"], found["progress"], found["reason"], tasks)

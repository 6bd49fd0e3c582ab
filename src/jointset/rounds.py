"""The loop: train → audit → propose → gate → commit, until nothing is gained."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from jointset import apart, augmenting, leaked, proposals, recall, stages, weight_search, workbench
from jointset.data import HeldOutLabels, Overlay, apply, held_out_labels
from jointset.ledger import Ledger
from jointset.prepare import Work
from jointset.records import Edits, Issues
from jointset.rundir import RunDirectory
from jointset.stages import Trained
from jointset.workbench import Bench


@dataclass(frozen=True)
class Outcome:
    """Where the loop ended: the models before the first and after the last accepted round, and why it stopped.

    ``truth`` are the held-out labels as people have them; ``heeded`` is the last decision that the model knows.
    """

    bench: Bench
    first: Trained
    last: Trained
    overlay: Overlay
    rounds: int
    reason: str
    truth: HeldOutLabels
    heeded: int


def run_rounds(run: RunDirectory, work: Work, emit: Callable[[dict[str, Any]], None]) -> Outcome:
    """Repair the datasets of ``work`` round by round; every decision goes to the ledger of ``run``."""
    improve, started = work.config.improve, time.monotonic()
    bench = workbench.set_up(run, work, emit)
    with Ledger(run.ledger) as ledger, workbench.threads(bench):

        def overlay_with(edits: Edits, until: int) -> Overlay:
            return apply(work.given, Edits.concat([ledger.accepted(until), edits]), work.by_name, work.pool)

        def truth() -> HeldOutLabels:
            pool = work.pool
            return held_out_labels(work.given, ledger.reviewed(), work.by_name, pool, pool.split)

        bench = weight_search.settled(bench, overlay_with(Edits.empty(), 0))
        bench = augmenting.settled(bench, overlay_with(Edits.empty(), 0))
        bench = apart.settled(bench, overlay_with(Edits.empty(), 0))
        sitting = recall.begun(bench, ledger, overlay_with)
        model, done, heeded, checked = sitting.model, sitting.done, sitting.heeded, None
        reason = sitting.stopped or f"the {improve.rounds} rounds asked for are done"
        for number in range(done + 1, sitting.until + 1) if sitting.stopped is None else ():
            if improve.max_seconds and time.monotonic() - started > improve.max_seconds:
                reason = f"the budget of {improve.max_seconds:g} seconds is spent"
                break
            before, known = model, ledger.last_decision()
            overlay = overlay_with(Edits.empty(), number - 1)
            predictions = stages.cross_fitted(bench, overlay, number)
            found, issues = stages.audited(bench, overlay, predictions, number)
            checked = stages.surveyed(bench, overlay, predictions, found, number, checked)
            if checked is not None:
                bench = replace(bench, leaked=leaked.noted(run, checked.alone.leaks))
            open_issues = Issues.concat([issues, stages.mendable(work, checked, overlay)])
            candidates = proposals.proposed(
                work,
                open_issues,
                overlay,
                ledger.accepted(number - 1),
                number,
                decided=ledger.settled(),
                observed=ledger.judged(),
            )
            policy = bench.augmentation.policy if bench.augmentation else None
            derived = proposals.synthesised(work, open_issues, overlay, policy, number)
            candidates = Edits.concat([candidates, derived])
            decided, model, verdicts = stages.decide(
                bench, candidates, before, overlay_with, found, number, truth
            )
            heeded = heeded if model is before else known
            stages.commit(bench, ledger, number, issues, decided, verdicts, found, checked)
            done = number
            if not (verdicts and verdicts[-1][1].accepted and verdicts[-1][1].progress):
                reason = stages.why_stopped(candidates, verdicts)
                break
        last = overlay_with(Edits.empty(), done)
        return Outcome(bench, sitting.first, model, last, done, reason, truth(), heeded)

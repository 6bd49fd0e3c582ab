"""The loop: train → audit → propose → gate → commit, until nothing is gained."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jointset import augmenting, proposals, stages, weight_search, workbench
from jointset.data import Overlay, apply
from jointset.ledger import Ledger
from jointset.prepare import Work
from jointset.records import Edits, Issues
from jointset.rundir import RunDirectory
from jointset.stages import Trained
from jointset.workbench import Bench


@dataclass(frozen=True)
class Outcome:
    """Where the loop ended: the models before the first and after the last accepted round, and why it stopped."""

    bench: Bench
    first: Trained
    last: Trained
    overlay: Overlay
    rounds: int
    reason: str


def run_rounds(run: RunDirectory, work: Work, emit: Callable[[dict[str, Any]], None]) -> Outcome:
    """Repair the datasets of ``work`` round by round; every decision goes to the ledger of ``run``."""
    improve, started = work.config.improve, time.monotonic()
    bench = workbench.set_up(run, work, emit)
    with Ledger(run.ledger) as ledger, workbench.threads(bench):

        def overlay_with(edits: Edits, until: int) -> Overlay:
            return apply(work.given, Edits.concat([ledger.accepted(until), edits]), work.by_name, work.pool)

        bench = weight_search.settled(bench, overlay_with(Edits.empty(), 0))
        bench = augmenting.settled(bench, overlay_with(Edits.empty(), 0))
        first = model = stages.train(bench, overlay_with(Edits.empty(), 0), "round-00")
        reason = f"the {improve.rounds} rounds asked for are done"
        done, checked = 0, None
        for number in range(1, improve.rounds + 1):
            if improve.max_seconds and time.monotonic() - started > improve.max_seconds:
                reason = f"the budget of {improve.max_seconds:g} seconds is spent"
                break
            overlay = overlay_with(Edits.empty(), number - 1)
            predictions = stages.cross_fitted(bench, overlay, number)
            found, issues = stages.audited(bench, overlay, predictions, number)
            checked = stages.surveyed(bench, overlay, predictions, found, number, checked)
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
            decided, model, verdicts = stages.decide(bench, candidates, model, overlay_with, found, number)
            stages.commit(bench, ledger, number, issues, decided, verdicts, found, checked)
            done = number
            if not (verdicts and verdicts[-1][1].accepted and verdicts[-1][1].progress):
                reason = stages.why_stopped(candidates, verdicts)
                break
        return Outcome(bench, first, model, overlay_with(Edits.empty(), done), done, reason)

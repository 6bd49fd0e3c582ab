"""The stages of a round, each with its records on disk, so that an interrupted run goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from jointset import audit
from jointset.audit import AuditResult
from jointset.data import HeldOutLabels, Overlay
from jointset.data.storage import write_atomically
from jointset.errors import DataError
from jointset.gate import judge, remaining_noise
from jointset.ledger import Ledger
from jointset.metrics import NAMED
from jointset.models.grouped import TaskGroup
from jointset.models.joint import JointModel
from jointset.prepare import Work
from jointset.records import (
    ACTIONS,
    HOLDOUT,
    TEST,
    TRAIN,
    Edits,
    Floats,
    Ints,
    Issues,
    Predictions,
    Task,
    Verdict,
)
from jointset.rundir import write_json
from jointset.survey import LabelsNow, Survey, questions, repairable, survey
from jointset.training import checkpoint
from jointset.training.checkpoint import save_arrays
from jointset.training.evaluate import predict
from jointset.training.loop import fit
from jointset.training.predict import cross_fit
from jointset.training.problem import Problem
from jointset.training.steps import lines
from jointset.workbench import Bench

ATTEMPTS = ("all", "retry", "last")
FIRST = "round-00"  # names of the trainings before the first round begin so


@dataclass(frozen=True)
class Trained:
    """A joint model's held-out outputs (rows ``Bench`` holds out, in pool order), and where its weights are.

    ``decided`` are what predictions are read off; for most losses that is the same.
    """

    name: str
    path: Path
    epochs: int
    held_out: Mapping[str, Floats]
    decided: Mapping[str, Floats]

    def judged(self, task: Task) -> Floats:
        """The outputs that the task's metric is about."""
        return (self.decided if task.metric in NAMED else self.held_out)[task.name]


def held_out_rows(work: Work) -> Ints:
    """Positions of the holdout and test rows."""
    return np.flatnonzero(work.pool.split != TRAIN)


def stopping_rows(bench: Bench, overlay: Overlay) -> Ints:
    """Positions of the holdout rows that early stopping watches."""
    return np.flatnonzero(bench.problem(overlay).usable() & (bench.work.pool.split == HOLDOUT))


def train(bench: Bench, overlay: Overlay, name: str, group: TaskGroup | None = None) -> Trained:
    """Train the joint model on the training rows as ``overlay`` has them, or load it when it was trained before.

    With ``group`` it is that of its tasks alone.
    """
    problem, split, settings = bench.problem(overlay), bench.work.pool.split, bench.settings
    if group is not None:
        problem, settings = problem.of_group(group), settings.of(group.trained)
    usable = problem.usable()
    if not (usable & (split == TRAIN)).any():
        raise DataError("no training row has both an input and a label; check inputs, labels and the split")
    path = bench.run.checkpoint(name)
    if path.is_file():
        model, epochs = load_model(problem, path, bench.work.config.seed)
    else:
        bench.emit({"event": "stage", "stage": "train", "name": name})
        partial = bench.run.checkpoint(f"{name}.partial")
        result = fit(
            problem,
            problem.trained_on(split == TRAIN),
            np.intersect1d(stopping_rows(bench, overlay), np.flatnonzero(usable)),
            settings,
            seed=bench.work.config.seed,
            checkpoint=partial,
            report=lambda event: bench.emit({"event": "epoch", "name": name, **event}),
            watch=name.startswith(FIRST) and not bench.run.affinity.is_file(),
        )
        if result.running is not None:
            write_json(bench.run.affinity, result.running.record())
        names = [d.name for d in bench.work.pool.datasets]
        passes = dict(zip(names, result.effective_epochs.round(2).tolist(), strict=True))
        told = {"epochs": result.epochs, "skill": result.skill, "effective_epochs": passes}
        notes = lines(result.steps)
        bench.emit({"event": "trained", "name": name, **told, "steps": result.steps, "notes": notes})
        for note in notes:
            bench.run.log(f"{name}: {note}")
        model, epochs = result.model, result.epochs
        kept = {"epochs": epochs, "skill": result.skill, "steps": result.steps}
        checkpoint.save(path, model.state_dict(), kept)
        partial.unlink(missing_ok=True)
    return held_out(bench, name, path, model, epochs)


def held_out(bench: Bench, name: str, path: Path, model: JointModel, epochs: int) -> Trained:
    """What a model says of the held-out rows."""
    rows = held_out_rows(bench.work)
    outputs, _ = predict(model, bench.inputs, rows)
    balanced = any(t.loss or t.sampling for t in model.tasks)
    decided = predict(model, bench.inputs, rows, decide=True)[0] if balanced else outputs
    return Trained(name, path, epochs, outputs, decided)


def load_model(problem: Problem, path: Path, seed: int) -> tuple[JointModel, int]:
    """A trained model and its number of epochs out of a checkpoint."""
    tensors, values = checkpoint.load(path)
    model = problem.build(seed)
    model.load_state_dict(tensors)
    model.eval()
    return model, int(values["epochs"])


def cross_fitted(bench: Bench, overlay: Overlay, round: int) -> Predictions:
    """Cross-fitted predictions for every row, read back when they were made before."""
    path = bench.run.round(round) / "predictions.npz"
    names = [t.name for t in bench.work.tasks]
    if not path.is_file():
        cache = bench.run.path / "checkpoints" / f"round-{round:02d}"
        bench.emit({"event": "stage", "stage": "cross-fit", "round": round})
        made = cross_fit(
            bench.problem(overlay),
            bench.work.pool.split == TRAIN,
            bench.work.fold,
            bench.settings,
            valid=stopping_rows(bench, overlay),
            seed=bench.work.config.seed,
            inform=bench.joint,
            cache=cache,
            report=lambda event: bench.emit({"event": "epoch", "round": round, **event}),
        )
        _store(path, made, names)
        for file in cache.glob("*"):
            file.unlink()
        cache.rmdir()
    with np.load(path, allow_pickle=False) as stored:
        return Predictions(
            {n: stored[f"outputs.{i}"] for i, n in enumerate(names)},
            stored["embedding"],
            {n: stored[f"margin.{i}"] for i, n in enumerate(names) if f"margin.{i}" in stored},
            stored["fold"],
        )


def _store(path: Path, made: Predictions, names: list[str]) -> None:
    arrays: dict[str, Any] = {f"outputs.{i}": made.outputs[n] for i, n in enumerate(names)}
    arrays |= {f"margin.{i}": made.margin[n] for i, n in enumerate(names) if n in made.margin}
    arrays |= {"embedding": made.embedding.astype(np.float16), "fold": made.fold}
    save_arrays(path, arrays)


def _margins(predictions: Predictions, overlay: Overlay, labels: Mapping[str, Any]) -> dict[str, Floats]:
    """Margins of the tasks whose given labels are still those that were trained on.

    Once some were repaired, the rest are a selection, whose margins no longer come in a right and a wrong kind: heard
    in the second round, they cost the reviews 5 points of average precision.
    """
    return {
        name: margin
        for name, margin in predictions.margin.items()
        if not ((overlay.labels[name] != labels[name]) & (labels[name] >= 0)).any()
    }


def audited(
    bench: Bench, overlay: Overlay, predictions: Predictions, round: int
) -> tuple[AuditResult, Issues]:
    """Audit the given labels against the predictions, test labels hidden; the issues go to the round's folder."""
    work = bench.work
    labels = _test_hidden(work, work.given)
    result = audit.run(
        labels,
        predictions.outputs,
        work.tasks,
        precision=work.config.improve.precision,
        margins=_margins(predictions, overlay, labels),
        fit_rows=work.pool.split != TEST,
        heed=not bench.joint,  # heads that have read the other tasks' labels must not hear them twice
        copies=bench.copies,
        seed=work.config.seed,
    )
    issues = audit.issues(
        result, work.tasks, work.pool.dataset_names, work.pool.row_ids, margin=predictions.margin
    )
    _write(bench.run.round(round) / "issues.parquet", issues)
    arrays: dict[str, Any] = {}
    for i, task in enumerate(work.tasks):
        found = result.tasks[task.name]
        arrays |= {
            f"quality.{i}": found.quality,
            f"suggested.{i}": found.suggested,
            f"confidence.{i}": found.confidence,
        }
    save_arrays(bench.run.round(round) / "audit.npz", arrays)
    return result, issues


def _test_hidden(work: Work, labels: Mapping[str, Any]) -> dict[str, Any]:
    """The labels without those of test rows, which never have a say in a repair."""
    found = {}
    for task in work.tasks:
        y = labels[task.name].copy()
        y[work.pool.split == TEST] = task.missing(1)[0]
        found[task.name] = y
    return found


def surveyed(
    bench: Bench,
    overlay: Overlay,
    predictions: Predictions,
    found: AuditResult,
    round: int,
    before: Survey | None,
) -> Survey | None:
    """Check the data with the joint model's predictions; what is found goes to the round's folder."""
    if not bench.work.config.improve.checks:
        return None
    bench.emit({"event": "stage", "stage": "checks", "round": round})
    noise = {name: task.noise_rate for name, task in found.tasks.items()}
    seen = survey(
        bench.work,
        now=LabelsNow(_test_hidden(bench.work, overlay.labels), predictions),
        noise=noise,
        before=before,
    )
    _write(bench.run.round(round) / "data_issues.parquet", seen.issues)
    asked = questions(bench.work, seen, probs=dict(predictions.outputs))
    ask = bench.run.round(round) / "ask.parquet"
    write_atomically(ask, lambda file: pq.write_table(asked, file, compression="zstd"))
    return seen


def mendable(work: Work, checked: Survey | None, overlay: Overlay) -> Issues:
    """What the checks found that the fixes asked for can mend."""
    return (
        Issues.empty()
        if checked is None
        else repairable(work, checked, overlay.labels, work.config.improve.fixes)
    )


def _write(path: Path, record: Issues | Edits) -> None:
    write_atomically(path, lambda file: pq.write_table(record.to_arrow(), file, compression="zstd"))


def decide(
    bench: Bench,
    candidates: Edits,
    before: Trained,
    overlay_with: Callable[[Edits, int], Overlay],
    found: AuditResult,
    round: int,
    truth: Callable[[], HeldOutLabels],
) -> tuple[Edits, Trained, list[tuple[str, Verdict]]]:
    """Gate the candidates: train with them, compare held-out; while a task gets worse, again without its edits.

    ``truth`` are the held-out labels as people have them by the time of the comparison. Returns the edits with
    their status and reason, the model of the state that stands, and the verdicts.
    """
    verdicts: list[tuple[str, Verdict]] = []
    if not len(candidates):
        return candidates, before, verdicts
    trying = np.ones(len(candidates), bool)
    status, reason = np.full(len(candidates), "rejected", object), candidates.reason.copy()
    for attempt in ATTEMPTS:
        after = train(bench, overlay_with(candidates.take(trying), round - 1), f"round-{round:02d}-{attempt}")
        verdict = compare(bench, before, after, noise_matrices(found), truth())
        verdicts.append((attempt, verdict))
        reason[trying] = (
            candidates.reason[trying] + f"; {verdict.reason}"
        )  # why it was proposed, and what became of it
        if verdict.accepted:
            status[trying] = "accepted"
            return candidates.with_columns(status=status, reason=reason), after, verdicts
        worse = [t.task for t in verdict.tasks if t.outcome == "worse"]
        trying = trying & ~np.isin(candidates.task, worse)
        if not trying.any():
            break
    return candidates.with_columns(status=status, reason=reason), before, verdicts


def compare(
    bench: Bench,
    before: Trained,
    after: Trained,
    noise: Mapping[str, Floats],
    truth: HeldOutLabels,
    *,
    split: int = HOLDOUT,
    leaks: bool = False,
) -> Verdict:
    """The gate's judgement on the holdout, or, with ``split=TEST``, the same comparison on the test rows.

    The labels are those of ``truth``: a person's word counts for more than what the data said. Rows that the training
    rows know judge neither side, save with ``leaks``.
    """
    work = bench.work
    rows = held_out_rows(work)
    side = work.pool.split[rows] == split
    own = rows[side]
    left = {n: remaining_noise(t, *(a[n][own] for a in (work.given, truth.labels, truth.reviewed)))
            for n, t in noise.items()}  # fmt: skip
    return judge(
        work.tasks,
        {n: y[own] for n, y in truth.labels.items()},
        {t.name: before.judged(t)[side] for t in work.tasks},
        {t.name: after.judged(t)[side] for t in work.tasks},
        noise=left if split == HOLDOUT else None,
        trusted=work.pool.trusted[own],
        reviewed={n: mask[own] for n, mask in truth.reviewed.items()},
        leaked=bench.leaked.among(own) if bench.leaked and not leaks else None,
        margin=work.config.improve.margin,
        seed=work.config.seed,
    )


def commit(
    bench: Bench,
    ledger: Ledger,
    round: int,
    issues: Issues,
    decided: Edits,
    verdicts: list[tuple[str, Verdict]],
    found: AuditResult,
    checked: Survey | None = None,
) -> None:
    """Append the round to the ledger, in one transaction, and tell how it went."""
    _write(bench.run.round(round) / "edits.parquet", decided)
    rates = {name: round_off(task.noise_rate) for name, task in found.tasks.items()}
    matrices = {n: np.round(t, 6).tolist() for n, t in noise_matrices(found).items()}
    facts: dict[str, Any] = {"noise_rate": rates, "noise_matrix": matrices}
    if checked is not None:
        facts["data"] = checked.facts()
    ledger.record_round(round, issues=issues, edits=decided, verdicts=verdicts, facts=facts)
    accepted = decided.take(decided.status == "accepted")
    for task in bench.work.tasks:
        own = accepted.take(accepted.task == task.name)
        judged = next((t for t in verdicts[-1][1].tasks if t.task == task.name), None) if verdicts else None
        bench.emit(
            {
                "event": "round",
                "round": round,
                "task": task.name,
                "noise_rate": rates[task.name],
                "proposed": int((decided.task == task.name).sum()),
                **{action: int((own.action == action).sum()) for action in ACTIONS},
                "verdict": asdict(judged) if judged else None,
            }
        )


def noise_matrices(result: AuditResult) -> dict[str, Floats]:
    """The estimated transition of every task with exclusive classes, ``(K, K)``."""
    return {n: f.noise_matrix for n, f in result.tasks.items() if f.kind in ("binary", "multiclass")}


def round_off(value: float) -> float | None:
    """A rate for a record: six digits, ``None`` when it is not known."""
    return round(float(value), 6) if np.isfinite(value) else None


def why_stopped(candidates: Edits, verdicts: list[tuple[str, Verdict]]) -> str:
    """Why no further round is worth its time."""
    if not len(candidates):
        return "the audit proposes nothing more at this precision"
    verdict = verdicts[-1][1]
    return (
        "the last edits changed no task for the better"
        if verdict.accepted
        else f"the gate refused: {verdict.reason}"
    )

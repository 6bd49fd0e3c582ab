"""One training under a policy, and what it scores on held-out rows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from jointset.augment import Policy
from jointset.data import Overlay
from jointset.metrics import evaluate, normalised
from jointset.models.joint import JointModel
from jointset.operations import is_raw
from jointset.records import TRAIN, Floats, Ints
from jointset.rundir import read_json, write_json
from jointset.stages import stopping_rows
from jointset.training.augmented import Augmentation
from jointset.training.evaluate import predict, skills
from jointset.training.loop import fit
from jointset.training.views import make_views
from jointset.workbench import Bench

HARM = 0.005  # half a point


def with_policy(bench: Bench, policy: Policy | None) -> Bench:
    """The bench whose trainings see rows as the policy changes them."""
    if not policy:
        return dataclasses.replace(bench, augmentation=None)
    return dataclasses.replace(bench, augmentation=augmentation(bench, policy))


def augmentation(bench: Bench, policy: Policy) -> Augmentation:
    """The policy with the views that it needs."""
    strongest = {
        o: max(s.magnitude for s in [policy.of(t.name).get(o) for t in bench.work.tasks] if s)
        for o in policy.operations()
        if is_raw(o)
    }
    views = make_views(
        bench.work.pool,
        bench.inputs,
        strongest,
        np.flatnonzero(bench.work.pool.split == TRAIN),
        number=max(bench.work.config.augment.views, len(strongest)),
        seed=bench.work.config.seed,
        cache=bench.run.data / "inputs",
        guard=bench.work.config.augment.guard,
    )
    return Augmentation(policy, views)


@dataclasses.dataclass(frozen=True)
class Scored:
    """Held-out skill and normalised metric by task."""

    skill: Mapping[str, float]
    metric: Mapping[str, float]


def scored(bench: Bench, overlay: Overlay, policy: Policy | None, seed: int) -> Scored:
    """The held-out scores of one joint training under a policy, read back when it was done before."""
    file = bench.run.path / "augment" / f"{_key(policy, seed)}.json"
    if not file.is_file():
        write_json(file, dataclasses.asdict(train_under(bench, overlay, policy, seed)[0]))
    return Scored(**read_json(file))


def train_under(
    bench: Bench,
    overlay: Overlay,
    policy: Policy | None,
    seed: int,
    *,
    start: Mapping[str, Tensor] | None = None,
    pieces: int = 1,
) -> tuple[Scored, JointModel]:
    """One joint training, or one of ``pieces`` parts of it from the weights ``start`` on, and its held-out scores."""
    shown, rows = with_policy(bench, policy), stopping_rows(bench, overlay)
    problem, settings = shown.problem(overlay), bench.settings
    partial = bench.run.checkpoint(f"augment-{_key(policy, seed)}.partial")
    result = fit(
        problem,
        np.flatnonzero(problem.usable() & (bench.work.pool.split == TRAIN)),
        rows,
        dataclasses.replace(settings, epochs=-(-settings.epochs // pieces)),
        seed=seed,
        checkpoint=partial if pieces == 1 else None,
        report=lambda event: bench.emit({"event": "epoch", "name": "augmentation", **event}),
        start=start,
    )
    partial.unlink(missing_ok=True)
    return _scores(bench, rows, predict(result.model, bench.inputs, rows)[0]), result.model


def _key(policy: Policy | None, seed: int) -> str:
    text = json.dumps([policy.record() if policy else None, seed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _scores(bench: Bench, rows: Ints, outputs: Mapping[str, Floats]) -> Scored:
    work = bench.work
    labels = {n: y[rows] for n, y in work.given.items()}
    metric = {}
    for task in work.tasks:
        value = evaluate(task, labels[task.name], outputs[task.name]).get(task.metric, float("nan"))
        scaled = normalised(task, task.metric, value, labels[task.name])
        if np.isfinite(scaled):
            metric[task.name] = round(float(scaled), 6)
    skill = {n: round(float(s), 6) for n, s in skills(work.tasks, labels, outputs).items()}
    return Scored(skill, metric)


def gains_of(bench: Bench, before: list[Scored], after: list[Scored]) -> dict[str, dict[str, float]]:
    """Mean gains over seeds by task, of the skill and, where it is defined, of the metric."""
    found: dict[str, dict[str, float]] = {}
    for task in bench.work.by_name:
        for kind in ("skill", "metric"):
            both = zip(before, after, strict=True)
            pairs = [(getattr(b, kind).get(task), getattr(a, kind).get(task)) for b, a in both]
            gains = [a - b for b, a in pairs if a is not None and b is not None]
            if gains:
                found.setdefault(task, {})[kind] = round(float(np.mean(gains)), 6)
    return {t: g for t, g in found.items() if "skill" in g}

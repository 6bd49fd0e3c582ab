"""Joint against single: each task trained alone as well, a verdict, and models of their own for tasks that joint
training hurts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jointset.data import HeldOutLabels, Overlay
from jointset.foresight import Foresight, Gains, foresee
from jointset.gate import judge
from jointset.leaked import Leaked
from jointset.models.grouped import TaskGroup, join
from jointset.models.joint import JointModel
from jointset.prepare import Work
from jointset.records import HOLDOUT, TRAIN, Floats, Task, TaskVerdict
from jointset.relatedness import label_information, says_nothing
from jointset.rundir import read_json, write_json
from jointset.stages import Trained, held_out, held_out_rows, load_model, stopping_rows, train
from jointset.training import checkpoint
from jointset.training.checkpoint import save_arrays
from jointset.training.loop import fit
from jointset.training.problem import Problem
from jointset.workbench import Bench

WORDS = {"better": "helped", "same": "same", "worse": "hurt", "not judged": "not judged"}


def settled(bench: Bench, overlay: Overlay) -> Bench:
    """The bench whose tasks are arranged as they fare best: hurt tasks, and those without signal, have models of their
    own, and copies are known; as it is where nothing is compared, or nothing is found.

    The weights of the joint training, and of the tasks alone, become those that the first round starts with.
    """
    mode = bench.work.config.relatedness.mode
    if not asked(bench) and (mode != "auto" or len(bench.work.tasks) < 2):
        return bench
    file = bench.run.relatedness
    if not file.is_file():
        write_json(file, _arranged(bench, overlay))
    found = read_json(file)
    bench.emit({"event": "relatedness", **found})
    return dataclasses.replace(
        bench,
        groups=tuple(TaskGroup(tuple(g["serves"]), tuple(g["along"])) for g in found["groups"]),
        copies=tuple(map(tuple, found.get("foreseen", {}).get("copies", ()))),
    )


def _arranged(bench: Bench, overlay: Overlay) -> dict[str, Any]:
    """What was foreseen, what came of it, and what joint training is to every task, as ``relatedness.json`` has it."""
    settings, started = bench.work.config.relatedness, time.monotonic()
    names = [t.name for t in bench.work.tasks]
    auto, free = settings.mode == "auto", settings.mode == "auto" and not bench.joint
    foreseen = _foreseen(bench) if auto else None
    told = {"foreseen": foreseen.record()} if foreseen else {}
    if not asked(bench):  # the groups are named, so that nothing is rearranged
        return {**told, "tasks": {}, "set_apart": {}, "not_compared": [], "groups": [], "seconds": 0.0}
    suspects = list(foreseen.signals) if foreseen and free else []  # joint inference reads across all tasks
    alone = _alone(bench, overlay, suspects)
    dropped = [n for n in suspects if n in alone and _worthless(bench, alone[n], n)]
    rest = tuple(n for n in names if n not in dropped)
    joint = _joint(bench, overlay, rest, names) if rest else None
    open_ = [n for n in rest if n not in alone]
    likeliest = affordable(bench.problem(overlay), bench.work, settings.budget, among=open_)
    alone |= _alone(bench, overlay, [n for n in open_ if n in likeliest and len(rest) > 1])
    verdicts = compared(bench.work, joint, alone, split=HOLDOUT, margin=settings.margin) if joint else ()
    hurt = [v.task for v in verdicts if v.outcome == "worse"] if free else []
    reasons = {n: foreseen.signals[n].reason for n in dropped} if foreseen else {}
    if foreseen and free:
        reasons |= {
            v.task: _unhelped(v, foreseen.gains)
            for v in verdicts
            if v.task not in hurt and _doubted(v, foreseen.gains.best)
        }
        hurt = [n for n in rest if n in hurt or n in reasons]
    groups = groups_of(rest, hurt, dropped)
    if groups:
        _start(bench, overlay, joint, alone, groups)
    _keep_outputs(bench, joint, alone)
    return {
        **told,
        "tasks": {v.task: record(v) for v in verdicts},
        "set_apart": reasons,
        "not_compared": [n for n in rest if n not in alone],
        "groups": [dataclasses.asdict(g) for g in groups],
        "seconds": round(time.monotonic() - started, 1),
    }


def _foreseen(bench: Bench) -> Foresight:
    bench.emit({"event": "stage", "stage": "foresight", "name": "a sample"})
    return foresee(bench.work)


def _joint(bench: Bench, overlay: Overlay, rest: tuple[str, ...], names: Sequence[str]) -> Trained:
    """The joint training of the tasks that take part."""
    if len(rest) == len(names):
        return train(bench, overlay, bench.start)
    return train(bench, overlay, f"{bench.start}-rest", TaskGroup(rest))


def _doubted(verdict: TaskVerdict, gains: Mapping[str, float]) -> bool:
    """Whether a task that nothing was foreseen to help is not helped on the held-out rows either: there the burden of
    proof is joint training's."""
    foreseen = gains.get(verdict.task, np.inf) <= 0
    return foreseen and verdict.outcome != "not judged" and verdict.low + verdict.high < 0


def _unhelped(verdict: TaskVerdict, gains: Gains) -> str:
    some = gains.partners.get(verdict.task)
    who = (
        f"of the {len(some.tried)} likeliest of {some.of} other tasks none has rows that"
        if some
        else ("no other task's rows")
    )
    return (
        f"{who} were foreseen to help it, and joint training did not on held-out rows "
        f"({verdict.metric} {verdict.before:.3f} alone, {verdict.after:.3f} joint)"
    )


def _worthless(bench: Bench, own: Trained, name: str) -> bool:
    """Whether a task's own model, which sees more than a linear one, does not tell the held-out labels either."""
    rows = held_out_rows(bench.work)
    side = bench.work.pool.split[rows] == HOLDOUT
    labels = bench.work.given[name][rows][side]
    return says_nothing(labels, own.held_out[name][side].astype(np.float64), seed=bench.work.config.seed)


def asked(bench: Bench) -> bool:
    """Whether the run compares joint training with the tasks alone."""
    return bench.work.config.relatedness.mode != "off" and len(bench.work.tasks) > 1 and not bench.plan.groups


def affordable(
    problem: Problem, work: Work, budget: float, *, among: Collection[str] | None = None
) -> dict[str, float]:
    """The tasks, ``among`` those, to train alone for at most ``budget`` joint trainings, each with what it costs.

    The likeliest to be hurt come first: those whose labels say most, for what it costs to look, as they need the others
    least. Costs are counted in rows: of tasks on datasets of their own they sum to one joint training, of tasks on the
    same rows each is one.
    """
    train = work.pool.split == TRAIN
    whole = max(len(problem.trained_on(train)), 1)
    names = [t.name for t in work.tasks if among is None or t.name in among]
    cost = {n: len(problem.of_group(TaskGroup((n,))).trained_on(train)) / whole for n in names}
    told = {n: label_information(work.given[n][train]) / max(c, 1 / whole) for n, c in cost.items()}
    chosen, spent = set(), 0.0
    for name in sorted(cost, key=lambda n: (-round(told[n], 9), cost[n])):
        if spent + cost[name] <= budget + 1e-9:
            chosen.add(name)
            spent += cost[name]
    return {n: c for n, c in cost.items() if n in chosen}


def groups_of(tasks: Sequence[str], hurt: Sequence[str], dropped: Sequence[str] = ()) -> list[TaskGroup]:
    """A model for each hurt task, and one for the others, which go on learning from the hurt ones, but not from the
    ``dropped``, of which each has a model as well.

    >>> groups_of(["a", "b", "c"], ["b"])
    [TaskGroup(serves=('a', 'c'), along=('b',)), TaskGroup(serves=('b',), along=())]
    >>> groups_of(["a", "b"], [], ["c"])
    [TaskGroup(serves=('a', 'b'), along=()), TaskGroup(serves=('c',), along=())]
    >>> groups_of(["a", "b"], [])
    []
    """
    rest = tuple(t for t in tasks if t not in hurt)
    if not hurt and not dropped:
        return []
    return [*([TaskGroup(rest, tuple(hurt))] if rest else []), *(TaskGroup((t,)) for t in (*hurt, *dropped))]


def compared(
    work: Work,
    joint: Trained,
    alone: Mapping[str, Trained],
    *,
    split: int,
    margin: float,
    truth: HeldOutLabels | None = None,
    leaked: Leaked | None = None,
) -> tuple[TaskVerdict, ...]:
    """Joint training against the tasks alone, paired by row, on the holdout or test rows: *better* = helped.

    The labels are those given, or those of ``truth``, once people have decided some. Rows that are ``leaked`` judge
    neither side.
    """
    tasks = [t for t in work.tasks if t.name in alone and t.name in joint.held_out]
    if not tasks:
        return ()
    rows = held_out_rows(work)
    side = work.pool.split[rows] == split
    labels = work.given if truth is None else truth.labels
    return judge(
        tasks,
        {t.name: labels[t.name][rows][side] for t in tasks},
        {t.name: alone[t.name].judged(t)[side] for t in tasks},
        {t.name: joint.judged(t)[side] for t in tasks},
        trusted=work.pool.trusted[rows][side],
        leaked=leaked.among(rows[side]) if leaked else None,
        margin=margin,
        seed=work.config.seed,
    ).tasks


def record(verdict: TaskVerdict) -> dict[str, Any]:
    """A verdict as JSON values: the scores alone and joint, the interval of the gain, and what it comes to."""
    return {
        "metric": verdict.metric,
        "alone": _number(verdict.before),
        "joint": _number(verdict.after),
        "interval": [_number(verdict.low), _number(verdict.high)],
        "rows": verdict.n,
        "verdict": WORDS[verdict.outcome],
    }


def kept_outputs(bench: Bench) -> tuple[Trained, dict[str, Trained]] | None:
    """The held-out outputs of joint training and of the tasks alone, as :func:`settled` left them."""
    file = bench.run.path / "alone.npz"
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as stored:
        arrays = dict(stored)

    def trained(side: str, tasks: Sequence[Task]) -> Trained:
        parts: list[dict[str, Floats]] = [
            {t.name: arrays[f"{side}{kind}.{bench.work.tasks.index(t)}"] for t in tasks}
            for kind in ("", "_decided")
        ]
        return Trained(side, file, 0, *parts)

    both, own = (
        [t for i, t in enumerate(bench.work.tasks) if f"{side}.{i}" in arrays] for side in ("joint", "alone")
    )
    return trained("joint", both), {t.name: trained("alone", [t]) for t in own}


def _alone(bench: Bench, overlay: Overlay, names: Iterable[str]) -> dict[str, Trained]:
    """Each task trained alone with the settings of the joint training, its weights kept until the run ends."""
    found = {}
    split, whole = bench.work.pool.split, bench.problem(overlay)
    for name in names:
        problem = whole.of_group(TaskGroup((name,)))
        place = [t.name for t in bench.work.tasks].index(name)
        path = bench.run.checkpoint(f"alone-{place}")
        if path.is_file():
            model, epochs = load_model(problem, path, bench.work.config.seed)
        else:
            bench.emit({"event": "stage", "stage": "alone", "name": name})
            trained_on = problem.trained_on(split == TRAIN)
            if not len(trained_on):
                continue
            result = fit(
                problem,
                trained_on,
                np.intersect1d(stopping_rows(bench, overlay), np.flatnonzero(problem.usable())),
                bench.settings.of([name]),
                seed=bench.work.config.seed,
            )
            model, epochs = result.model, result.epochs
            checkpoint.save(path, model.state_dict(), {"epochs": epochs, "skill": result.skill})
        found[name] = held_out(bench, f"alone-{place}", path, model, epochs)
    return found


def _start(
    bench: Bench, overlay: Overlay, joint: Trained | None, alone: Mapping[str, Trained],
    groups: Sequence[TaskGroup],
) -> None:  # fmt: skip
    """Leave the weights that the first round starts with: nothing needs to be trained again."""
    whole, seed = bench.problem(overlay), bench.work.config.seed
    members: list[JointModel] = []
    for group in groups:
        served = None if group.along or len(group.serves) > 1 else alone.get(group.serves[0])
        found = served or joint  # the joint model serves the others
        assert found is not None
        members.append(load_model(whole.of_group(group), found.path, seed)[0])
    name, first = dataclasses.replace(bench, groups=tuple(groups)).start, joint or next(iter(alone.values()))
    checkpoint.save(bench.run.checkpoint(name), join(members), checkpoint.load(first.path)[1])


def _keep_outputs(bench: Bench, joint: Trained | None, alone: Mapping[str, Trained]) -> None:
    arrays: dict[str, Any] = {"rows": held_out_rows(bench.work)}
    for i, task in enumerate(bench.work.tasks):
        for side, trained in (("joint", joint), ("alone", alone.get(task.name))):
            if trained is not None and task.name in trained.held_out:
                arrays[f"{side}.{i}"] = trained.held_out[task.name]
                arrays[f"{side}_decided.{i}"] = trained.decided[task.name]
    save_arrays(bench.run.path / "alone.npz", arrays)


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None

"""``jointset relate``."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from jointset.cli import memory
from jointset.errors import ConfigError, UserError

if TYPE_CHECKING:
    from jointset.advised import Advised
    from jointset.data import Overlay
    from jointset.leaving_out import Change, LeftOut, TaskLeftOut
    from jointset.prepare import Work
    from jointset.relatedness import Grouping
    from jointset.relating import Relations
    from jointset.workbench import Bench

T = TypeVar("T")

MARKS = {
    "keep": "✔",
    "drop": "✘",
    "suspect": "?",
    "merge": "⚠",
    "alone": "⚠",
    "branch": "⚠",
    "down-weight": "⚠",
}
SHOWN = 5  # sources of a target that are shown


def relate(
    config: Path,
    overrides: list[str],
    *,
    measures: list[str],
    targets: list[str],
    groups: int,
    rows: int,
    budget: int,
    linearise: bool,
    leave_out: bool,
    leave_out_tasks: bool,
    write: Path | None,
    as_json: bool,
) -> None:
    """Say how the tasks relate and what to do about it; trains only when asked for what takes it.

    Nothing is kept but the configuration that ``write`` names.
    """
    from jointset import config as configs
    from jointset.prepare import prepare, regime
    from jointset.relating import relate as related

    settings = configs.load(config, overrides)
    memory.keep_freed_memory()
    _is_free(write)
    _leave_out_checked(
        list(settings.datasets) if leave_out else (), list(settings.tasks) if leave_out_tasks else ()
    )
    passed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="jointset-relate-") as folder:
        work = prepare(settings, Path(folder))
        if budget or linearise or leave_out or leave_out_tasks:
            passed = _comparable(work, leave_out, leave_out_tasks)
        asked: dict[str, Any] = {"measures": measures, "targets": targets, "groups": groups, "rows": rows}
        trains = budget or linearise
        found = _measured(work, Path(folder), budget, linearise, asked) if trains else related(work, **asked)
        left = _left_out(work, Path(folder)) if leave_out else ()
        tasks_left = _tasks_left_out(work, Path(folder)) if leave_out_tasks else ()
        made = _written(write, work, found, config, overrides, targets) if write else None
    if as_json:
        told: dict[str, Any] = {}
        for key, asked_for, changes in (
            ("left_out", leave_out, left),
            ("tasks_left_out", leave_out_tasks, tasks_left),
        ):
            if asked_for:
                told[key] = [{**dataclasses.asdict(one), "verdict": one.verdict} for one in changes]
        if leave_out:
            told["not_left_out"] = passed
        if made:
            told["written"] = {"file": str(write), "changed": list(made.changed), "left": list(made.left)}
        facts = {"name": settings.name, "regime": regime(settings), **found.facts(), **told}
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        typer.echo(f"{regime(settings)}; {found.rows:,} training rows looked at in {found.seconds:.1f} s")
        typer.echo(
            "\n".join(
                [*render(found), *_datasets(left, passed), *_tasks(tasks_left), *_told_written(write, made)]
            )
        )


def _leave_out_checked(datasets: Sequence[str], tasks: Sequence[str]) -> None:
    """Whether there is more than one of what shall be left out."""
    if not datasets and not tasks:
        return
    from jointset.leaving_out import check_datasets, check_tasks

    if datasets:
        check_datasets(datasets)
    if tasks:
        check_tasks(tasks)


def _comparable(work: Work, leave_out: bool, leave_out_tasks: bool) -> dict[str, str]:
    """Raise where trainings cannot be compared; then, on stderr, what leaving out costs, and what is not compared.

    Returns the datasets that are not left out, each with the reason.
    """
    from jointset.leaving_out import needed
    from jointset.task_sets import unscored

    without = unscored(work)
    if len(without) == len(work.tasks):
        raise ConfigError(
            "trainings are compared on held-out labels, and no task has two different ones; raise split.holdout, or "
            "mark rows as holdout in the split column"
        )
    passed = needed(work.pool, work.given) if leave_out else {}
    left = [d.name for d in work.pool.datasets if d.name not in passed] if leave_out else []
    for names, what in ((left, "dataset"), (work.tasks if leave_out_tasks else (), "task")):
        if names:
            cost = f"{len(names) + 1} joint trainings, as jointset check times them"
            typer.echo(f"leaving each {what} out costs {cost}", err=True)
    for name in without:
        typer.echo(f"{name}: no two held-out labels differ, so trainings are not compared by it", err=True)
    return passed


def _is_free(write: Path | None) -> None:
    """An existing file is left alone, and a folder must take the new one; said before anything is read or trained."""
    if write is None:
        return
    if write.exists() or write.is_symlink():
        raise UserError(f"{write} exists already; name another with --write, or remove it")
    near = next(p for p in write.absolute().parents if p.exists())
    if not near.is_dir() or not os.access(near, os.W_OK):
        raise UserError(f"{write}: {near} takes no files; name another with --write")


def _written(
    write: Path, work: Work, found: Relations, config: Path, overrides: list[str], targets: list[str]
) -> Advised:
    """The advice as a configuration, whole or not at all."""
    from jointset import config as configs
    from jointset.advised import advised
    from jointset.data.storage import write_atomically

    settings = configs.read(config, overrides)
    made = advised(
        settings, work, found, targets=targets, origin=config.parent, folder=write.absolute().parent
    )
    _is_free(write)

    def whole(file: Path) -> None:
        file.write_text(made.text, encoding="utf-8")

    write_atomically(write, whole)
    return made


def _told_written(write: Path | None, made: Advised | None) -> Iterator[str]:
    """What was written, and what a reader is left to decide."""
    if made is None:
        return
    yield ""
    yield f"{write}: {'; '.join(made.changed) or 'nothing of the advice is sure enough to change anything'}"
    yield from (f"  left to you, as a comment: {what}" for what in made.left)
    yield f"then: jointset run {write}"


def _measured(work: Work, folder: Path, budget: int, linearised: bool, asked: dict[str, Any]) -> Relations:
    """The same with trainings of sets of tasks, or a short one of all."""
    from jointset.linearising import linearise
    from jointset.relating import relate as related
    from jointset.task_sets import Trainer

    def made(bench: Bench, overlay: Overlay) -> Relations:
        seed, rows = work.config.seed, asked["rows"]
        linear = linearise(bench, overlay, rows=rows, seed=seed) if linearised else None
        train = Trainer(bench, overlay, seed)
        return related(work, train=train, worthless=train.worthless, budget=budget, linear=linear, **asked)

    return _trained(work, folder, made)


def _left_out(work: Work, folder: Path) -> tuple[LeftOut, ...]:
    """What each dataset does, by trainings without it."""
    from jointset.leaving_out import leave_out

    return _trained(work, folder, lambda bench, overlay: leave_out(bench, overlay, seed=work.config.seed))


def _tasks_left_out(work: Work, folder: Path) -> tuple[TaskLeftOut, ...]:
    """What each task does for the others, by trainings without it."""
    from jointset.leaving_out import leave_out_tasks
    from jointset.task_sets import Trainer

    names = [t.name for t in work.tasks]
    return _trained(
        work, folder, lambda bench, overlay: leave_out_tasks(Trainer(bench, overlay, work.config.seed), names)
    )


def _trained(work: Work, folder: Path, made: Callable[[Bench, Overlay], T]) -> T:
    """Something that trains, with its progress on stderr."""
    from jointset.console.progress import Progress
    from jointset.data import apply
    from jointset.records import Edits
    from jointset.rundir import RunDirectory
    from jointset.workbench import set_up, threads

    with Progress(work.config) as progress:
        bench = set_up(RunDirectory(folder), work, progress)
        overlay = apply(work.given, Edits.empty(), work.by_name, work.pool)
        with threads(bench):
            return made(bench, overlay)


def render(found: Relations) -> Iterator[str]:
    """The advice as lines: cost of the measures, targets with their sources, tasks, groups, pools."""
    yield "measures: " + ", ".join(f"{n} {a.seconds:.1f} s" for n, a in found.affinities.items())
    for measure, why in found.skipped.items():
        yield f"· {measure}: {why}"
    for target, choice in found.choices.items():
        yield ""
        yield f"{target} ← {choice.reason}"
        ranked = found.affinities.get(choice.measure, found.consensus)
        for source, value in ranked.top(target, SHOWN):
            yield f"    {value:+.2f} {source}: {_evidence(found, source, target)}"
    yield ""
    for t in found.treatments:
        then = "; a run asks it, and so does --budget" if t.action == "suspect" else ""
        yield f"{MARKS[t.action]} {t.task}: {t.action}; {t.reason}{then}"
    yield from (f"⚠ {s.reason}" for s in found.same if s.kind != "copy")
    if found.grouping is not None:
        yield ""
        yield from groups_told(found.grouping)
    for task, pooling in found.pooling.items():
        yield ""
        yield f"datasets of {task} (gain in {pooling.gain.unit}, 90 % intervals over rows)"
        for dataset in pooling.gain.tasks:
            good, bad = pooling.advice[dataset], pooling.harm[dataset]
            told = [f"pool with {', '.join(good)}"] if good else ["no other dataset surely helps"]
            told += [f"{', '.join(bad)} would do harm"] if bad else []
            yield f"    {dataset}: {'; '.join(told)}"


def _evidence(found: Relations, source: str, target: str) -> str:
    """What each measure says of a pair; the level of chance, or the interval, in brackets."""
    told = []
    for name, affinity in found.affinities.items():
        value = affinity[source, target]
        if value != value:
            continue
        if affinity.low is not None and affinity.high is not None:
            at = affinity.index(source), affinity.index(target)
            told.append(f"{name} {value:+.3f} {_interval(affinity.low[at], affinity.high[at])}")
            continue
        chance = affinity.chance
        beside = (
            f" (chance {chance[affinity.index(source), affinity.index(target)]:.2g})"
            if chance is not None
            else ""
        )
        told.append(f"{name} {value:.2g}{beside}")
    return ", ".join(told)


def _interval(low: float, high: float) -> str:
    """Bounds in brackets."""
    known = low > float("-inf") and high < float("inf")
    return f"[{low:+.3f}, {high:+.3f}]" if known else "[interval not known]"


def groups_told(grouping: Grouping) -> Iterator[str]:
    """Groups as lines, and how near they are to the best."""
    if grouping.exact:
        how = "the best possible"
    elif grouping.share == grouping.share:
        how = f"at least {grouping.share:.0%} of the best"
    else:
        how = "how near to the best is not known"
    yield f"groups ({how}; value {grouping.value:.2f})"
    for number, group in enumerate(grouping.groups, 1):
        helps = [t for t in group.trained if t not in group.serves]
        yield f"    {number}. {', '.join(group.serves)}" + (
            f"; helped by {', '.join(helps)}" if helps else ""
        )


def _datasets(left: tuple[LeftOut, ...], passed: Mapping[str, str]) -> Iterator[str]:
    """What each dataset did for the tasks of the others, and which are not left out."""
    if left or passed:
        yield ""
        yield "datasets, by training without each (skill with it less that without, on the others' held-out rows; 90 %)"
    yield from (_change(one.dataset, one) for one in left)
    yield from (f"· {name}: not left out, {why}" for name, why in passed.items())


def _tasks(left: tuple[TaskLeftOut, ...]) -> Iterator[str]:
    """What is sure of what each task did for another, and of how many pairs nothing is."""
    if not left:
        return
    yield ""
    yield "tasks, by training without each (skill with it less that without; 90 % for all sources of a task at once)"
    sure = [one for one in left if one.verdict != "same"]
    yield from (_change(one.source, one) for one in sure)
    yield f"· of the {'other ' if sure else ''}{len(left) - len(sure):,} pairs nothing is sure: same"


def _change(source: str, one: Change) -> str:
    mark = {"helped": "✔", "hurt": "✘", "same": "·"}[one.verdict]
    within = f"{one.gain:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
    return f"{mark} {source} for {one.task}: {within}, {one.rows:,} rows: {one.verdict}"

"""``jointset relate``."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from jointset.data import Overlay
    from jointset.leaving_out import LeftOut
    from jointset.prepare import Work
    from jointset.relatedness import Grouping
    from jointset.relating import Relations
    from jointset.workbench import Bench

T = TypeVar("T")

MARKS = {"keep": "✔", "drop": "✘", "merge": "⚠", "alone": "⚠", "branch": "⚠", "down-weight": "⚠"}
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
    as_json: bool,
) -> None:
    """Say how the tasks relate and what to do about it; trains only when asked for what takes it, keeps nothing."""
    from jointset import config as configs
    from jointset.prepare import prepare, regime
    from jointset.relating import relate as related

    settings = configs.load(config, overrides)
    if leave_out:
        from jointset.leaving_out import check_datasets

        check_datasets(list(settings.datasets))
    with tempfile.TemporaryDirectory(prefix="jointset-relate-") as folder:
        work = prepare(settings, Path(folder))
        asked: dict[str, Any] = {"measures": measures, "targets": targets, "groups": groups, "rows": rows}
        trains = budget or linearise
        found = _measured(work, Path(folder), budget, linearise, asked) if trains else related(work, **asked)
        left = _left_out(work, Path(folder)) if leave_out else ()
    if as_json:
        told = (
            {"left_out": [{**dataclasses.asdict(one), "verdict": one.verdict} for one in left]}
            if leave_out
            else {}
        )
        facts = {"name": settings.name, "regime": regime(settings), **found.facts(), **told}
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        typer.echo(f"{regime(settings)}; {found.rows:,} training rows looked at in {found.seconds:.1f} s")
        typer.echo("\n".join([*render(found), *_datasets(left)]))


def _measured(work: Work, folder: Path, budget: int, linearised: bool, asked: dict[str, Any]) -> Relations:
    """The same with trainings of sets of tasks, or a short one of all."""
    from jointset.linearising import linearise
    from jointset.relating import relate as related
    from jointset.task_sets import trainer

    def made(bench: Bench, overlay: Overlay) -> Relations:
        seed, rows = work.config.seed, asked["rows"]
        linear = linearise(bench, overlay, rows=rows, seed=seed) if linearised else None
        train = trainer(bench, overlay, seed=seed)
        return related(work, train=train, budget=budget, linear=linear, **asked)

    return _trained(work, folder, made)


def _left_out(work: Work, folder: Path) -> tuple[LeftOut, ...]:
    """What each dataset does, by trainings without it."""
    from jointset.leaving_out import leave_out

    return _trained(work, folder, lambda bench, overlay: leave_out(bench, overlay, seed=work.config.seed))


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
    yield from (f"{MARKS[t.action]} {t.task}: {t.action}; {t.reason}" for t in found.treatments)
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


def _datasets(left: tuple[LeftOut, ...]) -> Iterator[str]:
    """What each dataset did for the tasks of the others."""
    if left:
        yield ""
        yield "datasets, by training without each (skill with it less that without, on the others' held-out rows; 90 %)"
    for one in left:
        mark = {"helped": "✔", "hurt": "✘", "same": "·"}[one.verdict]
        yield (
            f"{mark} {one.dataset} for {one.task}: {one.gain:+.3f} [{one.low:+.3f}, {one.high:+.3f}], "
            f"{one.rows:,} rows: {one.verdict}"
        )

"""How the tasks of a configuration relate, and what to do about it, before anything is trained; no torch."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.errors import ConfigError, nearest
from jointset.prepare import Work
from jointset.records import HOLDOUT, TEST, TRAIN, Ints, is_labelled
from jointset.relatedness import (
    MEASURES,
    Affinity,
    Choice,
    Grouping,
    LinearisedGain,
    Material,
    Pooling,
    Sameness,
    Signal,
    TransferGain,
    Treatment,
    affinity,
    choose_auxiliaries,
    company,
    consensus,
    group_tasks,
    measure_transfer,
    pool_datasets,
    same_content,
    sure_signal,
    treatments,
)
from jointset.relatedness.signal import HELD_OUT, enough
from jointset.relatedness.table import TELLING, lookup
from jointset.relatedness.transfer_gain import Check, Trained
from jointset.survey.inputs import read_inputs

ROWS = 2000  # of each dataset that are looked at
MOST_MEASURED = 3  # auxiliaries of a target that trainings are spent on
UNSCORED = "no gain was measured, for want of held-out labels"
HARDLY = 0.1  # of the most that a task says: not worth a training


@dataclass(frozen=True, eq=False)
class Relations:
    """What was found: affinities by measure, their consensus, and the advice drawn from them.

    ``choices`` target → auxiliaries; ``pooling`` task → which of its datasets help each other; ``skipped`` measure →
    why it was not taken; ``seconds`` what all of it took.
    """

    affinities: Mapping[str, Affinity]
    consensus: Affinity
    signals: Mapping[str, Signal]
    same: tuple[Sameness, ...]
    choices: Mapping[str, Choice]
    treatments: tuple[Treatment, ...]
    grouping: Grouping | None
    pooling: Mapping[str, Pooling]
    skipped: Mapping[str, str]
    rows: int
    seconds: float

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return plain(
            {
                "rows": self.rows,
                "seconds": round(self.seconds, 1),
                "affinity": {n: a.record() for n, a in self.affinities.items()},
                "consensus": self.consensus.record(),
                "signals": {n: dataclasses.asdict(s) for n, s in self.signals.items()},
                "same": [{**dataclasses.asdict(s), "reason": s.reason} for s in self.same],
                "targets": {
                    n: {**dataclasses.asdict(c), "reason": c.reason} for n, c in self.choices.items()
                },
                "tasks": {t.task: {"action": t.action, "reason": t.reason} for t in self.treatments},
                "groups": None
                if self.grouping is None
                else {**dataclasses.asdict(self.grouping), "share": self.grouping.share},
                "pooling": {
                    n: {"gain": p.gain.record(), "advice": p.advice, "harm": p.harm}
                    for n, p in self.pooling.items()
                },
                "skipped": dict(self.skipped),
            }
        )


def relate(
    work: Work,
    *,
    measures: Sequence[str] = (),
    targets: Sequence[str] = (),
    groups: int = 0,
    rows: int = ROWS,
    train: Callable[[tuple[str, ...]], Trained] | None = None,
    worthless: Mapping[str, bool] | None = None,
    budget: int = 0,
    linear: LinearisedGain | None = None,
) -> Relations:
    """Measure how tasks relate on a sample of the training rows, and advise.

    ``measures`` names some of those before training (all by default), ``targets`` the tasks that auxiliaries are chosen
    for (all by default), ``groups`` how many networks may be trained (0: no grouping). Measures read training rows;
    a copy is one on the labels of all rows but those of the test, and held-out labels are counted where a task may be
    random. With ``train``, tasks → score and scores of rows, ``budget`` trainings measure what the measures guess,
    and the advice is drawn from the gains; those that are left when every pair is measured check sets of auxiliaries.
    ``worthless`` says of each task that was trained alone, by the time, whether its model tells no held-out labels:
    what it takes, as in a run, to drop a task. ``linear`` are linearised gains, which are shown. Raises ConfigError for
    a name that is not there.
    """
    started = time.monotonic()
    names = [t.name for t in work.tasks]
    _check(names, targets, measures)
    sample = sampled(work, rows)
    material = material_of(work, sample)
    found, skipped = _measured(material, list(measures) or list(MEASURES))
    telling = [a for m, a in found.items() if m in TELLING]
    together = consensus(telling or list(found.values()))
    seen = sure_signal(material.labels, material.features, seed=work.config.seed)
    signals = _decidable(work, seen)
    same = content(work, material)
    gain = measure_transfer(train, names, budget, seed=work.config.seed) if train and budget else None
    for measured in (linear, gain):
        if measured is not None:
            found[measured.affinity.measure] = measured.affinity
    asked_of = worthless or {}
    first = treatments(names, signals=signals, same=same, worthless=asked_of)
    usable = [t.task for t in first if t.action == "keep"]
    grouping = _grouped(together, gain, usable, groups) if groups and usable else None
    treated = treatments(
        names,
        signals=signals,
        same=same,
        gain=gain.affinity if gain else None,
        joint=gain.joint if gain else None,
        margin=work.config.relatedness.margin,
        grouping=grouping,
        worthless=asked_of,
    )
    left = budget - gain.spent if gain else 0
    return Relations(
        affinities=found,
        consensus=together,
        signals=signals,
        same=same,
        choices=_choices(targets or names, together, gain, train, left, _excluded(treated, same), seen),
        treatments=treated,
        grouping=grouping,
        pooling=pooled(work, sample, material),
        skipped=skipped,
        rows=len(sample),
        seconds=time.monotonic() - started,
    )


def _check(names: Sequence[str], targets: Sequence[str], measures: Sequence[str]) -> None:
    """Raise ConfigError for a task or a measure that is not there."""
    for target in targets:
        if target not in names:
            raise ConfigError(f"no task {target!r}{nearest(target, names)}; one of {', '.join(names)}")
    for measure in measures:
        lookup(measure)


def _measured(material: Material, asked: Sequence[str]) -> tuple[dict[str, Affinity], dict[str, str]]:
    """The affinities that the material allows, and why the others are left out."""
    skipped = {m: _lack(m) for m in asked if not material.has(m)}
    found = {m: affinity(m, material) for m in asked if m not in skipped}
    if not found:
        raise ConfigError(f"measure {asked[0]}: {skipped[asked[0]]}; choose another")
    return found, skipped


def sampled(work: Work, rows: int) -> Ints:
    """At most ``rows`` labelled training rows of each dataset, ascending places in the pool."""
    rng = np.random.default_rng(work.config.seed)
    labelled = np.any([is_labelled(y) for y in work.given.values()], axis=0)
    usable = labelled & (work.pool.split == TRAIN)
    drawn = [
        rng.permutation(np.flatnonzero(usable & (work.pool.dataset_of == d)))[:rows]
        for d in range(len(work.pool.datasets))
    ]
    return np.sort(np.concatenate(drawn))


def material_of(work: Work, sample: Ints) -> Material:
    """What the measures read: labels, a cheap embedding made of these rows alone, and texts."""
    inputs = read_inputs(work.pool, seed=work.config.seed).sampled(sample)
    texts = None
    if "text" in inputs.by_modality:
        own = inputs.by_modality["text"]
        full = np.full(len(sample), None, object)
        full[own.rows] = np.array([*own.data, None], object)[:-1]
        texts = full.tolist()
    return Material(
        labels={n: y[sample] for n, y in work.given.items()},
        features=inputs.embedding.astype(np.float64),
        texts=texts,
        groups=work.pool.component[sample],
        seed=work.config.seed,
        terms=inputs.terms(work.pool.datasets, np.arange(len(sample))),
    )


def content(work: Work, material: Material) -> tuple[Sameness, ...]:
    """Tasks of one content; a copy of the sample has to be one on all rows but those of the test."""
    found = same_content(material.labels)
    return tuple(s for s in found if s.kind != "copy" or _copy(work, s))


def _copy(work: Work, found: Sameness) -> bool:
    pair = {n: work.given[n][work.pool.split != TEST] for n in (found.source, found.target)}
    rows = np.all([is_labelled(y) for y in pair.values()], axis=0)
    return any(s.kind == "copy" for s in same_content({n: y[rows] for n, y in pair.items()}))


def _decidable(work: Work, signals: Mapping[str, Signal]) -> dict[str, Signal]:
    """A missing signal that no run could confirm, for want of held-out labels, is not judged."""
    held = work.pool.split == HOLDOUT
    return {
        n: dataclasses.replace(
            s, outcome="not judged", reason=f"{s.reason}; too few labels are held out to ask its own model"
        )
        if s.outcome == "no signal" and not enough(work.given[n][held], *HELD_OUT)
        else s
        for n, s in signals.items()
    }


def _grouped(together: Affinity, gain: TransferGain | None, usable: Sequence[str], groups: int) -> Grouping:
    if gain:
        return group_tasks(_only(gain.affinity, usable), groups, score=gain.predicted)
    return group_tasks(_only(together, usable), groups, score=company(together))


def _excluded(treated: Sequence[Treatment], same: Sequence[Sameness]) -> dict[str, dict[str, str]]:
    """By task what must not be its auxiliary, each with the reason; none at all for a task that may be random."""
    dropped = {t.task: t.reason for t in treated if t.action in ("drop", "suspect")}
    out = {t.task: dict(dropped) for t in treated if t.task not in dropped}
    for s in same:
        for target, source in ((s.source, s.target), (s.target, s.source)):
            if s.kind == "copy" and target in out:
                out[target][source] = f"a copy: {s.reason}"
    return out


def _choices(
    targets: Sequence[str],
    together: Affinity,
    gain: TransferGain | None,
    train: Callable[[tuple[str, ...]], Trained] | None,
    left: int,
    excluded: Mapping[str, dict[str, str]],
    signals: Mapping[str, Signal],
) -> dict[str, Choice]:
    """Auxiliaries of every target; what trainings are ``left`` of the budget is shared among them."""
    found = {}
    for place, target in enumerate(targets):
        if target not in excluded:
            found[target] = Choice(target, (), measure=together.measure)
            continue
        check = Check(train, gain, target, left // (len(targets) - place)) if gain and train else None
        share = check.left if check else 0
        found[target] = _chosen(target, together, gain, check, excluded[target], signals[target])
        left -= share - check.left if check else 0
    return found


def _chosen(
    target: str,
    together: Affinity,
    gain: TransferGain | None,
    check: Check | None,
    exclude: dict[str, str],
    signal: Signal,
) -> Choice:
    """What surely gains where that was measured, else all that say more than chance; of a target with too few labels to
    say which, all tasks: it has the least to lose by company."""
    note = ""
    if gain:
        found = choose_auxiliaries(gain.affinity, target, most=MOST_MEASURED, gain=check, exclude=exclude)
        if found.chosen:
            return found
        j = gain.affinity.index(target)
        scored = np.isfinite(np.delete(gain.affinity.values[:, j], j)).any()
        why = "no measured gain is surely above 0" if scored or len(gain.affinity.tasks) < 2 else UNSCORED
        note = f"{why}; chosen by the measures"
        harm = gain.affinity.simultaneous()[1][:, j] < 0
        exclude = {
            n: "measured, it does harm" for n, h in zip(gain.affinity.tasks, harm, strict=True) if h
        } | exclude
    found = choose_auxiliaries(together, target, most=len(together.tasks), floor=HARDLY, exclude=exclude)
    if not found.chosen and signal.outcome == "not judged":
        others = tuple(t for t in together.tasks if t != target and t not in exclude)
        return dataclasses.replace(found, chosen=others, note=note)
    return dataclasses.replace(found, note=note)


def _only(together: Affinity, tasks: Sequence[str]) -> Affinity:
    keep = [together.index(t) for t in tasks]
    return Affinity(
        together.measure,
        tuple(tasks),
        together.values[np.ix_(keep, keep)],
        together.unit,
        together.bounds,
        seconds=together.seconds,
    )


def pooled(work: Work, sample: Ints, material: Material, *, rows: int | None = None) -> dict[str, Pooling]:
    """For every task of several datasets, which of them help each other; at most ``rows`` of a task are used."""
    names, out = work.pool.dataset_names[sample], {}
    for task in work.tasks:
        sets = len(work.config.tasks[task.name].labels)
        if sets > 1 and task.kind != "multilabel":
            out[task.name] = pool_datasets(
                material.labels[task.name],
                names,
                material.features,
                groups=material.groups,
                rows=rows // sets if rows else ROWS,
                seed=work.config.seed,
            )
    return out


def _lack(measure: str) -> str:
    return f"it reads {' and '.join(lookup(measure).reads)}, and there are none"


def plain(value: Any) -> Any:
    """NaN, infinities and NumPy numbers as JSON knows them."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else None
    return value

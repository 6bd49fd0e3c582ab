"""The augmentation of a run: which policy it trains with, found before the first round, with its record on disk."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from jointset.augment import Policy, Step
from jointset.augment.policy import Verdict
from jointset.augment.preserve import Estimate, verdicts
from jointset.augment.rules import Rule, rule_of
from jointset.augment_search import searched
from jointset.augment_trial import HARM, Scored, augmentation, gains_of, scored, with_policy
from jointset.data import Overlay
from jointset.errors import ConfigError
from jointset.operations import MODALITIES, usual
from jointset.prepare import Work
from jointset.records import TRAIN
from jointset.rundir import read_json, write_json
from jointset.stages import stopping_rows
from jointset.training.augmented import Augmentation
from jointset.training.preserve import Probe, probe
from jointset.workbench import Bench

FURTHER = 2000  # between the seeds of comparisons
BORROWING = ("features.noise", "features.extrapolate", "features.tail")
# labels are mixed along with the inputs, and what fools the model cannot be judged by it
UNASKED = ("image.mixup", "image.cutmix", "tabular.mixup", "features.adversarial")


def settled(bench: Bench, overlay: Overlay) -> Bench:
    """The bench with the augmentation that pays, or paid before; as it is where none is asked for or none does."""
    settings = bench.work.config.augment
    if not settings.on:
        return bench
    file = bench.run.augmentation
    if not file.is_file():
        started = time.monotonic()
        policy, table = checked(bench, overlay)
        found: dict[str, Any] = {"labels": [dataclasses.asdict(e) for e in table]}
        if settings.search is not None:
            best, found["search"] = searched(bench, overlay, policy)
            policy = best or Policy()
        found["policy"] = policy.record()
        if not policy:
            found |= {"kept": "none", "tried": []}
        elif settings.mode == "auto":
            found |= _compared(bench, overlay, policy)
        else:
            found["kept"] = "as told"
        write_json(file, {**found, "seconds": round(time.monotonic() - started, 1)})
    found = read_json(file)
    bench.emit({"event": "augmentation", **found})
    return with_policy(bench, Policy.read(found["policy"]) if found["kept"] != "none" else None)


def stated(work: Work) -> Policy:
    """The policy of the configuration: what is told, and the usual operations of every modality where nothing is."""
    settings = work.config.augment
    told = settings.steps()
    untold = [m for m in MODALITIES if getattr(settings, m) is None]
    has = {m for d in work.pool.datasets for m in d.inputs}
    if not told and not any(own.steps() or own.smote for own in settings.tasks.values()):
        told = {
            f"{m}.{n}": {"magnitude": v, "chance": 1.0}
            for m in untold
            if m in has
            for n, v in usual(m).items()
        }
    steps = {o: Step(**s) for o, s in told.items()}
    own = {t: {o: Step(**s) for o, s in a.steps().items()} for t, a in settings.tasks.items()}
    verdict: dict[str, dict[str, Any]] = {}
    rules: dict[str, dict[str, Rule]] = {}
    for name, task in work.by_name.items():
        given = settings.tasks.get(name)
        if given is None:
            continue
        said = (("keep", given.keep), ("mask", given.mask), ("forbid", given.forbid))
        verdict[name] = {o: what for what, listed in said for o in listed}
        rules[name] = {o: rule_of(task, o, r) for o, r in given.transform.items()}
    smote = {t: (a.smote.method, a.smote.neighbours) for t, a in settings.tasks.items() if a.smote}
    policy = Policy(steps, own, verdict, rules, settings.share, settings.number, settings.fill, smote)
    _check_features(policy, work)
    return policy


def checked(bench: Bench, overlay: Overlay) -> tuple[Policy, list[Estimate]]:
    """The configuration's policy with a verdict for every operation and task, and the estimates behind them."""
    settings, policy = bench.work.config.augment, stated(bench.work)
    usual = borrowed(bench.work, policy)
    if not settings.preserve:
        told = {t: {**usual.get(t, {}), **policy.verdicts.get(t, {})} for t in bench.work.by_name}
        return dataclasses.replace(policy, verdicts=told), []
    file = bench.run.path / "augment" / "labels.json"
    if not file.is_file():
        found = estimates(bench, overlay, policy)
        write_json(file, {"estimates": [dataclasses.asdict(e) for e in found]})
    table = [Estimate.read(e) for e in read_json(file)["estimates"]]
    verdict, rules = verdicts([e for e in table if e.outcome != "unknown"])
    known = (usual, verdict, policy.verdicts)  # what is measured outranks the rule, and the user both
    told = {t: {o: v for own in known for o, v in own.get(t, {}).items()} for t in bench.work.by_name}
    led = {t: {**rules.get(t, {}), **policy.rules.get(t, {})} for t in bench.work.by_name}
    for task, own in led.items():
        told[task] |= dict.fromkeys(own, "keep")
        for operation in [o for o in own if policy.verdicts.get(task, {}).get(o)]:
            del led[task][operation]  # the user has said what holds
    return dataclasses.replace(policy, verdicts=told, rules=led), table


def borrowed(work: Work, policy: Policy) -> dict[str, dict[str, Verdict]]:
    """Numbers are masked where a row borrows from another: rows that agree in classes may have any two numbers."""
    numbers = [t.name for t in work.tasks if t.kind == "regression"]
    return {t: {o: "mask" for o in policy.operations() if o in BORROWING} for t in numbers}


def estimates(bench: Bench, overlay: Overlay, policy: Policy) -> list[Estimate]:
    """Whether each operation of the policy keeps each task's label."""
    settings = bench.work.config.augment
    strongest = {
        o: max(s.magnitude for s in [policy.of(t.name).get(o) for t in bench.work.tasks] if s)
        for o in policy.operations()
        if o not in UNASKED
    }
    problem = bench.problem(overlay)
    rows = np.flatnonzero(problem.usable() & (bench.work.pool.split == TRAIN))

    def augmented(steps: Mapping[str, float], share: float) -> Augmentation:
        return augmentation(
            bench, Policy({o: Step(m) for o, m in steps.items()}, share=share, number=1, fill=policy.fill)
        )

    asked = Probe(strongest, settings.tolerance, bench.work.config.seed)
    return probe(
        dataclasses.replace(problem, augmentation=None),
        bench.work.fold,
        rows,
        stopping_rows(bench, overlay),
        bench.settings,
        asked,
        augmented,
        report=lambda event: bench.emit({"event": "epoch", "name": "labels", **event}),
    )


def _compared(bench: Bench, overlay: Overlay, policy: Policy) -> dict[str, Any]:
    """What is kept: the policy, the policy without the tasks that it harms, without families of operations, or none."""
    bench.emit({"event": "stage", "stage": "augmentation", "name": "with and without"})
    settings = bench.work.config.augment
    first = 1 if settings.search else 0  # a search has chosen with the run's own seed
    seeds = [bench.work.config.seed + FURTHER * (first + i) for i in range(settings.confirm)]
    trials = _Trials(bench, overlay, seeds, [scored(bench, overlay, None, s) for s in seeds])
    whole = trials.judged("all", policy, seeds)
    if not whole.pays and whole.harmed and len(whole.harmed) < len(whole.gains):
        masked: dict[str, Mapping[str, Verdict]] = {
            t: dict.fromkeys(policy.operations(), "mask") for t in whole.harmed
        }
        spared = dataclasses.replace(policy, verdicts={**policy.verdicts, **masked})
        trials.judged("without the harmed", spared, seeds)
    if not trials.tried[-1].pays:
        _leave_out(trials, policy, settings.families)
    last = trials.tried[-1]
    tried = [
        {"name": t.name, "gains": t.gains, "harmed": t.harmed, "mean": round(t.mean, 6)} for t in trials.tried
    ]
    if last.pays:
        return {"kept": last.name, "policy": last.policy.record(), "tried": tried}
    return {"kept": "none", "tried": tried}


@dataclasses.dataclass(frozen=True)
class _Tried:
    """A policy against none: the gains of every task, and those that lose beyond half a point."""

    name: str
    policy: Policy
    gains: Mapping[str, Mapping[str, float]]

    @property
    def harmed(self) -> list[str]:
        return [t for t, g in self.gains.items() if min(g.values()) < -HARM]

    @property
    def mean(self) -> float:
        return float(np.mean([g["skill"] for g in self.gains.values()])) if self.gains else 0.0

    @property
    def pays(self) -> bool:
        return not self.harmed and self.mean > 0

    @property
    def score(self) -> float:
        """The mean gain, less what tasks lose beyond half a point."""
        return self.mean - sum(max(-HARM - min(g.values()), 0.0) for g in self.gains.values())


@dataclasses.dataclass(frozen=True)
class _Trials:
    """Policies compared with none, seed by seed, and what was tried so far."""

    bench: Bench
    overlay: Overlay
    seeds: list[int]
    without: list[Scored]
    tried: list[_Tried] = dataclasses.field(default_factory=list)

    def compared(self, name: str, policy: Policy, seeds: list[int]) -> _Tried:
        """The gains on some of the seeds."""
        plain = [w for w, s in zip(self.without, self.seeds, strict=True) if s in seeds]
        return _Tried(
            name,
            policy,
            gains_of(self.bench, plain, [scored(self.bench, self.overlay, policy, s) for s in seeds]),
        )

    def judged(self, name: str, policy: Policy, seeds: list[int]) -> _Tried:
        """The same, kept among what was tried."""
        self.tried.append(self.compared(name, policy, seeds))
        return self.tried[-1]


def _leave_out(trials: _Trials, policy: Policy, budget: int) -> None:
    """Leave out family after family, the most harmful first, until the rest pays or the trainings are spent.

    The first seed says which family goes; the others, which had no say in it, whether the rest pays.
    """
    gone: list[str] = []
    others = trials.seeds[1:] or trials.seeds
    while len(families := policy.families()) > 1 and budget >= len(families) + len(trials.seeds) - 1:
        budget -= len(families) + len(trials.seeds) - 1
        screened = {
            f: trials.compared(f, policy.without(f), trials.seeds[:1]) for f in families
        }  # (family left out → what the rest gains)
        worst = max(families, key=lambda f: screened[f].score)
        gone, policy = [*gone, worst], policy.without(worst)
        if trials.judged(f"without {', '.join(gone)}", policy, others).pays:
            return


def _check_features(policy: Policy, work: Work) -> None:
    """Raise where operations on features have no classes to work on."""
    kinds = {t.kind for t in work.tasks}
    for operation in (o for o in policy.operations() if o in BORROWING):
        fit = {"binary", "multiclass"} | ({"multilabel"} if operation != "features.tail" else set())
        if not kinds & fit:
            raise ConfigError(
                f"augment: {operation} needs a task with classes, and there is none; take it out"
            )

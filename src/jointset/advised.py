"""The advice of :mod:`jointset.relating` as a configuration that a run takes: what is sure is changed, what is guessed
is written beside it, each with its reason."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from jointset import config as configs
from jointset.config.commented import Place, commented, said, switched_off
from jointset.errors import ConfigError
from jointset.prepare import Work
from jointset.records import TEST, is_labelled
from jointset.relatedness import Treatment
from jointset.relating import Relations

LIGHT = 0.5  # of a task that is weighed down

Groups = list[list[str] | dict[str, list[str]]]


@dataclass(frozen=True)
class Advised:
    """A configuration as commented YAML: what was ``changed``, and what of the advice is ``left`` to the reader."""

    text: str
    changed: tuple[str, ...]
    left: tuple[str, ...]


@dataclass
class _Draft:
    """Settings as they are made, with the comments of places, and what happened in a few words."""

    settings: dict[str, Any]
    above: dict[Place, list[str]] = field(default_factory=dict)
    below: dict[Place, list[str]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def tasks(self) -> dict[str, Any]:
        """The tasks that are left."""
        found: dict[str, Any] = self.settings["tasks"]
        return found

    def say(self, place: Place, text: str, value: Any = None, *, end: bool = False) -> None:
        """A comment above a place, or at the end of it, with YAML to be uncommented."""
        lines = (self.below if end else self.above).setdefault(place, [])
        lines += said(text)
        lines += [] if value is None else switched_off(value)

    def change(self, settings: dict[str, Any], what: str) -> str:
        """Take the settings if a run would, and say why not otherwise."""
        refused = _refused(settings)
        (self.left if refused else self.changed).append(what)
        if not refused:
            self.settings = settings
        return refused


def _refused(settings: Mapping[str, Any]) -> str:
    """Why a run would not take the settings."""
    try:
        configs.parse(settings, "then")
    except ConfigError as error:
        return str(error)
    return ""


def advised(
    settings: Mapping[str, Any],
    work: Work,
    found: Relations,
    *,
    targets: Sequence[str] = (),
    origin: Path = Path(),
    folder: Path = Path(),
) -> Advised:
    """The configuration ``settings``, as its file has it, with the advice applied.

    Taken out are tasks without a signal whose own model was asked as well, and copies that lose no label; tasks that
    measured company surely harms get groups of their own, those of the grouping where one was made. Of ``targets`` the
    auxiliaries stay and no other task; a target itself is never taken out. A grouping that nobody measured, weights,
    and datasets of a task that harm each other are written as comments, as is what no setting can express. What models
    read stays the same. Paths are read from ``origin`` and written for ``folder``.
    """
    draft = _Draft(_unshared(settings))
    draft.settings = {"name": f"{settings.get('name', 'run')}-advised"} | {
        k: v for k, v in draft.settings.items() if k != "name"
    }
    for dataset in draft.settings["datasets"].values():
        if dataset.get("path"):
            dataset["path"] = configs.path_from(origin / Path(dataset["path"]).expanduser(), folder)
    if targets:
        _only(draft, found, targets)
    for treatment in found.treatments:
        if treatment.task in draft.tasks:
            _treated(draft, work, found, treatment, targets)
    _arranged(draft, found, bool(targets))
    _parted(draft, found)
    _unused(draft)
    _same_inputs(draft, work, settings["tasks"])
    return _written(draft)


def _unshared(value: Any) -> Any:
    """A copy in which nothing stands twice, as the aliases of a YAML file do."""
    if isinstance(value, Mapping):
        return {k: _unshared(v) for k, v in value.items()}
    return [_unshared(v) for v in value] if isinstance(value, list) else value


def _only(draft: _Draft, found: Relations, targets: Sequence[str]) -> None:
    """The targets with their auxiliaries; all tasks where a target has none."""
    none = [t for t in targets if not found.choices[t].chosen]
    if none:
        reasons = "; ".join(f"{t}: {found.choices[t].reason}" for t in none)
        draft.say(
            ("tasks",),
            f"no auxiliary was chosen ({reasons}), which is no evidence against the others: all stay",
        )
        draft.left.append(f"{', '.join(none)}: no auxiliary was chosen, so all tasks stay")
        return
    chosen = dict.fromkeys([*targets, *(c for t in targets for c in found.choices[t].chosen)])
    for target in targets:
        choice = found.choices[target]
        measured = choice.gain == choice.gain
        how = "by trainings" if measured else "before any training, a guess that --budget measures"
        draft.say(("tasks",), f"auxiliaries of {target}, chosen {how}: {choice.reason}")
    rest = {n: t for n, t in draft.tasks.items() if n not in chosen}
    if not rest:
        return
    settings = draft.settings
    for name in rest:
        settings = _without(settings, name)
    refused = draft.change(settings, f"{', '.join(chosen)} alone are trained; not {', '.join(rest)}")
    for name, definition in rest.items():
        why = f"{name} is no auxiliary: {_why_not(found, targets, name)}"
        if refused:
            draft.say(("tasks", name), f"{why}; it cannot be taken out with the others: {refused}")
        else:
            draft.say(("tasks",), why, {name: definition}, end=True)


def _why_not(found: Relations, targets: Sequence[str], name: str) -> str:
    """Why a task is among nobody's auxiliaries."""
    steps = [s for t in targets for s in found.choices[t].steps if s.source == name and not s.taken]
    return steps[0].reason if steps else f"not among the best of {', '.join(targets)}"


def _treated(
    draft: _Draft, work: Work, found: Relations, treatment: Treatment, targets: Sequence[str]
) -> None:
    """What a treatment says of one task by itself."""
    name, place = treatment.task, ("tasks", treatment.task)
    if treatment.action == "drop" and name in targets:
        draft.say(place, f"it would be dropped, as {treatment.reason}; it stays, as it is a target")
        draft.left.append(f"{name}, a target, says nothing")
    elif treatment.action == "drop":
        _take_out(draft, name, f"{name} is dropped, as {treatment.reason}", f"{name} is dropped")
    elif treatment.action == "suspect":
        draft.say(
            place, f"{treatment.reason}; a run with relatedness: auto asks it, unless model.groups are named"
        )
        draft.left.append(f"{name} is suspected")
    elif treatment.action == "merge":
        _merged(draft, work, found, treatment, targets)
    elif treatment.action == "down-weight":
        _lighter(draft, treatment)


def _merged(
    draft: _Draft, work: Work, found: Relations, treatment: Treatment, targets: Sequence[str]
) -> None:
    """A copy goes, unless the first of its kind goes, or lacks labels that it has; of a target the other one goes."""
    name = treatment.task
    first = next(s.source for s in found.same if s.kind == "copy" and s.target == name)
    if first not in draft.tasks:
        return
    if name in targets and first in targets:
        draft.say(("tasks", name), f"{treatment.reason}; both stay, as both are targets")
        draft.left.append(f"{name} and {first}, copies, are both targets")
        return
    gone, kept = (first, name) if name in targets else (name, first)
    free = work.pool.split != TEST
    more = int((is_labelled(work.given[gone]) & ~is_labelled(work.given[kept]) & free).sum())
    if more:
        text = f"{treatment.reason}; it stays for {more:,} rows that {kept} does not label, and a run fills"
        draft.say(("tasks", gone), text)
        draft.left.append(f"{gone} is a copy with labels that {kept} lacks")
        return
    why = f"{gone} is taken out: {treatment.reason}; what is predicted of {kept} says it"
    _take_out(draft, gone, why, f"{gone}, a copy, is taken out")


def _lighter(draft: _Draft, treatment: Treatment) -> None:
    """A smaller weight, to be uncommented: how small nobody measured."""
    name, place = treatment.task, ("tasks", treatment.task)
    tried = copy.deepcopy(draft.settings)
    tried["tasks"][name]["weight"] = LIGHT
    refused = _refused(tried)
    if refused:
        draft.say(
            place, f"{treatment.reason}: a smaller weight may help, and no setting takes one here ({refused})"
        )
    else:
        draft.say(
            place,
            f"{treatment.reason}: a smaller weight may help, and how small is a guess",
            {"weight": LIGHT},
        )
    draft.left.append(f"{name} may be weighed down")


def _take_out(draft: _Draft, name: str, why: str, what: str) -> None:
    """A task goes to the end of the tasks, as a comment with the reason."""
    definition = draft.tasks[name]
    refused = draft.change(_without(draft.settings, name), what)
    if refused:
        draft.say(("tasks", name), f"{why}; it cannot be taken out: {refused}")
    else:
        draft.say(("tasks",), why, {name: definition}, end=True)


def _without(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings without a task, wherever it is named."""
    made = copy.deepcopy(dict(settings))
    del made["tasks"][name]
    model, augment, training = (made.get(k) for k in ("model", "augment", "training"))
    if isinstance(model, dict) and isinstance(model.get("groups"), list):
        rest = [_group(g, name) for g in model["groups"]]
        model["groups"] = [g for g in rest if (g["tasks"] if isinstance(g, dict) else g)]
    if isinstance(augment, dict) and isinstance(augment.get("tasks"), dict):
        augment["tasks"].pop(name, None)
    weighting = training.get("weighting") if isinstance(training, dict) else None
    if isinstance(weighting, dict):
        for option in weighting.values():
            if isinstance(option, dict):
                option.pop(name, None)
        if weighting.get("target") == name:
            del weighting["target"]
    return made


def _group(group: Any, name: str) -> Any:
    if isinstance(group, dict):
        return {k: [t for t in v if t != name] if isinstance(v, list) else v for k, v in group.items()}
    return [t for t in group if t != name] if isinstance(group, list) else group


def _arranged(draft: _Draft, found: Relations, only: bool) -> None:
    """Groups: applied where a measured harm asks for them, else a comment."""
    harmed = [t for t in found.treatments if t.harmed and t.task in draft.tasks]
    made = _groups(draft, found, harmed)
    if len(made) < 2 or (found.grouping is not None and len(found.grouping.groups) < 2):
        return
    if found.grouping is None:
        what = "; ".join(f"{t.task}: {t.reason}" for t in harmed)
    elif "transfer_gain" in found.affinities:
        what = f"groups by measured gains (value {found.grouping.value:.2f})"
    else:
        what = f"groups guessed before any training (value {found.grouping.value:.2f})"
    settings = copy.deepcopy(draft.settings)
    model = dict(settings.get("model") or {})
    given = model.pop("groups", None)
    settings["model"] = {"groups": made} | model
    if not harmed or only:
        why = "they are those of all tasks" if only else "no task is surely harmed by company"
        draft.left.append("groups")
        instead = " in the place of those below" if given else ""
        text = f"{what}; not applied, as {why}. To have them{instead}, uncomment"
        _said_of_model(draft, text, made)
        return
    refused = draft.change(settings, "groups")
    if refused:
        _said_of_model(draft, f"{what}; no setting expresses it here ({refused})", made)
        return
    instead = f"; in the place of {given}" if given else ""
    draft.say(
        ("model", "groups"),
        f"{what}{instead}. With groups named, a run compares nothing and looks for copies only",
    )


def _said_of_model(draft: _Draft, text: str, groups: Groups) -> None:
    if draft.settings.get("model"):
        draft.say(("model",), text, {"groups": groups}, end=True)
    else:
        draft.say((), text, {"model": {"groups": groups}}, end=True)


def _groups(draft: _Draft, found: Relations, harmed: Sequence[Treatment]) -> Groups:
    """Groups that serve every task that is left: those of the grouping, else one a harmed task and one for the rest."""
    tasks = list(draft.tasks)
    own = [t.task for t in found.treatments if t.action == "suspect" and t.task in tasks]
    made: list[tuple[list[str], list[str]]] = []
    if found.grouping is not None:
        made = [
            ([t for t in g.serves if t in tasks], [t for t in g.trained if t in tasks and t not in g.serves])
            for g in found.grouping.groups
        ]
    elif harmed:
        apart = [t.task for t in harmed]
        made = [([t for t in tasks if t not in (*apart, *own)], apart)]
        made += [([t.task], [n for n in t.helpers if n in tasks]) for t in harmed]
    made = [(serves, along) for serves, along in made if serves]
    if not made:
        return []
    served = [t for serves, _ in made for t in serves]
    for name in tasks:
        if name not in served and name not in own:  # a copy that stays is with the first of its kind
            kin = [s.source for s in found.same if s.kind == "copy" and s.target == name]
            next((serves for serves, _ in made if set(kin) & set(serves)), made[0][0]).append(name)
    made += [([name], []) for name in own]
    return [{"tasks": serves, "along": along} if along else serves for serves, along in made]


def _parted(draft: _Draft, found: Relations) -> None:
    """Datasets of a task that harm each other: a task of its own for each, to be uncommented."""
    for name, pooling in found.pooling.items():
        harm = {d: bad for d, bad in pooling.harm.items() if bad}
        if name not in draft.tasks or not harm:
            continue
        whole = draft.tasks[name]
        for dataset, bad in harm.items():
            part = {**whole, "labels": {dataset: whole["labels"][dataset]}}
            if "map" in whole:
                part["map"] = {d: m for d, m in whole["map"].items() if d == dataset}
            text = (
                f"rows of {', '.join(bad)} surely harm a linear model of {dataset}: two tasks may serve better. To try "
                f"it, uncomment this one and take {dataset} out of the labels of {name}"
            )
            draft.say(("tasks", name), text, {f"{name}-{dataset}": part})
        draft.left.append(f"datasets of {name} harm each other")


def _unused(draft: _Draft) -> None:
    """Datasets that no task is left for go, unless labels are filled across datasets."""
    labelled = {d for task in draft.tasks.values() for d in task["labels"]}
    if (draft.settings.get("improve") or {}).get("across"):
        return
    made, gone = copy.deepcopy(draft.settings), {}
    for name in [n for n in made["datasets"] if n not in labelled]:
        gone[name] = made["datasets"].pop(name)
        for task in made["tasks"].values():
            if isinstance(task.get("map"), dict):
                task["map"].pop(name, None)
    if gone and not draft.change(made, f"no task has labels in {', '.join(gone)}"):
        draft.say(("datasets",), "no task that is left has labels in these", gone, end=True)


def _same_inputs(draft: _Draft, work: Work, before: Mapping[str, Any]) -> None:
    """Inputs ``"*"`` are written out where a task has gone: else the column of its labels would become one of them."""
    if set(before) == set(draft.tasks):
        return
    read = {d.name: list(d.inputs.get("tabular", ())) for d in work.pool.datasets}
    for name, dataset in draft.settings["datasets"].items():
        inputs = dataset.get("inputs")
        if isinstance(inputs, dict) and inputs.get("tabular") in ("*", ["*"]) and read.get(name):
            inputs["tabular"] = read[name]
            draft.say(
                ("datasets", name), "inputs '*' are written out: with fewer tasks, '*' would take in labels"
            )


def _written(draft: _Draft) -> Advised:
    head = [
        *said(
            "Written by jointset relate: the advice as a configuration. What is sure is applied, with its reason "
            "beside it; what is a guess is a comment, to be uncommented."
        ),
        *(f"# changed: {what}" for what in draft.changed),
        *(f"# left to you: {what}" for what in draft.left),
    ]
    draft.above[()] = [*head, *([] if draft.changed else ["# changed: nothing"])]
    text = commented(draft.settings, draft.above, draft.below)
    configs.parse(yaml.safe_load(text), "what was written")
    return Advised(text, tuple(draft.changed), tuple(draft.left))

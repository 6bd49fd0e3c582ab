"""Settings of augmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from jointset.config.base import Settings
from jointset.config.switch import spelled_out
from jointset.errors import nearest
from jointset.operations import (
    MODALITIES,
    OPERATIONS,
    is_finite,
    mistake,
    modality_of,
    rule_mistake,
    unknown,
    usual,
)
from jointset.records import name_of

SMOTES = ("smote", "borderline", "svm", "adasyn", "decoded")
Steps = dict[str, dict[str, float]]
SEARCHES = ("trivial", "randaugment", "bayes", "population", "policy_gradient", "differentiable")


def _steps(modality: str, value: Any) -> Steps | None:
    """The operations of one modality, each with its magnitude and its relative chance."""
    if value is None:
        return None
    if value is False:
        return {}
    if value in (True, "usual"):
        return {n: {"magnitude": m, "chance": 1.0} for n, m in usual(modality).items()}
    if isinstance(value, list):
        value = {
            k: v for entry in value for k, v in (entry if isinstance(entry, dict) else {entry: True}).items()
        }
    if not isinstance(value, dict):
        raise ValueError(
            f"expected operations, for example {{{next(iter(usual(modality) or {'noise': 0}))}: true}}"
        )
    found: Steps = {}
    for name, given in value.items():
        if given is False or given == 0:
            continue
        options = dict(given) if isinstance(given, dict) else {} if given is True else {"magnitude": given}
        known = OPERATIONS.get(f"{modality}.{name}")
        options = {"magnitude": known.usual if known else 1.0, "chance": 1.0} | options
        if odd := set(options) - {"magnitude", "chance"}:
            raise ValueError(f"{name} has no option {odd.pop()!r}; its options are magnitude, chance")
        for key, number in options.items():
            if not is_finite(number):
                raise ValueError(f"{name}.{key} is a finite number, found {number!r}")
        if wrong := mistake(modality, str(name), options["magnitude"]):
            raise ValueError(wrong)
        if not options["chance"] > 0:
            raise ValueError(f"{name}.chance is above 0, found {options['chance']:g}")
        found[str(name)] = {k: float(v) for k, v in options.items()}
    return found


class _Operations(Settings):
    """Operations by modality; ``None`` where nothing is said."""

    image: Steps | None = Field(
        default=None,
        description="Operations on images: name → magnitude, `true`, or `{magnitude, chance}`; `true` alone "
        "means the usual ones.",
    )
    text: Steps | None = Field(default=None, description="Operations on texts, likewise.")
    audio: Steps | None = Field(default=None, description="Operations on sounds, likewise.")
    tabular: Steps | None = Field(default=None, description="Operations on table rows, likewise.")
    features: Steps | None = Field(
        default=None,
        description="Operations where encoders meet the trunk, likewise.",
    )

    @field_validator(*MODALITIES, mode="before")
    @classmethod
    def _read(cls, value: Any, info: Any) -> Any:
        return _steps(info.field_name, value)

    def steps(self) -> dict[str, dict[str, float]]:
        """Magnitude and chance by full name, of what is said."""
        return {f"{m}.{n}": s for m in MODALITIES for n, s in (getattr(self, m) or {}).items()}


class SmoteSettings(Settings):
    """Further rows of a task's rare classes, between near rows of a class."""

    method: Literal["smote", "borderline", "svm", "adasyn", "decoded"] = Field(
        default="smote",
        description="Member of the SMOTE family; `decoded` works between embeddings.",
    )
    neighbours: int = Field(
        default=5,
        ge=1,
        description="Near rows of the class that a new row is drawn between.",
    )


class TaskAugmentSettings(_Operations):
    """What one task has of its own: operations, and what is known of its labels under them."""

    keep: list[str] = Field(default=[], description="Operations that are known to keep this task's labels.")
    mask: list[str] = Field(default=[], description="Operations whose rows this task must not learn from.")
    forbid: list[str] = Field(
        default=[],
        description="Operations that are not used at all on rows with a label of this task.",
    )
    transform: dict[str, dict[str, Any]] = Field(
        default={},
        description="Operation → how it changes the label: `{left: right, right: left}`, or `{add: 1, "
        "modulo: 360}` for numbers.",
    )
    smote: SmoteSettings | None = Field(
        default=None,
        description="Further rows of this task's rare classes; a word is short for `{method: WORD}`.",
    )

    @field_validator("smote", mode="before")
    @classmethod
    def _smote_alone(cls, value: Any) -> Any:
        value = {"method": value} if isinstance(value, str) else {} if value is True else value or None
        method = value.get("method", "smote") if isinstance(value, dict) else None
        if isinstance(method, str) and method not in SMOTES:
            raise ValueError(f"no method {method!r}{nearest(method, SMOTES)}; one of {', '.join(SMOTES)}")
        return value

    @field_validator("transform", mode="before")
    @classmethod
    def _classes_as_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            o: {name_of(k): v for k, v in r.items()} if isinstance(r, dict) else r for o, r in value.items()
        }

    @field_validator("keep", "mask", "forbid", "transform")
    @classmethod
    def _known(cls, value: Any) -> Any:
        for name in value:
            if wrong := unknown(str(name)):
                raise ValueError(wrong)
        return value

    @model_validator(mode="after")
    def _once(self) -> TaskAugmentSettings:
        said = [*self.keep, *self.mask, *self.forbid, *self.transform]
        twice = sorted({n for n in said if said.count(n) > 1})
        if twice:
            raise ValueError(f"{twice[0]} stands in more than one of keep, mask, forbid and transform")
        return self


class AugmentSearchSettings(Settings):
    """A search for the policy, on the held-out score, before the first round."""

    method: Literal["trivial", "randaugment", "bayes", "population", "policy_gradient", "differentiable"] = (
        Field(
            description="How the policy is searched.",
        )
    )
    budget: int = Field(default=8, ge=2, description="Trainings that the search may take.")


class AugmentSettings(_Operations):
    """Which rows training sees changed, and how."""

    mode: Literal["off", "auto", "on"] = Field(
        default="off",
        description="`off`; `auto`: kept only if held-out rows gain; `on`: without that comparison. A "
        "section without `mode` is `auto`.",
    )
    share: float = Field(
        default=0.8,
        gt=0.0,
        le=1.0,
        description="Share of the rows that are changed at all.",
    )
    number: int = Field(default=2, ge=1, le=8, description="Operations per row and modality, at most.")
    fill: Literal["zero", "edge", "reflect", "mean"] = Field(
        default="zero",
        description="What comes in from beyond an image's edge, and in the place of what `image.erase` takes out.",
    )
    guard: list[str] = Field(
        default=[],
        description="Words that no operation on texts touches, beside the English negations: name those of other "
        "languages here.",
    )
    views: int = Field(default=4, ge=1, le=64, description="Prepared copies of a text or a sound.")
    preserve: bool = Field(
        default=True,
        description="Measure whether operations keep labels, before training.",
    )
    tolerance: float = Field(
        default=0.05,
        gt=0.0,
        lt=1.0,
        description="Share of what is known of a task that an operation may cost it.",
    )
    confirm: int = Field(default=2, ge=1, description="Seeds of the comparison with and without.")
    families: int = Field(
        default=6,
        ge=0,
        description="Further trainings, at most, in which the comparison leaves out families of operations (image, "
        "text, …) where the whole policy does not pay.",
    )
    search: AugmentSearchSettings | None = Field(
        default=None,
        description="Search for the policy; a word is short for `{method: WORD}`.",
    )
    tasks: dict[str, TaskAugmentSettings] = Field(
        default={},
        description="Task → operations of its own, and what is known of its labels.",
    )

    @field_validator("mode", mode="before")
    @classmethod
    def _on_and_off(cls, value: Any) -> Any:
        return spelled_out(value)

    @field_validator("search", mode="before")
    @classmethod
    def _method_alone(cls, value: Any) -> Any:
        if value is False:
            return None
        if isinstance(value, str):
            value = {"method": value}
        method = value.get("method") if isinstance(value, dict) else None
        if isinstance(method, str) and method not in SEARCHES:
            raise ValueError(f"no search {method!r}{nearest(method, SEARCHES)}; one of {', '.join(SEARCHES)}")
        return value

    @property
    def trainings(self) -> int:
        """Joint trainings before the first round, at most: the label check (of halves), a search, the comparison."""
        if not self.on:
            return 0
        searched = self.search.budget if self.search else 0
        return searched + self.preserve + (3 * self.confirm + self.families if self.mode == "auto" else 0)

    @property
    def on(self) -> bool:
        """Whether anything is asked for."""
        return self.mode != "off"

    def misfit(self, tasks: Mapping[str, set[str]], kinds: Mapping[str, str]) -> str | None:
        """What does not fit the tasks, each with the modalities of the datasets that label it, and its kind."""
        every: set[str] = set().union(*tasks.values())
        for name, own in self.tasks.items():
            if name not in tasks:
                return f"tasks.{name}: no task has this name{nearest(name, tasks)}"
            has = {*tasks[name], "features"}
            named = [*own.steps(), *own.keep, *own.mask, *own.forbid, *own.transform]
            if own.smote and not has & (
                {"tabular", "image"} if own.smote.method == "decoded" else {"tabular"}
            ):
                return f"tasks.{name}: smote needs tabular, and task {name!r} has {', '.join(tasks[name])}; take it out"
            if own.smote and kinds[name] not in ("binary", "multiclass"):
                return f"tasks.{name}.smote: {kinds[name]} has no rare classes to make rows of; take it out"
            if own.smote and own.smote.method == "decoded" and every not in ({"tabular"}, {"image"}):
                return (
                    f"tasks.{name}.smote: decoded makes rows of tabular or image inputs alone, and these have "
                    f"{', '.join(sorted(every))}; take it out"
                )
            wrong = next((o for o in named if modality_of(o) not in has), None)
            if wrong:
                return f"tasks.{name}: {_lacks(wrong, f'task {name!r}', has)}"
            for operation, rule in own.transform.items():
                if wrong := rule_mistake(kinds[name], rule):
                    return f"tasks.{name}.transform.{operation}: {wrong}"
        wrong = next((o for o in self.steps() if modality_of(o) not in {*every, "features"}), None)
        return _lacks(wrong, "the configuration", every) if wrong else None


def _lacks(operation: str, who: str, has: set[str]) -> str:
    inputs = ", ".join(sorted(has - {"features"}))
    return f"{operation} needs {modality_of(operation)}, and {who} has {inputs}; take it out"


def read(value: Any) -> Any:
    """The section as a word: off, auto, on; a section without ``mode`` means auto."""
    if value is None:
        return {"mode": "off"}
    if isinstance(value, (str, bool)):
        return {"mode": value}
    return {"mode": "auto", **value} if isinstance(value, dict) else value

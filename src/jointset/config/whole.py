"""The whole configuration."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from jointset.config import augment, relatedness
from jointset.config.augment import AugmentSettings
from jointset.config.base import Settings
from jointset.config.data import DatasetSettings
from jointset.config.model import ModelSettings
from jointset.config.relatedness import RelatednessSettings
from jointset.config.tasks import TaskSettings
from jointset.config.training import ImproveSettings, TrainingSettings
from jointset.errors import nearest
from jointset.options import TRACKERS, WEIGHTINGS


class Config(Settings):
    """The whole configuration.

    >>> config = Config.model_validate({
    ...     "name": "demo",
    ...     "datasets": {"a": {"path": "a.csv", "inputs": {"text": "body"}}},
    ...     "tasks": {"stars": {"kind": "multiclass", "labels": {"a": "stars"}}},
    ... })
    >>> config.improve.precision, config.datasets["a"].columns("text")
    (0.9, ['body'])
    """

    name: str = Field(
        default="run",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Name of the run and of its folder under `runs/`.",
    )
    datasets: dict[str, DatasetSettings] = Field(description="Name → dataset.")
    tasks: dict[str, TaskSettings] = Field(description="Name → task.")
    model: ModelSettings = Field(default=ModelSettings(), description="The joint model.")
    training: TrainingSettings = Field(default=TrainingSettings(), description="How it is trained.")
    augment: AugmentSettings = Field(
        default=AugmentSettings(),
        description="Which rows training sees changed; a word is short for `{mode: WORD}`.",
    )
    relatedness: RelatednessSettings = Field(
        default=RelatednessSettings(),
        description="Whether joint training is compared with every task alone, and what becomes of tasks that it "
        "hurts; a word is short for `{mode: WORD}`.",
    )
    improve: ImproveSettings = Field(default=ImproveSettings(), description="The rounds of repair.")
    tracking: list[str] = Field(
        default=[], description="Where metrics are sent besides: `tensorboard`, `mlflow`, `wandb`."
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="Seed of every random choice: same seed, data and versions, same ledger.",
    )

    @field_validator("augment", mode="before")
    @classmethod
    def _augment_as_a_word(cls, value: Any) -> Any:
        return augment.read(value)

    @field_validator("relatedness", mode="before")
    @classmethod
    def _relatedness_as_a_word(cls, value: Any) -> Any:
        return relatedness.read(value)

    @field_validator("tracking", mode="before")
    @classmethod
    def _one_tracker(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else [] if value in (None, False) else value

    @field_validator("tracking")
    @classmethod
    def _known_trackers(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in TRACKERS:
                raise ValueError(
                    f"no tracker {name!r}{nearest(name, TRACKERS)}; one of {', '.join(TRACKERS)}"
                )
        return list(dict.fromkeys(value))

    @model_validator(mode="after")
    def _names_meet(self) -> Config:
        for kind, entries in (("datasets", self.datasets), ("tasks", self.tasks)):
            if not entries:
                raise ValueError(f"{kind} is empty: name at least one")
            for name in entries:
                if not name or any(c in name for c in "/\\\0") or name.startswith(".") or "__" in name:
                    raise ValueError(f"{kind}.{name!r}: a name has no '/', no '__' and no leading dot")
        for name, task in self.tasks.items():
            for part, where in (("labels", task.labels), ("map", task.map)):
                for dataset in where:
                    if dataset not in self.datasets:
                        hint = nearest(dataset, self.datasets)
                        raise ValueError(f"tasks.{name}.{part}.{dataset}: no dataset has this name{hint}")
            self._weight_is_read(name, task)
        mistake = self.training.search.mistake(list(self.tasks)) if self.training.search else None
        if mistake:
            raise ValueError(f"training.weighting.{mistake}")
        if self.training.search and self.training.search.prune and self.model.groups:
            raise ValueError(
                "training.weighting.prune: the groups of model.groups are trained one after the other, so no trial "
                "can be seen to lag; take prune out"
            )
        if misfit := self.model.misfit(self.tasks):
            raise ValueError(f"model.{misfit}")
        modalities: dict[str, set[str]] = {
            n: {m for d in t.labels for m in self.datasets[d].inputs} for n, t in self.tasks.items()
        }
        if misfit := self.augment.misfit(modalities):
            raise ValueError(f"augment: {misfit}")
        return self

    def _weight_is_read(self, name: str, task: TaskSettings) -> None:
        """Raise where a task has a weight and the weighting takes none."""
        method, options = self.training.weighting_and_options()
        own, searched = "weights" in options, self.training.search
        if task.weight == 1.0 or ("weights" in WEIGHTINGS[method].split() and not own and not searched):
            return
        readers = ", ".join(m for m, o in WEIGHTINGS.items() if "weights" in o.split())
        found = "a search" if searched else f"{method} with weights of its own" if own else method
        raise ValueError(
            f"tasks.{name}.weight needs training.weighting: fixed, or another that reads it ({readers}), "
            f"found {found}; take one of them out"
        )

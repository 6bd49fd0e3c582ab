"""Settings of training, of the search of task weights, and of repair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from jointset.config.base import Settings
from jointset.errors import nearest
from jointset.options import WEIGHTINGS

Fix = Literal["leaks", "relabel", "fill", "duplicates", "drop", "weight", "shift", "tail", "add"]
FIXES: tuple[str, ...] = get_args(Fix)


class SearchSettings(Settings):
    """Task weights are searched for, on the held-out score, before the first round."""

    search: Literal["grid", "bayes"]
    budget: int = Field(default=20, ge=2)
    target: str | None = None
    objective: Literal["mean", "front"] = "mean"
    span: float = Field(default=10.0, gt=1.0, le=1e6)
    prune: bool | None = None
    confirm: int = Field(default=2, ge=0)

    @property
    def prunes(self) -> bool:
        """Whether trials that lag behind are ended: as told, else where proposals follow the score."""
        return self.search == "bayes" and self.objective == "mean" if self.prune is None else self.prune

    @property
    def trainings(self) -> int:
        """Joint trainings at most: the trials, and the best and equal weights again with further seeds."""
        return self.budget + 2 * self.confirm

    def mistake(self, tasks: Sequence[str]) -> str | None:
        """What does not fit the tasks of the configuration."""
        if len(tasks) < 2:
            return "search: there is a single task, so there are no weights to search for; name a weighting"
        if self.target is not None and self.target not in tasks:
            return f"target: no task is called {self.target!r}{nearest(self.target, tasks)}"
        if self.prune and self.objective == "front":
            return "prune: a trial that lags on the mean may lie on the front; take prune or objective: front out"
        fewest = 2 ** len(tasks) - 1
        if self.search == "grid" and self.budget < fewest:
            return (
                f"budget: a grid over {len(tasks)} tasks has at least {fewest} points, found {self.budget}; "
                "raise it, or take search: bayes"
            )
        return None


class TrainingSettings(Settings):
    """How the joint model is trained."""

    epochs: int = Field(default=40, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    sparse_learning_rate: float = Field(default=1.5e-3, gt=0.0, le=1.0)
    weight_decay: float = Field(default=1e-2, ge=0.0)
    warmup: float = Field(default=0.1, ge=0.0, lt=1.0)
    patience: int = Field(default=3, ge=1)
    stop_by_task: bool = False
    temperature: float = Field(default=1.0, gt=0.0)
    cap: int | None = Field(default=None, ge=1)
    weighting: str | dict[str, Any] | SearchSettings = "fixed"
    gramian: Literal["auto", "rows", "layers", "features"] = "auto"
    mixup: float = Field(default=1.0, ge=0.0)
    average: float = Field(default=0.97, ge=0.0, lt=1.0)
    folds: int = Field(default=5, ge=2)
    threads: int | None = Field(default=None, ge=1)
    checkpoint_seconds: float = Field(default=60.0, ge=0.0)

    @field_validator("weighting", mode="plain")
    @classmethod
    def _known_weighting(cls, value: Any) -> str | dict[str, Any] | SearchSettings:
        if isinstance(value, SearchSettings) or (isinstance(value, dict) and "search" in value):
            return SearchSettings.model_validate(value)
        options = dict(value) if isinstance(value, dict) else {"method": value}
        method = options.pop("method", "auto")
        if not isinstance(method, str) or method not in WEIGHTINGS:
            hint = nearest(str(method), WEIGHTINGS)
            raise ValueError(
                f"no weighting {method!r}{hint}; one of {', '.join(WEIGHTINGS)}, or {{search: bayes}}"
            )
        known = WEIGHTINGS[method].split()
        for option in options:
            if option not in known:
                listed = f"its options are {', '.join(known)}" if known else "it has none"
                raise ValueError(f"{method} has no option {option!r}{nearest(str(option), known)}; {listed}")
        return {"method": method, **options} if options else method

    def weighting_and_options(self) -> tuple[str, dict[str, Any]]:
        """The name of the weighting method, and its options; a search is one of fixed weights."""
        if isinstance(self.weighting, SearchSettings):
            return "fixed", {}
        if isinstance(self.weighting, str):
            return self.weighting, {}
        return self.weighting["method"], {k: v for k, v in self.weighting.items() if k != "method"}

    @property
    def search(self) -> SearchSettings | None:
        """The search of task weights, where one is asked for."""
        return self.weighting if isinstance(self.weighting, SearchSettings) else None

    @property
    def watch(self) -> str:
        """The one task whose held-out score stops the training: the target of a search."""
        return (self.search.target or "") if self.search else ""


class ImproveSettings(Settings):
    """The loop of repair."""

    rounds: int = Field(default=2, ge=0)
    fixes: list[Fix] = ["relabel", "fill", "drop", "weight"]
    checks: bool = True
    precision: float = Field(default=0.9, gt=0.0, le=1.0)
    max_changes: float | int | None = None
    margin: float = Field(default=0.005, ge=0.0)
    across: bool = False
    max_seconds: float | None = Field(default=None, gt=0.0)

    @field_validator("max_changes")
    @classmethod
    def _budget(cls, value: float | int | None) -> float | int | None:
        if value is not None and value < 0:
            raise ValueError("max_changes is a number of labels, or a share of the labels between 0 and 1")
        return value

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

    search: Literal["grid", "bayes"] = Field(
        description="How task weights are searched: a `grid`, or `bayes` (needs the extra `search`).",
    )
    budget: int = Field(
        default=20,
        ge=2,
        description="Trials at most, each about one joint training; the first is equal weights.",
    )
    target: str | None = Field(
        default=None,
        description="The one task whose held-out score counts. Left out: the mean over tasks.",
    )
    objective: Literal["mean", "front"] = Field(
        default="mean",
        description="`front` looks for all trade-offs between the tasks instead of the best mean.",
    )
    span: float = Field(
        default=10.0,
        gt=1.0,
        le=1e6,
        description="The largest weight is at most this many times the smallest.",
    )
    prune: bool | None = Field(
        default=None,
        description="End trials that lag behind. Left out: yes for `bayes` on the mean, else no.",
    )
    confirm: int = Field(
        default=2,
        ge=0,
        description="Further seeds that the best weights must beat equal weights with; 0 keeps the best as "
        "it is.",
    )

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

    epochs: int = Field(
        default=40,
        ge=1,
        description="Passes over the data at most; training stops earlier when held-out skill no longer "
        "rises.",
    )
    batch_size: int | None = Field(
        default=None,
        ge=1,
        description="Rows per step. Left out: chosen from the number of rows.",
    )
    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0, description="Step size of AdamW at its peak.")
    sparse_learning_rate: float = Field(
        default=1.5e-3,
        gt=0.0,
        le=1.0,
        description="The same for tables of n-grams, which are updated where they are read.",
    )
    weight_decay: float = Field(default=1e-2, ge=0.0, description="Decoupled weight decay of AdamW.")
    warmup: float = Field(
        default=0.1,
        ge=0.0,
        lt=1.0,
        description="Share of the steps in which the step size rises from 0.",
    )
    patience: int = Field(
        default=3,
        ge=1,
        description="Epochs without a better held-out skill before training stops.",
    )
    stop_by_task: bool = Field(
        default=False,
        description="Let every task rest once it no longer gains by itself. Seldom pays.",
    )
    temperature: float = Field(
        default=1.0,
        gt=0.0,
        description="Batches are drawn over datasets by min(n, cap) to the power 1/temperature: above 1, "
        "small ones more often.",
    )
    cap: int | None = Field(
        default=None,
        ge=1,
        description="Rows that a dataset counts as at most, when batches are drawn.",
    )
    weighting: str | dict[str, Any] | SearchSettings = Field(
        default="fixed",
        description="How task losses are combined: a method, `{method: NAME, …}` with its options, or a "
        "search.",
    )
    gramian: Literal["auto", "rows", "layers", "features"] = Field(
        default="auto",
        description="How the Gramian of the task gradients is had: from disjoint `rows`, exactly by "
        "`layers`, or at the `features`; `auto` is the cheaper of the exact ones.",
    )
    mixup: float = Field(
        default=1.0,
        ge=0.0,
        description="α of the Beta distribution that rows are mixed by, behind the encoders; 0 is off. Where every row "
        "is one task's and the weighting is on the Gramian, within a task.",
    )
    average: float = Field(
        default=0.97,
        ge=0.0,
        lt=1.0,
        description="Decay of the running average of the weights, which is what predicts; 0 is off.",
    )
    folds: int = Field(
        default=5,
        ge=2,
        description="Folds of the cross-fit: more cost more and give predictions from more rows.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="Threads of torch. Left out: what is fastest on this machine for this model.",
    )
    checkpoint_seconds: float = Field(
        default=60.0,
        ge=0.0,
        description="Seconds between checkpoints, from which an interrupted run goes on.",
    )

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

    rounds: int = Field(
        default=2,
        ge=0,
        description="Rounds of repair at most; 0 trains and audits nothing. A round without gain is the "
        "last.",
    )
    fixes: list[Fix] = Field(
        default=["relabel", "fill", "drop", "weight"],
        description="Kinds of edit that may be proposed.",
    )
    checks: bool = Field(
        default=True,
        description="Look for copies, leaks, shift, tails and outliers in every round.",
    )
    precision: float = Field(
        default=0.9,
        gt=0.0,
        le=1.0,
        description="Expected share of right edits among those applied: higher is more careful.",
    )
    max_changes: float | int | None = Field(
        default=None,
        description="Labels that may change over all rounds: a number, or a share of all labels up to 1.0. "
        "Left out: no limit.",
    )
    margin: float = Field(
        default=0.005,
        ge=0.0,
        description="Loss of held-out score that the gate still calls unchanged.",
    )
    across: bool = Field(
        default=False,
        description="Also fill labels of a task in datasets that do not name a column for it.",
    )
    max_seconds: float | None = Field(
        default=None,
        gt=0.0,
        description="Start no further round after this many seconds.",
    )

    @field_validator("max_changes")
    @classmethod
    def _budget(cls, value: float | int | None) -> float | int | None:
        if value is not None and value < 0:
            raise ValueError("max_changes is a number of labels, or a share of the labels between 0 and 1")
        return value

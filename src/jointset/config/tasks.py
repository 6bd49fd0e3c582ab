"""Settings of a task."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from jointset.config.base import Settings
from jointset.records import name_of


class LossSettings(Settings):
    """The loss of a task, by name, with its own options."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    name: str = Field(
        description="Name of the loss, of the table in the guide to balance. Further keys are its own "
        "options.",
    )

    def plain(self) -> dict[str, Any]:
        """Name and options."""
        return {"name": self.name, **(self.model_extra or {})}


class SamplingSettings(Settings):
    """How much more often rows of rare classes are drawn: over-sampled, or the others under-sampled."""

    mode: Literal["none", "over", "under"] = Field(
        default="none",
        description="Draw rows of rare classes more often (`over`), or those of common ones less often "
        "(`under`).",
    )
    power: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="Class k is drawn by (n_max / n_k) to this power: 0 as it is, 1 all classes alike.",
    )
    most: float = Field(default=10.0, ge=1.0, description="The largest such factor.")


class TaskSettings(Settings):
    """One task: its kind, and where its labels stand."""

    kind: Literal["binary", "multiclass", "multilabel", "regression"] = Field(
        description="What is predicted: one of two classes, one of several, any number of labels, or a "
        "number.",
    )
    labels: dict[str, str | list[str]] = Field(
        description="Dataset → label column; for `multilabel` also a list of 0/1 columns.",
    )
    map: dict[str, dict[Any, Any]] = Field(
        default={},
        description="Dataset → value → class, where datasets name classes differently. A value without an "
        "entry is missing.",
    )
    missing: list[Any] = Field(default=[], description='Values that mean "no label", beside empty cells.')
    classes: list[str] | None = Field(
        default=None,
        description="The classes, in order. Left out: those that occur, sorted.",
    )
    separator: str | None = Field(
        default=None,
        description="What separates the labels in one cell of a `multilabel` column, for example `;`.",
    )
    unit: str = Field(default="", description="Unit of a `regression`, for reports.")
    weight: float = Field(
        default=1.0,
        ge=0.0,
        description="ω of the total loss Σ ω L, for weightings that read it.",
    )
    loss: LossSettings | None = Field(
        default=None,
        description="Loss of the task; a word is short for `{name: WORD}`. Left out: cross-entropy, or the "
        "squared error.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="`balanced` weighs classes by their inverse frequency, as scikit-learn does.",
    )
    sampling: SamplingSettings = Field(
        default=SamplingSettings(),
        description="How rows are drawn; a word is short for `{mode: WORD}`.",
    )
    metric: str | None = Field(
        default=None,
        description="What the task is judged by. Left out: one that fits its kind and balance; `check` says "
        "which.",
    )
    depth: str | int | None = Field(
        default=None,
        description="Stage of an encoder that the task reads in the trunk's place: a name or a number from "
        "1.",
    )
    auxiliary: list[str | int] = Field(
        default=[],
        description="Stages that get a further head of the task, in training only.",
    )

    @field_validator("loss", mode="before")
    @classmethod
    def _name_of_a_loss(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("sampling", mode="before")
    @classmethod
    def _mode_of_sampling(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_balance(self) -> TaskSettings:
        if self.class_weights != "none" and self.loss is not None:
            raise ValueError(
                "class_weights and loss are both set; take one out (loss: class_balanced has weights of its own)"
            )
        return self

    def loss_options(self) -> dict[str, Any]:
        """Name and options of the loss; empty for the kind's default."""
        if self.class_weights == "balanced":
            return {"name": "class_balanced", "beta": 1.0}
        return self.loss.plain() if self.loss else {}

    def sampling_options(self) -> dict[str, Any]:
        """How rows are drawn; empty for evenly."""
        return self.sampling.model_dump() if self.sampling.mode != "none" else {}

    @field_validator("labels")
    @classmethod
    def _some_labels(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value:
            raise ValueError(
                "name at least one dataset and its label column, for example labels: {DATASET: COLUMN}"
            )
        return value

    @field_validator("missing", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        found = value if isinstance(value, list) else [value]
        return [None if isinstance(v, float) and v != v else v for v in found]

    @field_validator("auxiliary", mode="before")
    @classmethod
    def _one_stage(cls, value: Any) -> Any:
        return [value] if isinstance(value, (str, int)) else value

    @field_validator("map", mode="before")
    @classmethod
    def _keys_as_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            d: {name_of(k): v for k, v in m.items()} if isinstance(m, dict) else m for d, m in value.items()
        }

    @field_validator("classes", mode="before")
    @classmethod
    def _classes_as_names(cls, value: Any) -> Any:
        return [name_of(v) for v in value] if isinstance(value, list) else value

"""Settings of a task."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from jointset.config.base import Settings
from jointset.records import name_of


class LossSettings(Settings):
    """The loss of a task, by name, with its own options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str

    def plain(self) -> dict[str, Any]:
        """Name and options."""
        return {"name": self.name, **(self.model_extra or {})}


class SamplingSettings(Settings):
    """How much more often rows of rare classes are drawn: over-sampled, or the others under-sampled."""

    mode: Literal["none", "over", "under"] = "none"
    power: float = Field(default=0.5, ge=0.0, le=1.0)
    most: float = Field(default=10.0, ge=1.0)


class TaskSettings(Settings):
    """One task: its kind, and where its labels stand."""

    kind: Literal["binary", "multiclass", "multilabel", "regression"]
    labels: dict[str, str | list[str]]
    map: dict[str, dict[Any, Any]] = {}
    missing: list[Any] = []
    classes: list[str] | None = None
    separator: str | None = None
    unit: str = ""
    weight: float = Field(default=1.0, ge=0.0)
    loss: LossSettings | None = None
    class_weights: Literal["none", "balanced"] = "none"
    sampling: SamplingSettings = SamplingSettings()
    metric: str | None = None
    depth: str | int | None = None
    auxiliary: list[str | int] = []

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

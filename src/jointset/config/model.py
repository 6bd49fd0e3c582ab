"""Settings of the joint model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from jointset.config.base import Settings
from jointset.errors import nearest


class EncoderSettings(Settings):
    """The encoder of one modality, by name, with its own options."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    encoder: str = Field(
        default="default",
        description="Name of the encoder; `default` fits the modality. Further keys are the encoder's own "
        "options.",
    )

    def options(self) -> dict[str, Any]:
        """What is handed to the encoder's constructor."""
        return dict(self.model_extra or {})


class SharingSettings(Settings):
    """A way of sharing, by name, with its own options."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    method: str = Field(
        default="hard",
        description="Way of sharing, of the table in the guide to sharing. Further keys are its own options.",
    )

    def options(self) -> dict[str, Any]:
        """What is handed to the method's constructor."""
        return dict(self.model_extra or {})


class GroupSettings(Settings):
    """Tasks with a model of their own; others may be trained along to help them."""

    tasks: list[str] = Field(min_length=1, description="Tasks that the group's model predicts.")
    along: list[str] = Field(
        default=[],
        description="Tasks of other groups that this model is trained on as well, to learn from them.",
    )


class ModelSettings(Settings):
    """The joint model: an encoder per modality, a trunk, and how parameters are shared."""

    text: EncoderSettings = Field(
        default=EncoderSettings(),
        description="Encoder of texts: `bag`, `cnn` or `huggingface`.",
    )
    tabular: EncoderSettings = Field(default=EncoderSettings(), description="Encoder of tables: `mlp`.")
    image: EncoderSettings = Field(default=EncoderSettings(), description="Encoder of images: `resnet`.")
    audio: EncoderSettings = Field(
        default=EncoderSettings(),
        description="Encoder of sounds, on log-mel spectrograms.",
    )
    sharing: SharingSettings = Field(
        default=SharingSettings(),
        description="How tasks share parameters; a word is short for `{method: WORD}`.",
    )
    width: int = Field(default=128, ge=1, description="Width of the trunk and of every encoder's output.")
    depth: int | None = Field(
        default=None,
        ge=0,
        description="Layers of the trunk. Left out: 1; 2 for sharings that stack layers; 0 over a bag of "
        "n-grams alone.",
    )
    dropout: float = Field(
        default=0.1,
        ge=0.0,
        lt=1.0,
        description="Share of the trunk's units that are left out at each training step.",
    )
    modality_dropout: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Chance that an input of a row with several is left out, in training only.",
    )
    auxiliary_weight: float = Field(
        default=0.3,
        ge=0.0,
        description="Weight of the losses of `tasks.T.auxiliary` heads.",
    )
    joint_inference: Literal["none", "labels", "predictions"] = Field(
        default="none",
        description="Whether a task's prediction reads the row's other `labels`, or the `predictions` of "
        "the other tasks.",
    )
    groups: list[GroupSettings] = Field(
        default=[],
        description="Tasks with a model of their own each: lists of names, or `tasks` that a model predicts and others "
        "that it is trained `along` with. Left out: one model for all.",
    )

    @field_validator("sharing", mode="before")
    @classmethod
    def _method_alone(cls, value: Any) -> Any:
        return {"method": value} if isinstance(value, str) else value

    @field_validator("groups", mode="before")
    @classmethod
    def _names_alone(cls, value: Any) -> Any:
        listed = value if isinstance(value, list) else []
        return [{"tasks": g} if isinstance(g, list) else g for g in listed] if listed else value

    @field_validator("joint_inference", mode="before")
    @classmethod
    def _no_means_none(cls, value: Any) -> Any:
        return "none" if value is False else value  # YAML reads off, no and false alike

    def misfit(self, tasks: Collection[str]) -> str | None:
        """What is wrong with ``groups``, given the names of all tasks; None when nothing is."""
        served = [t for g in self.groups for t in g.tasks]
        for i, group in enumerate(self.groups):
            for key, names in (("tasks", group.tasks), ("along", group.along)):
                for name in names:
                    if name not in tasks:
                        return f"groups.{i}.{key}: no task is called {name!r}{nearest(name, tasks)}"
            if both := set(group.tasks) & set(group.along):
                return f"groups.{i}: {min(both)!r} is predicted by the group already; take it out of along"
        if not self.groups:
            return None
        for name in tasks:
            if served.count(name) != 1:
                found = "none" if name not in served else f"{served.count(name)} of them"
                return f"groups: every task is predicted by one group, {name!r} by {found}; list it in one"
        if self.joint_inference != "none":
            return (
                f"groups: joint_inference ({self.joint_inference}) reads across groups; take one of them out"
            )
        return None

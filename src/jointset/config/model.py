"""Settings of the joint model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from jointset.config.base import Settings
from jointset.errors import nearest


class EncoderSettings(Settings):
    """The encoder of one modality, by name, with its own options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    encoder: str = "default"

    def options(self) -> dict[str, Any]:
        """What is handed to the encoder's constructor."""
        return dict(self.model_extra or {})


class SharingSettings(Settings):
    """A way of sharing, by name, with its own options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    method: str = "hard"

    def options(self) -> dict[str, Any]:
        """What is handed to the method's constructor."""
        return dict(self.model_extra or {})


class GroupSettings(Settings):
    """Tasks with a model of their own; others may be trained along to help them."""

    tasks: list[str] = Field(min_length=1)
    along: list[str] = []


class ModelSettings(Settings):
    """The joint model: an encoder per modality, a trunk, and how parameters are shared."""

    text: EncoderSettings = EncoderSettings()
    tabular: EncoderSettings = EncoderSettings()
    image: EncoderSettings = EncoderSettings()
    audio: EncoderSettings = EncoderSettings()
    sharing: SharingSettings = SharingSettings()
    width: int = Field(default=128, ge=1)
    depth: int | None = Field(default=None, ge=0)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    modality_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    auxiliary_weight: float = Field(default=0.3, ge=0.0)
    joint_inference: Literal["none", "labels", "predictions"] = "none"
    groups: list[GroupSettings] = []

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

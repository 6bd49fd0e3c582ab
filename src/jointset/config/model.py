"""Settings of the joint model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from jointset.config.base import Settings


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

    @field_validator("sharing", mode="before")
    @classmethod
    def _method_alone(cls, value: Any) -> Any:
        return {"method": value} if isinstance(value, str) else value

    @field_validator("joint_inference", mode="before")
    @classmethod
    def _no_means_none(cls, value: Any) -> Any:
        return "none" if value is False else value  # YAML reads off, no and false alike

"""Settings of the joint model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from jointset.config.base import Settings


class EncoderSettings(Settings):
    """The encoder of one modality, by name, with its own options."""

    model_config = ConfigDict(frozen=True, extra="allow")

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

    model_config = ConfigDict(frozen=True, extra="allow")

    method: str = Field(
        default="hard",
        description="Way of sharing, of the table in the guide to sharing. Further keys are its own options.",
    )

    def options(self) -> dict[str, Any]:
        """What is handed to the method's constructor."""
        return dict(self.model_extra or {})


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

    @field_validator("sharing", mode="before")
    @classmethod
    def _method_alone(cls, value: Any) -> Any:
        return {"method": value} if isinstance(value, str) else value

    @field_validator("joint_inference", mode="before")
    @classmethod
    def _no_means_none(cls, value: Any) -> Any:
        return "none" if value is False else value  # YAML reads off, no and false alike

"""Settings of a dataset."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from jointset.config.base import Settings


class SplitSettings(Settings):
    """Where a row belongs: a given column, or shares to be drawn."""

    column: str | None = None
    holdout: float = Field(default=0.15, ge=0.0, lt=1.0)
    test: float = Field(default=0.0, ge=0.0, lt=1.0)


class DatasetSettings(Settings):
    """One dataset: a file or folder, and what its columns are."""

    path: str | None = None
    inputs: dict[Literal["tabular", "text", "image", "audio"], str | list[str]]
    id: str | None = None
    group: str | None = None
    split: SplitSettings = SplitSettings()
    trusted: str | None = None

    @field_validator("inputs")
    @classmethod
    def _some_input(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value:
            raise ValueError("at least one input is needed, for example inputs: {text: COLUMN}")
        return value

    @field_validator("split", mode="before")
    @classmethod
    def _split_column(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    def columns(self, modality: str) -> list[str]:
        """The input columns of a modality."""
        value = self.inputs.get(modality, [])  # type: ignore[call-overload]
        return [value] if isinstance(value, str) else list(value)

"""Settings of a dataset."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from jointset.config.base import Settings


class SplitSettings(Settings):
    """Where a row belongs: a given column, or shares to be drawn."""

    column: str | None = Field(
        default=None,
        description="Column that says train, holdout (or valid) or test; a part that it lacks is drawn.",
    )
    holdout: float = Field(
        default=0.15,
        ge=0.0,
        lt=1.0,
        description="Share of rows held out for the gate. Their labels are never edited and never trained "
        "on.",
    )
    test: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Share of rows kept for the final score. Nothing but that score reads their labels.",
    )


class DatasetSettings(Settings):
    """One dataset: a file or folder, and what its columns are."""

    path: str | None = Field(
        default=None,
        description="File or folder, relative to the configuration. In Python, left out where an object is "
        "given.",
    )
    inputs: dict[Literal["tabular", "text", "image", "audio"], str | list[str]] = Field(
        description='Modality → column or columns that a model may read; `tabular: "*"` takes all that play '
        "no other part.",
    )
    id: str | None = Field(
        default=None,
        description="Column of row ids, unique in the dataset. Without it, ids are made from the row's "
        "content.",
    )
    group: str | None = Field(
        default=None,
        description="Column whose equal values (patient, author, video) stay on one side of every split and "
        "fold.",
    )
    split: SplitSettings = Field(
        default=SplitSettings(),
        description="How rows are divided; a word is short for `{column: WORD}`.",
    )
    trusted: str | None = Field(
        default=None,
        description="Column that marks rows whose labels people have checked: never edited, preferred by "
        "the gate.",
    )

    site: str | None = Field(
        default=None,
        description="Column of the row's origin (hospital, scanner, source), which is no input: shift is looked for "
        "between its values.",
    )
    time: str | None = Field(
        default=None,
        description="Column of the row's time (a date, or a number), which is no input: drift is looked for along it.",
    )

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

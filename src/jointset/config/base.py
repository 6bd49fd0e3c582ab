"""What all settings are."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, model_validator


class Settings(BaseModel):
    """Base of all settings: frozen, strict about keys, and finite: no number is NaN or without bound."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False, allow_inf_nan=False)

    @model_validator(mode="after")
    def _finite_options(self) -> Settings:
        for option, value in (self.model_extra or {}).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{option}: expected a number, found {value}")
        return self

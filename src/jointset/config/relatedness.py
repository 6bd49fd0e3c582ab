"""Settings of what tasks are to each other."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from jointset.config.base import Settings
from jointset.config.switch import spelled_out


class RelatednessSettings(Settings):
    """Whether joint training is compared with training every task alone, and what becomes of tasks that it hurts."""

    mode: Literal["off", "verdict", "auto"] = Field(
        default="auto",
        description="`verdict` trains every task alone as well and tells what joint training is to it; `auto` gives "
        "tasks that it hurts a model of their own, looks for labels without signal and for copies beforehand, and acts "
        "on what it finds.",
    )
    budget: float = Field(
        default=2.0,
        gt=0.0,
        description="Most that training tasks alone may cost, in joint trainings counted by rows; tasks whose "
        "labels say most for it, which others help least, come first.",
    )
    margin: float = Field(
        default=0.01,
        ge=0.0,
        description="Loss, in units of the task's metric, from which a task may count as hurt.",
    )

    @field_validator("mode", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        return value if value is True else spelled_out(value)  # there is no "on"


def read(value: Any) -> Any:
    """The section, which may be its mode alone; YAML reads off, no and false alike.

    >>> read("auto"), read(False)
    ({'mode': 'auto'}, {'mode': 'off'})
    """
    if isinstance(value, bool):
        return {"mode": "auto" if value else "off"}
    return {"mode": value} if isinstance(value, str) else value

"""Names that a user gives, held against those of a configuration."""

from __future__ import annotations

from jointset.config.whole import Config
from jointset.errors import DataError, nearest
from jointset.records import ACTIONS


def known(config: Config, *, task: str | None, dataset: str | None, action: str | None) -> None:
    """Raise when a selector names what the run does not have; nothing would match, and nobody would know why."""
    named = (
        ("task", task, config.tasks),
        ("dataset", dataset, config.datasets),
        ("action", action, ACTIONS),
    )
    for what, value, names in named:
        if value is not None and value not in names:
            raise DataError(
                f"the run has no {what} {value!r}{nearest(value, names)}; one of {', '.join(names)}"
            )

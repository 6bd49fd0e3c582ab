"""A row that is added to a dataset, as a recipe: source row, operations, seed; it is made where it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from jointset.errors import DataError
from jointset.operations import OPERATIONS, unknown


@dataclass(frozen=True)
class Recipe:
    """How a row is derived.

    ``operations`` maps full names to signed strengths; ``partner`` is the row id of a second source and ``share`` the
    part of the first in the mixture (SMOTE, MixUp); ``tasks`` are those whose labels the derived row carries, with
    ``labels`` that differ from the source's, by name.

    >>> recipe = Recipe("digits", "a1", {"image.rotate": -12.5}, seed=7, tasks=("digit",))
    >>> recipe.text()
    '{"operations": {"image.rotate": -12.5}, "seed": 7, "tasks": ["digit"]}'
    >>> Recipe.read("digits", "a1", recipe.text()) == recipe
    True
    """

    dataset: str
    row: str
    operations: Mapping[str, float]
    seed: int
    tasks: tuple[str, ...] = ()
    partner: str = ""
    share: float = 1.0
    labels: Mapping[str, str] | None = None

    def text(self) -> str:
        """The recipe as JSON; the address stands beside it."""
        facts = {k: v for k, v in asdict(self).items() if k not in ("dataset", "row")}
        facts = {k: v for k, v in facts.items() if v not in ("", None) and (k != "share" or v != 1.0)}
        return json.dumps({**facts, "tasks": list(self.tasks)}, sort_keys=True)

    def told(self) -> str:
        """What is done, for people.

        >>> Recipe("digits", "a1", {"image.rotate": -12.5}, seed=7).told()
        'image.rotate -12.5 degrees'
        >>> Recipe("adult", "a1", {"tabular.mixup": 0.4}, seed=7, partner="a2", share=0.7).told()
        'tabular.mixup 0.4 alpha of the Beta distribution of shares; 0.7 of it, the rest of row a2'
        """
        done = ", ".join(f"{o} {s:g} {OPERATIONS[o].unit}" for o, s in self.operations.items())
        mixed = f"{self.share:g} of it, the rest of row {self.partner}" if self.partner else ""
        return "; ".join(part for part in (done, mixed) if part)

    @classmethod
    def read(cls, dataset: str, row: str, text: str) -> Recipe:
        """The recipe of an edit; raises :class:`~jointset.errors.DataError` when the text is none."""
        try:
            facts = json.loads(text)
            operations, seed = {str(o): float(s) for o, s in facts["operations"].items()}, int(facts["seed"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError(
                f"dataset {dataset!r}, row {row!r}: {text[:60]!r} is no recipe of an added row"
            ) from None
        for operation in operations:
            if wrong := unknown(operation):
                raise DataError(f"dataset {dataset!r}, row {row!r}: {wrong}")
        tasks, labels = tuple(facts.get("tasks", ())), facts.get("labels")
        partner, share = facts.get("partner", ""), float(facts.get("share", 1.0))
        return cls(dataset, row, operations, seed, tasks, partner, share, labels)

"""What is asked for: one way of parting, its strength, and what must hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jointset.data.sites import METHODS
from jointset.errors import DataError, nearest

NEEDS_LABEL = ("dirichlet", "mixture", "shards", "classes")
STRENGTH = {  # what the number of a method is called
    "dirichlet": "alpha",
    "mixture": "alpha",
    "quantity": "alpha",
    "lognormal": "sigma",
    "shards": "each",
    "classes": "each",
    "noise": "sigma",
}


@dataclass(frozen=True)
class Plan:
    """One way of parting a dataset.

    ``method`` is one of :data:`jointset.data.sites.METHODS`; ``strength`` its α, σ or number of classes; ``label``
    the column whose classes are skewed; ``by`` the column of the natural sites; ``columns`` those that are clustered
    (none: all inputs). A site has ``least`` rows or more. Rows of one ``group`` and copies stay together where
    ``together`` is set.

    >>> Plan("dirichlet", sites=8, strength=0.3, label="income").options()
    {'sites': 8, 'alpha': 0.3, 'label': 'income', 'least': 1, 'seed': 0}
    """

    method: str
    sites: int = 0
    strength: float | None = None
    label: str | None = None
    by: str | None = None
    columns: tuple[str, ...] = ()
    least: int = 1
    group: str | None = None
    together: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DataError(
                f"no way of parting {self.method!r}{nearest(self.method, METHODS)}; one of {', '.join(METHODS)}"
            )
        if self.method in NEEDS_LABEL and self.label is None:
            raise DataError(f"{self.method} skews labels; name the column with label, for example --label y")
        if self.seed < 0:
            raise DataError(f"seed is {self.seed}; it must be 0 or above")
        if self.least < 1:
            raise DataError(f"the smallest size of a site is {self.least}; it must be 1 at least")
        if self.method != "by" and self.sites < 2:
            raise DataError(
                f"sites is {self.sites}; say how many there shall be, 2 at least, for example --sites 8"
            )

    def options(self) -> dict[str, Any]:
        """What was asked for, without what does not apply."""
        told: dict[str, Any] = {"sites": self.sites} if self.method != "by" else {"by": self.by}
        if self.strength is not None:
            told[STRENGTH[self.method]] = self.strength
        if self.method in NEEDS_LABEL:
            told["label"] = self.label
        if self.columns:
            told["columns"] = list(self.columns)
        if self.group is not None:
            told["group"] = self.group
        if self.together:
            told["together"] = True
        return {**told, "least": self.least, "seed": self.seed}


def check_columns(table: pa.Table, file: str, asked: Sequence[tuple[str, str | None]]) -> None:
    """Raise for the first (role, column) that the table lacks."""
    for role, column in asked:
        if column is not None and column not in table.column_names:
            shown = ", ".join(map(repr, table.column_names[:20]))
            more = ", …" if table.num_columns > 20 else ""
            raise DataError(
                f"{file}: no {role} column {column!r}{nearest(column, table.column_names)}; columns: {shown}{more}"
            )

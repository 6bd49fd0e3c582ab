"""Natural sites: the values of a column."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.data.sites.base import keep_together
from jointset.errors import DataError
from jointset.records import Ints

SHOWN = 5


def column(codes: ArrayLike, *, names: list[str], least: int = 1, component: Ints | None = None) -> Ints:
    """Check that the values of a column, ``codes`` ``(n,)`` into ``names``, can be sites; returns every row's site.

    A ``component`` ``(n,)`` (copies of a row) goes where most of its rows are. Raises ``DataError`` for missing
    values (code -1), a single value, and sites with fewer than ``least`` rows.

    >>> column(np.array([0, 1, 1]), names=["north", "south"]).tolist()
    [0, 1, 1]
    """
    given = np.asarray(codes, np.int64)
    if not names:
        raise DataError("the column is empty in every row; name another")
    if (given < 0).any():
        row = int(np.flatnonzero(given < 0)[0])
        raise DataError(
            f"{int((given < 0).sum()):,} of {len(given):,} rows have no site (first in row {row}); "
            "fill or remove them first"
        )
    if len(names) == 1:
        raise DataError(f"the column has one value, {names[0]!r}; sites need two at least")
    site = keep_together(given, component)
    sizes = np.bincount(site, minlength=len(names))
    small = [names[i] for i in np.argsort(sizes, kind="stable") if sizes[i] < least]
    if small:
        few = ", ".join(f"{s!r} ({sizes[names.index(s)]:,})" for s in small[:SHOWN])
        more = f" and {len(small) - SHOWN:,} more" if len(small) > SHOWN else ""
        raise DataError(
            f"{len(small):,} of {len(names):,} sites have fewer than {least:,} rows: {few}{more}; "
            "join or remove them, or ask for a smaller least size"
        )
    return site

"""What all ways to part one dataset into sites share: what they ask for, placing rows, keeping rows together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.data.partition import partition
from jointset.errors import ArrayError, DataError
from jointset.records import Floats, Ints

DRAWS = 1000  # of shares, until every site is large enough
PLACINGS = 20  # of whole components, which may leave a site short though its share is large enough


def positive(name: str, value: float) -> float:
    """The value, when it is a number above 0; raises ``ArrayError`` otherwise.

    >>> positive("alpha", 0.5)
    0.5
    """
    if not (np.isfinite(value) and value > 0):
        raise ArrayError(f"{name} is {value:g}; it must be above 0, for example 0.5")
    return float(value)


def check_sites(n: int, sites: int, least: int = 1, component: Ints | None = None) -> None:
    """Raise ``DataError`` where ``n`` rows cannot fill ``sites`` sites with ``least`` rows each."""
    if sites < 2:
        raise DataError(f"sites is {sites}; there must be 2 at least")
    if least < 1:
        raise DataError(f"the smallest size of a site is {least}; it must be 1 at least")
    units = n if component is None else len(np.unique(component))
    if sites > units:
        kept = "" if units == n else f" ({units:,} groups of rows that stay together)"
        raise DataError(f"{sites:,} sites, and only {n:,} rows{kept}; ask for fewer sites")
    if sites * least > n:
        raise DataError(
            f"{sites:,} sites of at least {least:,} rows need {sites * least:,} rows, found {n:,}; "
            f"ask for at most {n // least:,} sites, or for at least {n // sites:,} rows"
        )


def as_labels(label: ArrayLike) -> Ints:
    """Class codes ``(n,)`` from 0, with -1 = unknown as one more code at the end."""
    codes = np.asarray(label)
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise ArrayError(f"labels must be whole class codes (n,), found {codes.dtype} of shape {codes.shape}")
    codes = codes.astype(np.int64)
    if not (codes >= 0).any():
        raise DataError("no row has a label; a skew of labels needs some")
    return np.where(codes < 0, codes.max() + 1, codes)


def n_classes(label: ArrayLike) -> int:
    """Classes among codes ``(n,)`` where -1 is unknown."""
    return int(np.asarray(label).max(initial=-1)) + 1


def with_unknown(targets: Floats, unknown: int) -> Floats:
    """Rows wanted per class and site ``(K, P)``, with a row for the unlabelled ones, spread as the labelled are."""
    if not unknown:
        return targets
    share = targets.sum(0) / max(targets.sum(), 1e-12)
    return np.vstack([targets, unknown * share])


def place(
    stratum: Ints,
    draw: Callable[[np.random.Generator], Floats],
    *,
    least: int = 1,
    component: Ints | None = None,
    seed: int = 0,
    hint: str = "",
) -> Ints:
    """The site of every row, ``(n,)``.

    ``draw`` returns the rows wanted per stratum and site ``(S, P)``; it is drawn again until every site has ``least``
    rows (Yurochkin et al. 2019, as their code does it). Rows of one ``component`` ``(n,)`` share a site. Raises
    ``DataError`` where no draw is large enough; ``hint`` says what would help.

    >>> place(np.zeros(6, np.int64), lambda rng: np.full((1, 3), 2.0)).tolist()
    [1, 1, 0, 0, 2, 2]
    """
    rng = np.random.default_rng(seed)
    n = len(stratum)
    units = np.arange(n) if component is None else np.unique(component, return_inverse=True)[1]
    best, placings = -1, 0
    for _ in range(DRAWS):
        targets = draw(rng)
        if targets.sum(0).min() < least - 0.5:  # rounding gives at most half a row
            best = max(best, int(targets.sum(0).min()))
            continue
        site = partition(units, stratum.astype(np.int64), np.asarray(targets, np.float64), rng)
        smallest = int(np.bincount(site, minlength=targets.shape[1]).min())
        if smallest >= least:
            return site
        best, placings = max(best, smallest), placings + 1
        if placings == PLACINGS:
            break
    kept = " with the rows that stay together" if component is not None else ""
    empty = "a site is left empty" if best <= 0 else f"the smallest site has {best:,} rows at best"
    raise DataError(
        f"{empty}{kept}, and {least:,} are asked for; ask for fewer sites or a smaller least size{hint}"
    )


def keep_together(site: Ints, component: Ints | None) -> Ints:
    """Sites ``(n,)`` with every component moved to the one that holds most of its rows (of equals, the first).

    >>> keep_together(np.array([0, 1, 1, 2]), np.array([0, 0, 0, 1])).tolist()
    [1, 1, 1, 2]
    """
    if component is None:
        return site
    units = np.unique(component, return_inverse=True)[1]
    counts: NDArray[np.int64] = np.zeros((int(units.max()) + 1, int(site.max()) + 1), np.int64)
    np.add.at(counts, (units, site), 1)
    return np.asarray(counts.argmax(1)[units], np.int64)

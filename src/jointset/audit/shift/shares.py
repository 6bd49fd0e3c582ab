"""Label shift between sides that are both labelled: the given labels themselves are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.findings import Checked, Findings, ended
from jointset.audit.shift.columns import holm, same_numbers, same_shares
from jointset.errors import ArrayError

FEWEST = 20  # labelled rows that either side needs
NAMED = 5


@dataclass(frozen=True, repr=False)
class ShareShift(Checked):
    """``p_value`` of every pair, corrected (Holm 1979), and ``effect`` in [0, 1]: the total variation of the class
    shares, for numbers the largest difference of the distribution functions."""

    p_value: dict[str, float]
    effect: dict[str, float]


def share_shift(
    pairs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    level: float = 0.01,
    least: float = 0.1,
    names: list[str] | None = None,
) -> ShareShift:
    """Test whether the given labels of the two sides of every pair are draws of one distribution.

    ``pairs`` maps a name to the labels ``(n,)`` and ``(m,)`` of its sides: class codes with -1 where missing,
    tested by χ², exactly where counts are small (:func:`same_shares`), or numbers with NaN where missing, by
    Kolmogorov and Smirnov. p-values are corrected for the number of pairs; ``least`` is the smallest effect that is
    reported, as with many rows every difference is sure. Pairs with fewer than 20 labels on a side are left out.
    ``names`` are those of the classes. Code ``label_shift`` by pair, score 1 − effect. Raises ``ArrayError``.

    >>> half, tenth = np.repeat([0, 1], 50), np.repeat([0, 1], [90, 10])
    >>> share_shift({"a × b": (half, tenth), "a × a": (half, half)}).findings.subject.tolist()
    ['a × b']
    """
    tested = {}
    for name, (first, second) in pairs.items():
        a, b = (_known(name, np.asarray(side)) for side in (first, second))
        if (a.dtype.kind == "f") != (b.dtype.kind == "f"):
            raise ArrayError(
                f"{name}: one side holds class codes ({a.dtype}, {b.dtype}), the other numbers; give both as one"
            )
        if names is not None and a.dtype.kind != "f":
            most = int(max(a.max(initial=-1), b.max(initial=-1)))
            if most >= len(names):
                raise ArrayError(f"{name}: class {most} has no name among {len(names)} names")
        if min(len(a), len(b)) >= FEWEST:
            tested[name] = a, b, *(same_numbers if a.dtype.kind == "f" else same_shares)(a, b)
    if not tested:
        reason = f"no two sides have {FEWEST} labels each"
        return ShareShift("not applicable", reason, Findings.empty(), {"pairs": 0}, {}, {})
    p_value = holm({n: p for n, (_, _, p, _) in tested.items()})
    effect = {n: e for n, (_, _, _, e) in tested.items()}
    guilty = sorted(
        (n for n in tested if p_value[n] < level and effect[n] >= least), key=lambda n: -effect[n]
    )
    evidence = [
        {"p_value": p_value[n], "effect": effect[n], "moved": _moved(*tested[n][:2], names)} for n in guilty
    ]
    found = Findings.of(
        "label_shift", subjects=guilty, scores=[1 - effect[n] for n in guilty], evidence=evidence
    )
    told = "; ".join(f"{n}: {e['moved']}" for n, e in zip(guilty[:NAMED], evidence, strict=False))
    outcome, reason = ended(
        found,
        f"labels differ in {len(guilty)} of {len(tested)} pairs: {told}",
        f"labels differ in none of {len(tested)} pairs",
    )
    facts = {"pairs": len(tested), "shifted": dict(zip(guilty, evidence, strict=True))}
    return ShareShift(outcome, reason, found, facts, p_value, effect)


def _known(name: str, labels: NDArray[Any]) -> NDArray[Any]:
    if labels.ndim != 1 or labels.dtype.kind not in "iuf":
        raise ArrayError(
            f"{name}: labels must be class codes or numbers (n,), found {labels.dtype} {labels.shape}"
        )
    return labels[~np.isnan(labels)] if labels.dtype.kind == "f" else labels[labels >= 0]


def _moved(a: NDArray[Any], b: NDArray[Any], names: list[str] | None) -> str:
    """The class whose share differs most, or the medians of numbers."""
    if a.dtype.kind == "f":
        return f"median {np.median(a):.4g} → {np.median(b):.4g}"
    k = int(max(a.max(), b.max())) + 1
    first, second = (np.bincount(side, minlength=k) / len(side) for side in (a, b))
    most = int(np.argmax(np.abs(first - second)))
    return f"{names[most] if names else most} {first[most]:.1%} → {second[most]:.1%}"

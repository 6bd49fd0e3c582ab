"""How often edits are right, as people found, against what was promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.records import Bools, Floats, Ints
from jointset.report.edit_table import EditTable

EDGES = np.array([0.6, 0.8, 0.9, 0.95, 0.99])
LEVEL = 0.9


@dataclass(frozen=True)
class Observed:
    """Edits of one kind: how many people judged, how many were right, and the share among all edits of the kind.

    ``share`` is weighted by confidence, so that it holds for all edits of the kind and not only for those that were
    looked at, which tend to be the doubtful ones; ``low`` and ``high`` are its 90 % interval; ``promised`` is the mean
    confidence of all edits of the kind.
    """

    judged: int
    right: int
    share: float
    low: float
    high: float
    promised: float

    def told(self) -> str:
        """In words."""
        return f"{self.share:.2f} ({self.low:.2f} … {self.high:.2f}), {self.right} of {self.judged} right"


def observed(edits: EditTable, decisions: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Observed]:
    """Per (task, action), from the decisions that stand.

    The share is post-stratified over bins of confidence; a bin without a judgement is taken as its neighbour. The
    interval is that of a share of ``judged`` independent draws (Wilson 1927), moved to the weighted share.
    """
    judged: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for d in decisions:
        if (was_right := is_right(d)) is not None:
            judged.setdefault((d["task"], d["edit_action"]), []).append((d["edit_confidence"], was_right))
    found = {}
    for (task, action), pairs in judged.items():
        confidence, right = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
        own = edits.numbers["confidence"][edits.is_("task", task) & edits.is_("action", action)]
        found[task, action] = of_kind(confidence, right, own)
    return found


def of_kind(confidence: Floats, right: Bools, own: Floats) -> Observed:
    """What judgements of one kind of edit say of all of the kind.

    ``confidence`` and ``right`` ``(n,)`` are those of the judged edits, ``own`` the confidence of all of the kind.
    """
    share = _stratified(confidence, right, own)
    low, high = wilson(share * len(right), len(right))
    promised = float(own.mean()) if len(own) else float("nan")
    return Observed(len(right), int(right.sum()), share, low, high, promised)


def is_right(decision: Mapping[str, Any]) -> bool | None:
    """Whether a decision says that the edit it was about is right; None where it says nothing of it.

    A drop and a weight claim no more than that the given label is wrong, and a derived row claims nothing.
    """
    action, verb = decision["edit_action"], decision["verb"]
    if action in (None, "add") or verb == "exclude":
        return None
    if verb in ("accept", "keep"):
        return bool(verb == "accept")
    if action in ("drop", "weight"):
        return bool(verb == "none" or decision["value"] != decision["edit_old"])
    return bool(verb == "label" and decision["value"] == decision["edit_new"])


def wilson(right: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927).

    >>> tuple(round(v, 4) for v in wilson(8, 10, 0.95))
    (0.4902, 0.9433)
    """
    from statistics import NormalDist

    if not n:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, spread = right / n, z / (1 + z * z / n)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = spread * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return max(0.0, middle - half), min(1.0, middle + half)


def _stratified(confidence: np.ndarray, right: np.ndarray, all_of_kind: np.ndarray) -> float:
    at = np.searchsorted(EDGES, confidence)
    known: Ints = np.unique(at)
    shares = np.array([right[at == b].mean() for b in known])
    if not len(all_of_kind):
        return float(right.mean())
    bins = np.searchsorted(EDGES, all_of_kind)
    nearest = np.abs(bins[:, None] - known[None, :]).argmin(axis=1)
    return float(shares[nearest].mean())

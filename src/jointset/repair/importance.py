"""Importance: let training rows count as much as rows like them are met where it matters."""

from __future__ import annotations

from jointset.records import Edits, Issues
from jointset.repair.base import weigh


def weigh_for_shift(issues: Issues, *, precision: float, round: int) -> Edits:
    """Propose the weights of ``shifted_row`` issues, p_heldout(x) / p_train(x) (see ``audit.importance_weights``).

    A weight changes no label, so ``precision`` does not bound it; the gate decides.
    """
    return weigh(issues, "shifted_row", round=round)

"""Contradictions: two given labels of one row that cannot both be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from jointset.audit.base import choose
from jointset.audit.joint import Edge
from jointset.audit.nodes import Fitted, Node
from jointset.records import Columns, Floats, Ints


@dataclass(frozen=True)
class Contradictions(Columns):
    """Pairs of given labels that exclude each other, most certain first.

    ``wrong`` and ``other`` index the variables of the joint label model (see ``AuditResult.names``): the
    label more likely to be wrong, and the one it clashes with. ``p_both`` is P(both given labels are right),
    ``p_wrong`` P(the first is wrong); ``lift`` is how often the two labels meet over what chance would give.
    """

    row: Ints = field(metadata={"dtype": np.int64})
    wrong: Ints = field(metadata={"dtype": np.int64})
    other: Ints = field(metadata={"dtype": np.int64})
    p_both: Floats = field(metadata={"dtype": np.float64})
    p_wrong: Floats = field(metadata={"dtype": np.float64})
    lift: Floats = field(metadata={"dtype": np.float64})


def find_contradictions(nodes: Sequence[Node], fitted: Fitted, precision: float | None) -> Contradictions:
    """Pairs on related tasks whose two labels are jointly improbable, as many as the precision allows.

    A pair counts when its labels meet less often than by chance and knowing of the relation at least halves
    the probability that both are right; a label that is simply wrong is a label error, not a contradiction.
    """
    parts = [_pair(nodes, fitted, edge) for edge in fitted.forest.related]
    found = Contradictions.concat([p for p in parts if len(p)])
    if not len(found):
        return found
    flagged, _ = choose(1 - found.p_both, found.p_both, found.p_both < 0.5, precision)
    found = found.take(flagged)
    return found.take(np.argsort(found.p_both, kind="stable"))


def _pair(nodes: Sequence[Node], fitted: Fitted, edge: Edge) -> Contradictions:
    a, b = nodes[edge.a], nodes[edge.b]
    rows = np.flatnonzero((a.given >= 0) & (b.given >= 0))
    lift = edge.lift[a.given[rows], b.given[rows]]
    rows, lift = rows[lift < 1], lift[lift < 1]
    here = np.arange(len(rows))
    qa, qb = fitted.fits[edge.a].alone[rows], fitted.fits[edge.b].alone[rows]
    ga, gb = a.given[rows], b.given[rows]
    chance = qa[here, ga] * qb[here, gb]
    through = (qb @ edge.lift.T) * qa
    total = np.maximum(through.sum(axis=1), 1e-300)
    p_both = np.clip(lift * chance / total, 0, 1)
    wrong_a = 1 - fitted.fits[edge.a].posterior[rows, ga]
    wrong_b = 1 - fitted.fits[edge.b].posterior[rows, gb]
    first = wrong_a >= wrong_b
    found = Contradictions(
        rows,
        np.where(first, edge.a, edge.b),
        np.where(first, edge.b, edge.a),
        p_both,
        np.maximum(wrong_a, wrong_b),
        lift,
    )
    return found.take(p_both < 0.5 * chance)

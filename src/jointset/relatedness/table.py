"""The table of measures before training, and what they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jointset.errors import ArrayError, nearest
from jointset.records import Floats
from jointset.relatedness.affinity import Affinity
from jointset.relatedness.association import association
from jointset.relatedness.columns import checked
from jointset.relatedness.fisher import fisher
from jointset.relatedness.h_score import h_score
from jointset.relatedness.information import information
from jointset.relatedness.leep import leep
from jointset.relatedness.logme import logme
from jointset.relatedness.mmd import mmd
from jointset.relatedness.ngrams import ngrams
from jointset.relatedness.probes import nulls, probed
from jointset.relatedness.proxy_a import proxy_a
from jointset.relatedness.term_probes import Outputs, probed_terms


@dataclass(frozen=True)
class Measure:
    """A measure ``function(labels, *reads, seed=…)``, and which parts of the material it reads beside the labels."""

    function: Callable[..., Affinity]
    reads: tuple[str, ...] = ()


MEASURES: dict[str, Measure] = {
    "association": Measure(association),
    "information": Measure(information),
    "leep": Measure(leep, ("outputs", "nulls")),
    "logme": Measure(logme, ("outputs", "nulls")),
    "h_score": Measure(h_score, ("outputs", "nulls")),
    "fisher": Measure(fisher, ("features",)),
    "proxy_a": Measure(proxy_a, ("features",)),
    "mmd": Measure(mmd, ("features",)),
    "ngrams": Measure(ngrams, ("texts",)),
}


TELLING = tuple(n for n, m in MEASURES.items() if not m.reads or "outputs" in m.reads)
"""Measures of what a source says of the target's labels; the others compare inputs, or which inputs matter."""


@dataclass(frozen=True, eq=False)
class Material:
    """What the measures read: labels of every task, features ``(n, d)`` of one small encoder, texts ``(n,)``.

    ``terms`` ``(n, v)``, sparse, are what the probes read in the place of the features, where rows are nothing but
    text. ``groups`` ``(n,)`` numbers rows that must not be learnt from when another of them is predicted. ``outputs``
    are those of linear probes, made when a measure first asks for them.
    """

    labels: Mapping[str, Any]
    features: Floats | None = None
    texts: Sequence[Any] | None = None
    groups: Any = None
    seed: int = 0
    terms: Any = None

    @cached_property
    def _of_terms(self) -> tuple[Outputs, list[Outputs]]:
        return probed_terms(self.labels, self.terms, groups=self.groups, seed=self.seed)

    @cached_property
    def outputs(self) -> dict[str, Floats] | None:
        """What a linear probe of every task says of every row."""
        if self.terms is not None:
            return self._of_terms[0]
        if self.features is None:
            return None
        return probed(self.labels, self.features, groups=self.groups, seed=self.seed)

    @cached_property
    def nulls(self) -> list[dict[str, Floats]] | None:
        """The same of labels that are permuted."""
        if self.terms is not None:
            return self._of_terms[1]
        if self.features is None:
            return None
        return nulls(self.labels, self.features, groups=self.groups, seed=self.seed)

    def has(self, measure: str) -> bool:
        """Whether there is what the measure reads."""
        probed = self.features is not None or self.terms is not None
        return all(
            probed if r in ("outputs", "nulls") else getattr(self, r) is not None
            for r in lookup(measure).reads
        )


def lookup(measure: str) -> Measure:
    """The measure of this name; an unknown one raises ArrayError with a suggestion."""
    if measure not in MEASURES:
        raise ArrayError(
            f"no measure of relatedness is called {measure!r}{nearest(measure, MEASURES)}; "
            f"known: {', '.join(MEASURES)}"
        )
    return MEASURES[measure]


def affinity(measure: str, material: Material) -> Affinity:
    """One measure of :data:`MEASURES` over the material; raises ArrayError where it lacks what the measure reads.

    >>> import numpy as np
    >>> y = np.tile([0, 1], 20)
    >>> affinity("association", Material({"a": y, "b": 1 - y}))["a", "b"]
    1.0
    """
    found = lookup(measure)
    if not material.has(measure):
        raise ArrayError(f"measure {measure}: it reads {' and '.join(found.reads)}, and there are none")
    labels = checked(material.labels)
    return found.function(labels, *(getattr(material, r) for r in found.reads), seed=material.seed)

"""Spans that BIO or BIOES tags make: which sequences are valid, the most probable one, and what differs.

The most probable *valid* tag sequence (Viterbi 1967) under the scheme's constraints on neighbouring tags (Ratinov
and Roth 2009) is what a sentence's tokens suggest together. Given and suggested spans are compared in the
categories of MUC-5 (Chinchor and Sundheim 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.audit.base import choose
from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints, Strings

SCHEMES = {
    "BIO": ("BI", "BI", "I"),
    "BIOES": ("BIES", "BI", "IE"),
}  # prefixes, which stay open, which continue
IMPOSSIBLE = -1e9  # of a forbidden step: finite, so that a set of tags without any valid path still gets one
STEP_SIZE = 1 << 22  # entries of one Viterbi step


@dataclass(frozen=True)
class SpanErrors:
    """Spans that were given and suggested differently, one row each; all arrays ``(m,)``.

    ``kind`` is missing (no span was given), spurious (none is suggested), type, boundary, or both. ``sentence`` is
    its number; ``start`` and ``end`` (exclusive) are token positions in it, -1 for a missing span, and
    ``suggested_start``, ``suggested_end`` likewise, -1 for a spurious one; types are '' where there is no span.
    ``quality`` is the lowest P(given tag) of the tokens of both, in [0, 1], 0 = surely wrong; ``confidence`` the
    lowest P(suggested tag); ``is_error`` marks as many, worst first, as the expected precision allows.
    """

    kind: Strings
    sentence: Ints
    start: Ints
    end: Ints
    type: Strings
    suggested_start: Ints
    suggested_end: Ints
    suggested_type: Strings
    quality: Floats
    confidence: Floats
    is_error: Bools

    def __len__(self) -> int:
        return len(self.kind)

    def ranked(self, n: int | None = None) -> Ints:
        """Row numbers, worst first."""
        return np.argsort(self.quality, kind="stable")[:n]


@dataclass(frozen=True)
class Grammar:
    """Which tags may stand where: ``step`` ``(K, K)`` from a tag to the next, ``first`` and ``last`` ``(K,)``.

    ``opens`` and ``continues`` ``(K,)`` are tags after which a span may go on and tags that go on with one;
    ``type`` ``(K,)`` is the code of a tag's type in ``types``, -1 for O.
    """

    step: Bools
    first: Bools
    last: Bools
    opens: Bools
    continues: Bools
    type: Ints
    types: Strings

    @classmethod
    def of(cls, scheme: str, tags: Sequence[str] | None, k: int) -> Grammar:
        """The grammar of BIO or BIOES over K named tags.

        >>> Grammar.of("BIO", ["O", "B-X", "I-X"], 3).step.astype(int)
        array([[1, 1, 0],
               [1, 1, 1],
               [1, 1, 1]])
        """
        if scheme not in SCHEMES:
            raise ArrayError(f"scheme must be one of {', '.join(SCHEMES)}, not {scheme!r}")
        if tags is None or len(tags) != k:
            found = "none" if tags is None else str(len(tags))
            raise ArrayError(f"scheme {scheme} needs the names of all {k} tags, found {found}: pass tags=")
        prefixes, stay_open, go_on = SCHEMES[scheme]
        parts = [str(t).partition("-") for t in tags]
        for tag, (prefix, dash, name) in zip(tags, parts, strict=True):
            if tag != "O" and not (len(prefix) == 1 and prefix in prefixes and dash and name):
                raise ArrayError(
                    f"tag {tag!r} does not belong to {scheme}: expected O or {', '.join(prefixes)} and a type, "
                    f"as in {prefixes[0]}-PER"
                )
        types, code = np.unique(np.array([name for _, _, name in parts], object), return_inverse=True)
        heads = np.array([p for p, _, _ in parts])
        opens, continues = np.isin(heads, list(stay_open)), np.isin(heads, list(go_on))
        joined = opens[:, None] & continues & (code[:, None] == code)
        closed = ~continues if scheme == "BIO" else ~continues & ~opens[:, None]
        last = np.ones(k, bool) if scheme == "BIO" else ~opens
        kind = np.where(heads == "O", -1, code)
        return cls(joined | closed, ~continues, last, opens, continues, kind, types.astype(object))


def viterbi(scores: Floats, lengths: Ints, grammar: Grammar) -> Ints:
    """The valid tag sequence of the highest total score of every sentence, flat, ``(n,)``.

    ``scores`` are ``(n, K)`` log-probabilities. All sentences of a chunk advance one token at a time.

    >>> grammar = Grammar.of("BIO", ["O", "B-X", "I-X"], 3)
    >>> viterbi(np.log([[0.5, 0.4, 0.1], [0.1, 0.2, 0.7]]), np.array([2]), grammar)
    array([1, 2])
    """
    n, k = scores.shape
    step, first, last = (np.where(a, 0.0, IMPOSSIBLE) for a in (grammar.step, grammar.first, grammar.last))
    offset = np.cumsum(lengths) - lengths
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    size = max(1, STEP_SIZE // (k * k))
    out = np.empty(n, np.int64)
    for begin in range(0, len(order), size):
        rows = order[begin : begin + size]
        start, depth = offset[rows], lengths[rows]
        active = (depth[:, None] > np.arange(depth[0])).sum(
            axis=0
        )  # (longest,) sentences that go on, a prefix
        best = scores[start] + first
        back = np.zeros((depth[0], len(rows), k), np.int32)
        for t in range(1, depth[0]):
            m = active[t]
            reach = best[:m, :, None] + step
            back[t, :m] = reach.argmax(axis=1)
            best[:m] = reach.max(axis=1) + scores[start[:m] + t]
        tag = (best + last).argmax(axis=1)
        for t in range(depth[0] - 1, -1, -1):
            m = active[t]
            out[start[:m] + t] = tag[:m]
            tag[:m] = back[t, np.arange(m), tag[:m]]
    return out


def illegal_tags(given: Ints, sentence: Ints, grammar: Grammar) -> Ints:
    """Flat indices of given tags that may not follow the one before, start or end their sentence.

    A tag is judged against labelled neighbours only.

    >>> grammar = Grammar.of("BIO", ["O", "B-X", "I-X"], 3)
    >>> illegal_tags(np.array([0, 2, 2]), np.array([0, 0, 1]), grammar)
    array([1, 2])
    """
    known, inner = given >= 0, np.zeros(len(given), bool)
    inner[1:] = sentence[1:] == sentence[:-1]
    bad = known & ~inner & ~grammar.first[given]
    bad |= known & ~np.append(inner[1:], False) & ~grammar.last[given]
    here = np.flatnonzero(inner & known)
    here = here[known[here - 1]]
    bad[here] |= ~grammar.step[given[here - 1], given[here]]
    return np.flatnonzero(bad)


@dataclass(frozen=True)
class Spans:
    """Spans of a flat tag array: ``start`` and ``stop`` (inclusive) tokens and ``type``, ``(m,)``.

    By token, ``(n,)``: ``of`` which span, or -1, ``known`` whether it is tagged, and its ``sentence``.
    """

    start: Ints
    stop: Ints
    type: Strings
    of: Ints
    known: Bools
    sentence: Ints


def read_spans(tags: Ints, sentence: Ints, grammar: Grammar) -> Spans:
    """Read spans as conlleval does: a tag that continues nothing starts a span of its own."""
    inside = (tags >= 0) & (grammar.type[tags] >= 0)
    goes_on = np.zeros(len(tags), bool)
    goes_on[1:] = (sentence[1:] == sentence[:-1]) & inside[1:] & inside[:-1]
    goes_on[1:] &= grammar.opens[tags[:-1]] & grammar.continues[tags[1:]]
    goes_on[1:] &= grammar.type[tags[:-1]] == grammar.type[tags[1:]]
    start = np.flatnonzero(inside & ~goes_on)
    of = np.where(inside, np.cumsum(inside & ~goes_on) - 1, -1)
    stop = start + np.bincount(of[inside], minlength=len(start)) - 1
    return Spans(start, stop, grammar.types[grammar.type[tags[start]]], of, tags >= 0, sentence)


def _pairs(given: Spans, suggested: Spans) -> tuple[Ints, Ints]:
    """Given and suggested spans that differ, each with the one it overlaps most, or -1."""
    both = np.flatnonzero((given.of >= 0) & (suggested.of >= 0))
    pair, count = np.unique(np.stack([given.of[both], suggested.of[both]]), axis=1, return_counts=True)
    partner, back = np.full(len(given.start), -1), np.full(len(suggested.start), -1)
    order = np.argsort(count, kind="stable")  # the largest overlap is written last
    partner[pair[0, order]] = pair[1, order]
    back[pair[1, order]] = pair[0, order]
    left = np.ones(len(suggested.start), bool)
    left[partner[partner >= 0]] = False
    g = np.r_[np.arange(len(given.start)), back[left]]
    s = np.r_[partner, np.flatnonzero(left)]
    same = (g >= 0) & (s >= 0)
    same[same] = (
        (given.start[g[same]] == suggested.start[s[same]])
        & (given.stop[g[same]] == suggested.stop[s[same]])
        & (given.type[g[same]] == suggested.type[s[same]])
    )
    return g[~same], s[~same]


def compare(
    given: Spans, suggested: Spans, p_given: Floats, p_suggested: Floats, precision: float | None
) -> SpanErrors:
    """Name what differs, score it by the worst token, and flag as many as the expected precision allows.

    ``p_given`` and ``p_suggested`` ``(n,)`` are the probabilities of the tokens' tags. A difference that touches an
    unlabelled token is no error and left out.
    """
    g, s = _pairs(given, suggested)
    low = np.minimum(_at(given.start, g, len(given.of)), _at(suggested.start, s, len(given.of)))
    high = np.maximum(_at(given.stop, g), _at(suggested.stop, s))
    unknown = np.append(0, np.cumsum(~given.known))
    keep = unknown[high + 1] == unknown[low]
    g, s, low, high = g[keep], s[keep], low[keep], high[keep]
    quality, confidence = _lowest(p_given, low, high), _lowest(p_suggested, low, high)
    ends = np.stack([_at(a, i) for p, i in ((given, g), (suggested, s)) for a in (p.start, p.stop)])
    types = [_at(p.type, i, "") for p, i in ((given, g), (suggested, s))]
    moved = (ends[:2] != ends[2:]).any(axis=0)
    kind = np.where(moved, np.where(types[0] != types[1], "both", "boundary"), "type")
    kind = np.where(g < 0, "missing", np.where(s < 0, "spurious", kind)).astype(object)
    home = given.sentence[low]
    first = np.searchsorted(given.sentence, home)
    ends = np.where(ends >= 0, ends - first + np.array([[0], [1], [0], [1]]), -1)
    flagged, _ = choose(1 - quality, quality, np.ones(len(g), bool), precision)
    return SpanErrors(
        kind, home, ends[0], ends[1], types[0], ends[2], ends[3], types[1], quality, confidence, flagged
    )


def _at(values: NDArray[Any], index: Ints, absent: Any = -1) -> NDArray[Any]:
    """``values[index]``, and ``absent`` where the index is -1."""
    return np.append(values, np.array([absent], values.dtype))[index]


def _lowest(values: Floats, low: Ints, high: Ints) -> Floats:
    """Minimum of ``values[low : high + 1]`` of every row, ``(m,)``."""
    if not len(low):
        return np.empty(0)
    cut = np.stack([low, high + 1], axis=1).ravel()
    return np.minimum.reduceat(np.append(values, np.inf), cut)[::2]

"""Label errors of tagged sequences: one tag per token, and the spans that BIO or BIOES tags make.

Tokens are judged as a multiclass task over all sentences (``jointset.audit.posterior``). A sentence is as good as
its worst token (Wang and Mueller 2022, who compare such scores). With a scheme, the suggestion is the most
probable valid tag sequence, and given and suggested spans are compared (``spans``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.base import TaskArrays, check_precision, choose
from jointset.audit.checks import check_arrays
from jointset.audit.label_errors import classification
from jointset.audit.label_errors.spans import Grammar, SpanErrors, compare, illegal_tags, read_spans, viterbi
from jointset.audit.nodes import MAX_FIT, Node, fit_nodes
from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints


@dataclass(frozen=True)
class TagAudit:
    """The findings on tagged sentences; token arrays are flat, ``(n,)``, in the order of the sentences.

    ``sentence`` and ``position`` say where a token stands. ``given``, ``is_error``, ``quality``, ``suggested``,
    ``confidence``, ``p_error``, ``posterior`` ``(n, K)``, ``noise_matrix`` ``(K, K)``, ``noise_rate`` and
    ``promised_precision`` are those of ``TaskAudit``. ``sentence_quality`` ``(S,)`` is the lowest quality of a
    sentence's tokens, NaN where none is labelled. With a scheme, ``spans`` lists differing spans and ``illegal``
    ``(m,)`` the flat indices of given tags that may not stand where they stand; without, they are None and empty.
    """

    given: Ints
    sentence: Ints
    position: Ints
    is_error: Bools
    quality: Floats
    suggested: Ints
    confidence: Floats
    p_error: Floats
    posterior: Floats
    sentence_quality: Floats
    noise_matrix: Floats
    noise_rate: float
    promised_precision: float
    spans: SpanErrors | None
    illegal: Ints
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.given)

    def ranked(self, n: int | None = None) -> Ints:
        """Flat indices of the tokens that carry a tag, worst first."""
        return _ranked(self.quality)[:n]

    def ranked_sentences(self, n: int | None = None, *, temperature: float = 0.0) -> Ints:
        """Numbers of the sentences with a tag, worst first, by worst token or by ``softmin``."""
        if not temperature:
            return _ranked(self.sentence_quality)[:n]
        return _ranked(softmin(self.quality, self.sentence, len(self.sentence_quality), temperature))[:n]


def find_tag_errors(
    labels: ArrayLike | Sequence[ArrayLike],
    pred_probs: ArrayLike | Sequence[ArrayLike],
    *,
    lengths: ArrayLike | None = None,
    tags: Sequence[str] | None = None,
    scheme: str | None = None,
    precision: float | None = 0.9,
    seed: int = 0,
) -> TagAudit:
    """Find wrong tags, and wrong spans, from out-of-sample predicted probabilities of every token.

    Parameters: ``labels`` is one ``(length,)`` array of tag codes per sentence, -1 or NaN where a token is not
    labelled, and ``pred_probs`` one ``(length, K)`` array per sentence; or both flat, ``(n,)`` and ``(n, K)``,
    with ``lengths`` ``(S,)``. ``tags`` are the K names in code order. ``scheme`` BIO or BIOES, with names such as
    O and B-PER, adds the comparison of spans. ``precision`` in (0, 1] is the expected share of true errors among
    those flagged (of tokens, and of spans). ``seed`` samples the tokens that noise is learnt from. Raises
    ``ArrayError``, which names the sentence.

    >>> true = [np.array([1, 2, 0, 0]), np.array([0, 1, 0])] * 200
    >>> probs = [0.97 * np.eye(3)[t] + 0.01 for t in true]
    >>> given = [np.zeros(4, int), *true[1:]]
    >>> found = find_tag_errors(given, probs, tags=["O", "B-PER", "I-PER"], scheme="BIO")
    >>> found.is_error.nonzero()[0], found.ranked_sentences(1)
    (array([0, 1]), array([0]))
    >>> found.spans.kind[0], found.spans.suggested_end[0], found.spans.suggested_type[0]
    ('missing', np.int64(2), 'PER')
    """
    check_precision(precision)
    task, sizes = flatten(labels, pred_probs, lengths)
    grammar = None if scheme is None else Grammar.of(scheme, tags, task.probs.shape[1])
    if tags is not None and len(tags) != task.probs.shape[1]:
        raise ArrayError(f"{len(tags)} tags are named, predictions have {task.probs.shape[1]} columns")
    sentence = np.repeat(np.arange(len(sizes)), sizes)
    fitted = fit_nodes([Node("tags", task.probs, task.labels)], np.ones(len(task), bool), MAX_FIT, seed)
    found = classification.assess(task, list(fitted.fits), precision)
    audit = TagAudit(
        task.labels,
        sentence,
        np.arange(len(task)) - np.repeat(np.cumsum(sizes) - sizes, sizes),
        found.is_error,
        found.quality,
        found.suggested.astype(np.int64),
        found.confidence,
        found.p_error,
        np.asarray(found.posterior),
        worst_token(found.quality, sentence, len(sizes)),
        found.noise_matrix,
        found.noise_rate,
        found.promised_precision,
        None,
        np.empty(0, np.int64),
        found.notes,
    )
    return audit if grammar is None else _heed(audit, sizes, grammar, precision)


def _heed(audit: TagAudit, sizes: Ints, grammar: Grammar, precision: float | None) -> TagAudit:
    """Suggest valid sequences only, and compare the spans they make."""
    given, sentence = audit.given, audit.sentence
    suggested = viterbi(np.log(np.maximum(audit.posterior, 1e-12)), sizes, grammar)
    confidence = audit.posterior[np.arange(len(given)), suggested]
    changed = (given >= 0) & (suggested != given)
    flagged, promised = choose(audit.p_error, audit.quality, changed, precision)
    there, wanted = read_spans(given, sentence, grammar), read_spans(suggested, sentence, grammar)
    return replace(
        audit,
        is_error=flagged,
        suggested=suggested,
        confidence=confidence,
        promised_precision=promised,
        spans=compare(there, wanted, 1 - audit.p_error, confidence, precision),
        illegal=illegal_tags(given, sentence, grammar),
    )


def flatten(
    labels: ArrayLike | Sequence[ArrayLike],
    pred_probs: ArrayLike | Sequence[ArrayLike],
    lengths: ArrayLike | None = None,
) -> tuple[TaskArrays, Ints]:
    """Check the sentences and lay their tokens end to end: the task's arrays and the lengths ``(S,)``.

    >>> flatten([[0, 1], [-1]], [[[1, 0], [0, 1]], [[0.5, 0.5]]])[1]
    array([2, 1])
    """
    if lengths is not None:
        return _flat(np.asarray(labels), np.asarray(pred_probs), np.asarray(lengths))
    given, probs = [np.asarray(s) for s in labels], [np.asarray(s) for s in pred_probs]  # type: ignore[union-attr]
    if len(given) != len(probs):
        raise ArrayError(f"{len(given)} sentences of labels but {len(probs)} of predictions")
    k = probs[0].shape[-1] if probs and probs[0].ndim == 2 else 0
    for i, (g, p) in enumerate(zip(given, probs, strict=True)):
        if g.ndim != 1 or p.ndim != 2:
            raise ArrayError(
                f"sentence {i}: expected labels (length,) and predictions (length, K), found {g.shape} and "
                f"{p.shape}; for flat arrays pass lengths="
            )
        if len(g) != len(p):
            raise ArrayError(f"sentence {i}: {len(g)} labels but {len(p)} rows of predictions")
        if p.shape[1] != k:
            raise ArrayError(f"sentence {i}: predictions have {p.shape[1]} columns, those before have {k}")
    sizes = np.array([len(g) for g in given], np.int64)
    if not len(given):
        return TaskArrays("tags", "multiclass", np.empty(0, np.int64), np.empty((0, 1))), sizes
    return _checked(np.concatenate(given), np.concatenate(probs), sizes), sizes


def _flat(given: NDArray[Any], probs: NDArray[Any], sizes: NDArray[Any]) -> tuple[TaskArrays, Ints]:
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (sizes < 0).any():
        raise ArrayError(
            f"lengths must be whole numbers of tokens per sentence, found {sizes.dtype} {sizes.shape}"
        )
    if given.ndim != 1 or probs.ndim != 2:
        raise ArrayError(
            f"with lengths, labels must be (n,) and predictions (n, K), found {given.shape} and {probs.shape}"
        )
    if len(given) != sizes.sum() or len(probs) != sizes.sum():
        raise ArrayError(
            f"lengths add up to {sizes.sum()} tokens, found {len(given)} labels and {len(probs)} rows of predictions"
        )
    return _checked(given, probs, sizes), sizes.astype(np.int64)


def _checked(given: NDArray[Any], probs: NDArray[Any], sizes: NDArray[Any]) -> TaskArrays:
    kind = "binary" if probs.shape[1] == 2 else "multiclass"
    try:
        return check_arrays(given, probs, kind, "tags")
    except ArrayError:
        cut = np.cumsum(sizes)[:-1]
        for i, (g, p) in enumerate(zip(np.split(given, cut), np.split(probs, cut), strict=True)):
            check_arrays(g, p, kind, f"sentence {i}")
        raise


def _ranked(quality: Floats) -> Ints:
    return np.argsort(quality, kind="stable")[: int(np.isfinite(quality).sum())]


def worst_token(quality: Floats, sentence: Ints, n: int) -> Floats:
    """Lowest quality of every sentence's tokens, ``(n,)``; NaN without any.

    >>> worst_token(np.array([0.5, 0.2, np.nan]), np.array([0, 0, 1]), 3)
    array([0.2, nan, nan])
    """
    lowest = np.full(n, np.inf)
    known = np.isfinite(quality)
    np.minimum.at(lowest, sentence[known], quality[known])
    return np.where(np.isfinite(lowest), lowest, np.nan)


def softmin(quality: Floats, sentence: Ints, n: int, temperature: float = 0.05) -> Floats:
    """Mean quality of every sentence's tokens weighted by ``softmax((1 - quality) / temperature)``, ``(n,)``.

    Between the worst token (0) and the mean (infinity); the field's other sentence score.

    >>> softmin(np.array([0.9, 0.6, 0.8]), np.array([0, 0, 1]), 2).round(6)
    array([0.600742, 0.8     ])
    """
    known = np.isfinite(quality)
    quality, sentence = quality[known], sentence[known]
    lowest = worst_token(quality, sentence, n)
    weight = np.exp((lowest[sentence] - quality) / temperature)
    total = np.bincount(sentence, weight, n)
    return np.where(total > 0, np.bincount(sentence, weight * quality, n) / np.maximum(total, 1e-300), np.nan)

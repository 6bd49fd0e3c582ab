"""Texts: hashed n-grams, weighted by rarity, brought to few columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 18


def text_features(texts: Sequence[Any], *, width: int = 64, seed: int = 0) -> NDArray[np.float32]:
    """An embedding ``(n, width)`` of unit length: TF-IDF of hashed words and word pairs, then a truncated SVD.

    Latent semantic analysis (Deerwester et al. 1990) by randomised SVD (Halko et al. 2011). Texts without words are
    zeros; None counts as empty. Where the texts have fewer words than ``width``, there are fewer columns.

    >>> points = text_features(["a good book", "a good book indeed", "loud noise"], width=2)
    >>> points.shape, bool(points[0] @ points[1] > points[0] @ points[2])
    ((3, 2), True)
    """
    from sklearn.utils.extmath import randomized_svd

    weights = text_terms(texts)
    used = np.unique(weights.indices)
    weights = weights[:, used]
    k = min(width, min(weights.shape) - 1) if min(weights.shape) > 1 else 0
    if k < 1:
        return np.zeros((len(texts), 1), np.float32)
    u, s, _ = randomized_svd(weights, n_components=k, n_iter=3, random_state=seed)
    points = u * s
    length = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.maximum(length, 1e-9) * (length > 1e-9), np.float32)


def text_terms(texts: Sequence[Any], bits: int = BITS) -> Any:
    """TF-IDF of hashed words and word pairs as a sparse matrix ``(n, 2^bits)``.

    >>> text_terms(["a b", None]).shape
    (2, 262144)
    """
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    maker = HashingVectorizer(
        n_features=1 << bits,
        ngram_range=(1, 2),
        alternate_sign=False,
        norm=None,
        token_pattern=r"(?u)\b\w+\b|[^\w\s]",
    )
    counts = maker.transform(["" if t is None else str(t) for t in texts])
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts)

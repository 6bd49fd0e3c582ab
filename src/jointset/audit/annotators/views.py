"""Features that give labelling rules away, to be hidden from the model that judges them.

A rule is a function of the input, so a model of the input learns the rule, mistakes and all, and its
probabilities are no second opinion. Co-training asks for two views that are independent given the truth (Blum
and Mitchell 1998): the rules have theirs, and the model gets what is left of the input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.annotators.votes import Annotations, from_table
from jointset.errors import ArrayError
from jointset.records import Bools

PRIOR = 2.0  # pseudo-rows at the rule's own rate, so that a rare feature gives nothing away


def give_away(features: ArrayLike, annotations: ArrayLike | Annotations, *, level: float = 0.8) -> Bools:
    """Features whose presence tells that some annotator votes, ``(d,)``: hide them from the model.

    ``features`` is ``(n, d)``, dense or ``scipy.sparse``, present where not zero (words of a text);
    ``annotations`` as for ``consensus``. A feature is hidden where P(the annotator votes | it is present)
    exceeds ``level``, in (0, 1). Raises ``ArrayError``.

    The loop for rules over texts, truth nowhere in it: votes, a model of the other words fitted out of fold to
    the posterior, votes and model, and again until the posterior stands still::

        words = give_away(counts, votes)
        found = consensus(votes)
        for _ in range(40):
            probs = cross_fitted(counts[:, ~words], found.posterior)  # soft labels, folds by source
            before, found = found, consensus(votes, probs)
            if abs(found.posterior - before.posterior).mean() < 1e-3:
                break

    >>> song, rest = np.arange(60) < 20, np.arange(60) % 2 == 0
    >>> give_away(np.stack([song, rest], axis=1), np.where(song, 0, -1)[:, None])
    array([ True, False])
    """
    from scipy.sparse import csr_matrix, issparse

    votes = annotations if isinstance(annotations, Annotations) else from_table(annotations)
    table = csr_matrix(features if issparse(features) else np.asarray(features, np.float64))
    if table.shape[0] != votes.n_rows:
        raise ArrayError(
            f"{votes.n_rows} annotated rows but {table.shape[0]} rows of features; rows must be aligned"
        )
    if not 0 < level < 1:
        raise ArrayError(f"level must be between 0 and 1, found {level}")
    present, spoke = (table != 0).astype(np.float64), votes.spoke()
    n = np.asarray(present.sum(axis=0)).ravel()
    rate = np.asarray(spoke.sum(axis=0)).ravel() / max(votes.n_rows, 1)
    both = np.asarray((present.T @ spoke).todense())
    told = (both + PRIOR * rate) / (n[:, None] + PRIOR)
    return np.asarray((told > level).any(axis=1))

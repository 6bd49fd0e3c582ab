"""From attributions of hashed n-grams back to the words of a text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from jointset.interpret.units import Unit
from jointset.models.encoders.base import State
from jointset.models.encoders.text_bag import TextBag
from jointset.records import Floats, Ints

WIDEST = 8  # words that an n-gram of characters may run over


def by_word(
    encoder: TextBag, state: State, text: str, units: Sequence[Unit], grams: Floats, ids: Ints
) -> Floats:
    """Contribution of every word, ``(units,)``: each n-gram's is shared evenly by the words it runs over.

    An n-gram is found in the shortest runs of words that hold it; one that stands at several places is shared by all.
    What no word makes (n-grams of spaces) is spread over all words, so that nothing is lost.

    >>> from jointset.interpret.units import units_of
    >>> text = "good book"
    >>> units = units_of(pa.table({"t": [text]}), {"text": ["t"]})
    >>> encoder = TextBag(words=2, chars=None)
    >>> ids = encoder.prepare(pa.table({"t": [text]}), {"chars": None})["words_ids"]
    >>> by_word(encoder, {"chars": None}, text, units, np.ones(3), ids).tolist()
    [1.5, 1.5]
    """
    n = len(units)
    found = np.zeros(n)
    owners: dict[int, list[tuple[int, int]]] = defaultdict(list)
    wanted, width = set(ids.tolist()), 1
    most = max(encoder.words, 1 if encoder.inside_words else WIDEST)
    while wanted and width <= min(most, n):
        runs = [(i, i + width) for i in range(n - width + 1)]
        texts = [text[units[a].span[0] : units[b - 1].span[1]] for a, b in runs]
        arrays = encoder.prepare(pa.table({"t": pa.array(texts, pa.large_string())}), state)
        for part in ("words", "chars"):
            if f"{part}_ids" not in arrays:
                continue
            offsets, made = arrays[f"{part}_offsets"], arrays[f"{part}_ids"]
            for number, run in enumerate(runs):
                for gram in made[offsets[number] : offsets[number + 1]].tolist():
                    if gram in wanted:
                        owners[gram].append(run)
        wanted -= set(owners)
        width += 1
    for gram, value in zip(ids.tolist(), grams.tolist(), strict=True):
        runs = owners.get(gram) or [(0, n)]
        for a, b in runs:
            found[a:b] += value / len(runs) / (b - a)
    return found

"""The default text encoder: hashed n-grams in an embedding bag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ConfigError
from jointset.models.encoders.base import ENDS, Arrays, Encoder, State
from jointset.models.encoders.ngrams import concat_ragged, hash_ngrams, join_columns, take_ragged
from jointset.records import Ints

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn


PARTS = ("words", "chars")
USUAL_CHARS = (3, 5)
SHORT = 50  # words
LOOKED_AT = 1000  # rows of a dataset


class TextBag(Encoder):
    """The scaled sums of the embeddings of a text's distinct n-grams, mapped linearly to the trunk's width.

    After fastText (Joulin et al. 2017), with sums divided by the root of the number of n-grams (an
    L2-normalised binary bag) instead of means; n-grams of words and of characters are scaled each by their own number
    and added, as one text has five times as many of the latter. Embeddings start at zero, so that an n-gram that was
    never trained on adds nothing. Counts and inverse document frequencies are left out: an adaptive optimiser gains
    nothing from them.

    Parameters
    ----------
    words : longest word n-gram.
    chars : shortest and longest character n-gram, None, or ``"auto"``: 3 to 5 where half of the texts have fewer than
        50 words. A few words say little unless their relatives do, too; long texts have words enough.
    inside_words, lower : see :func:`~jointset.models.encoders.ngrams.hash_ngrams`; for SMILES and other codes take
        ``words=0, chars=(1, 6), inside_words=False, lower=False``.
    bits : n-grams are hashed to ``2**bits`` rows of the table.
    dim : width of the table.
    dropout : share of a text's n-grams left out of each training step, in [0, 1). It keeps rare n-grams from
        memorising wrong labels, and makes a step cheaper.
    least : so many of a text's n-grams are not left out, on average: a short one would say nothing.

    >>> import pyarrow as pa
    >>> encoder = TextBag(words=1)
    >>> arrays = encoder.prepare(pa.table({"body": ["a b a", None]}), encoder.fit([]))
    >>> arrays["words_offsets"].tolist()
    [0, 2, 2]
    """

    name: ClassVar[str] = "bag"
    modality: ClassVar[str] = "text"
    linear: ClassVar[bool] = True
    heavy: ClassVar[bool] = True
    axes: ClassVar[Mapping[str, Mapping[int, str]]] = {
        "words_offsets": {0: ENDS},
        "words_ids": {0: "word_ngrams"},
        "chars_offsets": {0: ENDS},
        "chars_ids": {0: "char_ngrams"},
    }

    def __init__(
        self,
        *,
        words: int = 3,
        chars: tuple[int, int] | Literal["auto"] | None = "auto",
        bits: int = 20,
        dim: int = 32,
        dropout: float = 0.7,
        least: int = 20,
        inside_words: bool = True,
        lower: bool = True,
    ) -> None:
        self.words = words
        self.chars = chars if chars is None or chars == "auto" else _range(chars)
        self.bits = bits
        self.dim = dim
        self.dropout = dropout
        self.least = least
        self.inside_words = inside_words
        self.lower = lower

    def fit(self, tables: Sequence[pa.Table]) -> State:
        """See :meth:`Encoder.fit`: hashing needs no vocabulary; what is learnt is whether texts are short."""
        if self.chars != "auto":
            return {"chars": None if self.chars is None else list(self.chars)}
        counts = np.concatenate([np.empty(0, np.int64), *(_words(t, self.lower) for t in tables)])
        short = len(counts) > 0 and float(np.median(counts)) < SHORT
        return {"chars": list(USUAL_CHARS) if short else None}

    def prepare(self, table: pa.Table, state: State) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.prepare`: per kind of n-gram in use, ``words`` or ``chars``, its ``_offsets``
        ``(n + 1,) int64`` and ``_ids (m,) int32``, unique in a row.
        """
        texts = join_columns(table)
        made: dict[str, NDArray[Any]] = {}
        for part, (words, chars) in {"words": (self.words, None), "chars": (0, state["chars"])}.items():
            if not words and chars is None:
                continue
            grams = hash_ngrams(
                texts,
                words=words,
                chars=chars,
                bits=self.bits,
                inside_words=self.inside_words,
                lower=self.lower,
            )
            made |= {f"{part}_offsets": grams.offsets, f"{part}_ids": grams.ids}
        return made

    def concat(self, parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.concat`."""
        joined: dict[str, NDArray[Any]] = {}
        for part in _in_use(parts[0]):
            own = [{"offsets": p[f"{part}_offsets"], "ids": p[f"{part}_ids"]} for p in parts]
            joined |= {f"{part}_{name}": values for name, values in concat_ragged(own, ("ids",)).items()}
        return joined

    def batch(self, arrays: Arrays, index: Ints) -> dict[str, Tensor]:
        """See :meth:`Encoder.batch`."""
        import torch

        made = {}
        for part in _in_use(arrays):
            offsets, positions = take_ragged(arrays[f"{part}_offsets"], index)
            made[f"{part}_offsets"] = torch.from_numpy(offsets)
            made[f"{part}_ids"] = torch.from_numpy(arrays[f"{part}_ids"][positions])
        return made

    def module(self, state: State, width: int) -> nn.Module:
        """See :meth:`Encoder.module`."""
        from jointset.models.encoders.text_bag_module import TextBagModule

        return TextBagModule(1 << self.bits, self.dim, width, self.dropout, self.least)


def _range(chars: Any) -> tuple[int, int]:
    pair = list(chars) if isinstance(chars, (list, tuple)) else []
    if len(pair) != 2 or not all(isinstance(n, int) for n in pair):
        raise ConfigError(f"model.text.chars: {chars!r} is neither auto, null nor two numbers such as [3, 5]")
    return pair[0], pair[1]


def _in_use(arrays: Arrays) -> list[str]:
    return [p for p in PARTS if f"{p}_ids" in arrays]


def _words(table: pa.Table, lower: bool) -> NDArray[np.int64]:
    """Numbers of distinct words of rows spread evenly over the table; rows without a text are left out."""
    rows = np.linspace(0, table.num_rows - 1, min(table.num_rows, LOOKED_AT)).astype(np.int64)
    counts = np.diff(hash_ngrams(join_columns(table.take(rows)), words=1, lower=lower).offsets)
    return np.asarray(counts[counts > 0])

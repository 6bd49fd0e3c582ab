"""The default text encoder: hashed n-grams in an embedding bag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from jointset.models.encoders.base import Arrays, Encoder, State
from jointset.models.encoders.ngrams import concat_ragged, hash_ngrams, join_columns, take_ragged
from jointset.records import Ints

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn


class TextBag(Encoder):
    """The scaled sum of the embeddings of a text's distinct n-grams, mapped linearly to the trunk's width.

    After fastText (Joulin et al. 2017), with sums divided by the root of the number of n-grams (an
    L2-normalised binary bag) instead of means. Embeddings start at zero, so that an n-gram that was never
    trained on adds nothing. Counts and inverse document frequencies are left out: an adaptive optimiser gains
    nothing from them.

    Parameters
    ----------
    words : longest word n-gram.
    chars : shortest and longest character n-gram, or None; they help with misspellings and inflection.
    inside_words, lower : see :func:`~jointset.models.encoders.ngrams.hash_ngrams`; for SMILES and other codes take
        ``words=0, chars=(1, 6), inside_words=False, lower=False``.
    bits : n-grams are hashed to ``2**bits`` rows of the table.
    dim : width of the table.
    dropout : share of a text's n-grams left out of each training step, in [0, 1). It keeps rare n-grams from
        memorising wrong labels, and makes a step cheaper.

    >>> import pyarrow as pa
    >>> encoder = TextBag(words=1)
    >>> arrays = encoder.prepare(pa.table({"body": ["a b a", None]}), encoder.fit([]))
    >>> arrays["offsets"].tolist()
    [0, 2, 2]
    """

    name: ClassVar[str] = "bag"
    modality: ClassVar[str] = "text"
    linear: ClassVar[bool] = True
    heavy: ClassVar[bool] = True

    def __init__(
        self,
        *,
        words: int = 3,
        chars: tuple[int, int] | None = None,
        bits: int = 20,
        dim: int = 16,
        dropout: float = 0.7,
        inside_words: bool = True,
        lower: bool = True,
    ) -> None:
        self.words = words
        self.chars = None if chars is None else (int(chars[0]), int(chars[1]))
        self.bits = bits
        self.dim = dim
        self.dropout = dropout
        self.inside_words = inside_words
        self.lower = lower

    def fit(self, tables: Sequence[pa.Table]) -> State:
        """See :meth:`Encoder.fit`: hashing needs no vocabulary, so there is nothing to learn."""
        return {}

    def prepare(self, table: pa.Table, state: State) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.prepare`: ``offsets (n + 1,) int64`` and ``ids (m,) int32``, unique in a row."""
        grams = hash_ngrams(
            join_columns(table),
            words=self.words,
            chars=self.chars,
            bits=self.bits,
            inside_words=self.inside_words,
            lower=self.lower,
        )
        return {"offsets": grams.offsets, "ids": grams.ids}

    def concat(self, parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.concat`."""
        return concat_ragged(parts, ("ids",))

    def batch(self, arrays: Arrays, index: Ints) -> dict[str, Tensor]:
        """See :meth:`Encoder.batch`."""
        import torch

        offsets, positions = take_ragged(arrays["offsets"], index)
        return {"offsets": torch.from_numpy(offsets), "ids": torch.from_numpy(arrays["ids"][positions])}

    def module(self, state: State, width: int) -> nn.Module:
        """See :meth:`Encoder.module`."""
        from jointset.models.encoders.text_bag_module import TextBagModule

        return TextBagModule(1 << self.bits, self.dim, width, self.dropout)

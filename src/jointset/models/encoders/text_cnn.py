"""A convolutional text encoder, for order within a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.models.encoders.base import ROWS, Arrays, Encoder, State
from jointset.models.encoders.ngrams import concat_ragged, hash_words, join_columns, take_ragged
from jointset.records import Ints

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn


class TextCNN(Encoder):
    """Convolutions over word embeddings, the maximum over the text of each (Kim 2014), with hashed words.

    Parameters
    ----------
    length : words read per text; the rest is left out.
    bits : words are hashed to ``2**bits`` embeddings.
    dim : width of a word's embedding.
    filters : filters per kernel width.
    kernels : kernel widths in words.
    dropout : share of the pooled features dropped while training, in [0, 1).

    >>> import pyarrow as pa
    >>> encoder = TextCNN(length=4)
    >>> arrays = encoder.prepare(pa.table({"body": ["a b", None]}), encoder.fit([]))
    >>> encoder.batch(arrays, np.array([1, 0]))["ids"].shape
    torch.Size([2, 2])
    """

    name: ClassVar[str] = "cnn"
    modality: ClassVar[str] = "text"
    axes: ClassVar[Mapping[str, Mapping[int, str]]] = {"ids": {0: ROWS, 1: "words"}}

    def __init__(
        self,
        *,
        length: int = 256,
        bits: int = 16,
        dim: int = 64,
        filters: int = 64,
        kernels: Sequence[int] = (3, 4, 5),
        dropout: float = 0.3,
    ) -> None:
        self.length = length
        self.bits = bits
        self.dim = dim
        self.filters = filters
        self.kernels = tuple(kernels)
        self.dropout = dropout

    def fit(self, tables: Sequence[pa.Table]) -> State:
        """See :meth:`Encoder.fit`: hashing needs no vocabulary, so there is nothing to learn."""
        return {}

    def prepare(self, table: pa.Table, state: State) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.prepare`: ``offsets (n + 1,) int64`` and ``ids (m,) int32``, words in order."""
        words = hash_words(join_columns(table), bits=self.bits)
        kept = np.arange(len(words.ids)) - np.repeat(words.offsets[:-1], np.diff(words.offsets)) < self.length
        sizes = np.minimum(np.diff(words.offsets), self.length)
        return {"offsets": np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]), "ids": words.ids[kept]}

    def concat(self, parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.concat`."""
        return concat_ragged(parts, ("ids",))

    def batch(self, arrays: Arrays, index: Ints) -> dict[str, Tensor]:
        """See :meth:`Encoder.batch`: ``ids (b, longest of the batch) int64``, 0 = padding, words from 1."""
        import torch

        offsets, positions = take_ragged(arrays["offsets"], index)
        sizes = np.diff(offsets)
        ids = np.zeros((len(index), max(int(sizes.max(initial=0)), 1)), np.int64)
        ids[np.arange(ids.shape[1]) < sizes[:, None]] = arrays["ids"][positions].astype(np.int64) + 1
        return {"ids": torch.from_numpy(ids)}

    def module(self, state: State, width: int) -> nn.Module:
        """See :meth:`Encoder.module`."""
        from jointset.models.encoders.text_cnn_module import TextCNNModule

        return TextCNNModule((1 << self.bits) + 1, self.dim, self.filters, self.kernels, self.dropout, width)

    def stages(self, state: State) -> tuple[str, ...]:
        """See :meth:`Encoder.stages`: the mean of the word embeddings, then the pooled convolutions."""
        return ("words", "convolutions")

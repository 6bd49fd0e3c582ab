"""Any text backbone of Hugging Face transformers, from a local folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ConfigError, MissingExtra
from jointset.models.encoders.base import ROWS, Arrays, Encoder, State
from jointset.models.encoders.ngrams import concat_ragged, join_columns, take_ragged
from jointset.records import Ints

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

AT_ONCE = 1000  # texts tokenised at a time


class HuggingFaceText(Encoder):
    """A pretrained transformer, its last hidden states averaged over the text's tokens.

    The folder holds a tokenizer and a model, as ``save_pretrained`` writes them; nothing is downloaded, and
    no code from the folder is run.

    Parameters
    ----------
    path : folder of the backbone.
    frozen : keep the backbone as it is and learn the linear map after it only.
    max_length : tokens read per text, special ones included; the rest is left out.
    backbone_lr : learning rate of the backbone; by default that of everything else, ``training.learning_rate``.

    >>> HuggingFaceText(path="absent").fit([])
    Traceback (most recent call last):
    ...
    jointset.errors.ConfigError: model.text.path: no folder 'absent': give that of a saved tokenizer and model
    """

    name: ClassVar[str] = "huggingface"
    modality: ClassVar[str] = "text"
    heavy: ClassVar[bool] = True
    backbone: ClassVar[bool] = True
    axes: ClassVar[Mapping[str, Mapping[int, str]]] = {
        "ids": {0: ROWS, 1: "tokens"},
        "mask": {0: ROWS, 1: "tokens"},
    }

    def __init__(
        self, *, path: str, frozen: bool = False, max_length: int = 256, backbone_lr: float | None = None
    ) -> None:
        if frozen and backbone_lr is not None:
            raise ConfigError("model.text: a frozen backbone has no backbone_lr; take one of them out")
        self.path = str(path)
        self.frozen = frozen
        self.max_length = max_length
        self.backbone_lr = backbone_lr

    def fit(self, tables: Sequence[pa.Table]) -> State:
        """See :meth:`Encoder.fit`: the backbone brings its own vocabulary; the state tells it from others."""
        config = self.load("AutoConfig")
        files = sorted(p for p in Path(self.path).glob("*.json") if p.is_file())
        digest = hashlib.sha256(b"".join(p.name.encode() + p.read_bytes() for p in files)).hexdigest()
        padding, layers = getattr(config, "pad_token_id", None), getattr(config, "num_hidden_layers", None)
        return {"padding": int(padding or 0), "layers": int(layers or 0), "fingerprint": digest}

    def prepare(self, table: pa.Table, state: State) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.prepare`: ``offsets (n + 1,) int64`` and ``ids (m,) int32`` of tokens."""
        tokenizer = self.load("AutoTokenizer")
        texts = join_columns(table).fill_null("")
        sizes, parts = [np.zeros(1, np.int64)], [np.empty(0, np.int32)]
        for start in range(0, len(texts), AT_ONCE):
            rows = texts.slice(start, AT_ONCE).to_pylist()
            encoded = tokenizer(rows, truncation=True, max_length=self.max_length)["input_ids"]
            sizes.append(np.array([len(ids) for ids in encoded], np.int64))
            parts.extend(np.array(ids, np.int32) for ids in encoded)
        return {"offsets": np.cumsum(np.concatenate(sizes)), "ids": np.concatenate(parts)}

    def concat(self, parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.concat`."""
        return concat_ragged(parts, ("ids",))

    def batch(self, arrays: Arrays, index: Ints) -> dict[str, Tensor]:
        """See :meth:`Encoder.batch`: ``ids (b, t) int64`` and ``mask (b, t) bool``, t of the longest row."""
        import torch

        offsets, positions = take_ragged(arrays["offsets"], index)
        sizes = np.diff(offsets)
        mask = np.arange(max(int(sizes.max(initial=0)), 1)) < sizes[:, None]  # (b, t)
        ids = np.zeros(mask.shape, np.int64)
        ids[mask] = arrays["ids"][positions]
        return {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)}

    def module(self, state: State, width: int) -> nn.Module:
        """See :meth:`Encoder.module`."""
        from jointset.models.encoders.huggingface_module import HuggingFaceModule

        return HuggingFaceModule(
            self.load("AutoModel"),
            state["padding"],
            self.frozen,
            width,
            stages=self.stages(state),
            rate=self.backbone_lr,
        )

    def stages(self, state: State) -> tuple[str, ...]:
        """See :meth:`Encoder.stages`: the embeddings, then the layers' hidden states, averaged over the tokens."""
        layers = state.get("layers", 0)
        return ("embeddings", *(f"layer{i}" for i in range(1, layers + 1))) if layers else ()

    def load(self, kind: str) -> Any:
        """The folder's tokenizer, configuration or model, by the name of its class of transformers."""
        if not Path(self.path).is_dir():
            raise ConfigError(
                f"model.text.path: no folder {self.path!r}: give that of a saved tokenizer and model"
            )
        try:
            import transformers
        except ImportError as error:
            raise MissingExtra("transformers", "text", "a Hugging Face text encoder") from error
        try:
            return getattr(transformers, kind).from_pretrained(self.path, local_files_only=True)
        except (OSError, ValueError) as error:
            what, reason = kind.removeprefix("Auto").lower(), str(error).splitlines()[0]
            raise ConfigError(f"model.text.path: {self.path!r} holds no usable {what} ({reason})") from error

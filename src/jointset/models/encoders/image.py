"""Images: files, bytes or arrays in, a small residual network out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jointset.data.media.images import decoded, pixel_array, png
from jointset.errors import DataError
from jointset.models.encoders.base import ROWS, Arrays, Encoder, State
from jointset.records import Ints

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

LARGEST = 64
SAMPLE = 200


class SmallResNet(Encoder):
    """A small residual network (He et al. 2016) for small images, trained from scratch.

    Parameters
    ----------
    size : images are scaled to ``size × size``; ``None`` takes the median side of a sample, between 8 and 64.
    channels : 1 (grey), 3 (RGB), or ``None``: 3 when any image of a sample has colour.
    widths : channels of the stages; each after the first halves the side.
    max_unreadable : share of images that may be unreadable before reading stops with an error; those below it are
        treated as missing inputs.
    """

    name: ClassVar[str] = "resnet"
    modality: ClassVar[str] = "image"
    axes: ClassVar[Mapping[str, Mapping[int, str]]] = {"pixels": {0: ROWS}}

    def __init__(
        self,
        *,
        size: int | None = None,
        channels: int | None = None,
        widths: Sequence[int] = (32, 64),
        max_unreadable: float = 0.01,
    ) -> None:
        self.size = size
        self.channels = channels
        self.widths = tuple(widths)
        self.max_unreadable = max_unreadable

    def fit(self, tables: Sequence[pa.Table]) -> State:
        """See :meth:`Encoder.fit`: the common size and number of channels."""
        sides, colour = [], False
        for table in tables:
            column = table.column(0)
            array = pixel_array(column.slice(0, SAMPLE), table.schema.field(0))
            if array is not None:
                sides += [*array[0].shape[1:3]] * len(array[0])
                colour |= array[0].shape[3] == 3
                continue
            for image in decoded(column.slice(0, SAMPLE), table.schema.field(0), self._root(table)):
                if image is not None:
                    sides += [image.width, image.height]
                    colour |= image.mode not in ("L", "1", "I", "I;16", "LA")
        size = self.size or int(np.clip(round(float(np.median(sides or [32]))), 8, LARGEST))
        return {"size": size, "channels": self.channels or (3 if colour else 1)}

    def prepare(self, table: pa.Table, state: State) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.prepare`: ``pixels (n, C, size, size) uint8`` and ``readable (n,) bool``."""
        size, channels = state["size"], state["channels"]
        array = pixel_array(table.column(0), table.schema.field(0))
        if array is not None and array[0].shape[1:] == (size, size, channels):
            return {"pixels": np.ascontiguousarray(array[0].transpose(0, 3, 1, 2)), "readable": array[1]}
        pixels = np.zeros((table.num_rows, channels, size, size), np.uint8)
        readable = np.zeros(table.num_rows, bool)
        column = table.column(0)
        for i, image in enumerate(decoded(column, table.schema.field(0), self._root(table))):
            if image is None:
                continue
            image = image.convert("RGB" if channels == 3 else "L")
            if image.size != (size, size):
                image = image.resize((size, size))
            pixels[i] = np.asarray(image).reshape(size, size, channels).transpose(2, 0, 1)
            readable[i] = True
        self._enough_readable(column, readable)
        return {"pixels": pixels, "readable": readable}

    def concat(self, parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
        """See :meth:`Encoder.concat`."""
        return {key: np.concatenate([p[key] for p in parts]) for key in ("pixels", "readable")}

    def batch(self, arrays: Arrays, index: Ints) -> dict[str, Tensor]:
        """See :meth:`Encoder.batch`."""
        import torch

        return {"pixels": torch.from_numpy(np.ascontiguousarray(arrays["pixels"][index]))}

    def restored(self, arrays: Arrays, state: State) -> dict[str, list[Any]]:
        """See :meth:`Encoder.restored`."""
        return {"image": [png(p.transpose(1, 2, 0).squeeze()) for p in np.asarray(arrays["pixels"])]}

    def module(self, state: State, width: int) -> nn.Module:
        """See :meth:`Encoder.module`."""
        from jointset.models.encoders.image_module import ResNetModule

        return ResNetModule(state["channels"], state["size"], self.widths, width)

    def stages(self, state: State) -> tuple[str, ...]:
        """See :meth:`Encoder.stages`: the first convolution, then the residual stages."""
        return ("stem", *(f"stage{i}" for i in range(1, len(self.widths) + 1)))

    @staticmethod
    def _root(table: pa.Table) -> str | None:
        root = (table.schema.metadata or {}).get(b"jointset.root")
        return root.decode() if root else None

    def _enough_readable(self, column: Any, readable: NDArray[np.bool_]) -> None:
        given = column.is_valid().to_numpy()
        bad = np.flatnonzero(given & ~readable)
        if len(bad) > self.max_unreadable * max(int(given.sum()), 1):
            first = column[int(bad[0])].as_py()
            shown = repr(first) if isinstance(first, str) else f"row {int(bad[0]) + 1}"
            raise DataError(
                f"{len(bad)} of {int(given.sum())} images cannot be read, first {shown}; "
                f"at most {self.max_unreadable:.0%} may be: mend the files, or raise model.image.max_unreadable"
            )

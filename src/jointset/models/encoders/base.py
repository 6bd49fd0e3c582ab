"""What every encoder is: columns of one modality in, one vector per row out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from jointset.records import Ints

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

Arrays = Mapping[str, NDArray[Any]]
State = dict[str, Any]
ROWS, ENDS = "rows", "rows+1"


class Encoder(ABC):
    """One way to turn a modality's columns into vectors. The constructor is the configuration.

    The work has two sides. The array side runs once per dataset and is cached on disk: ``fit`` learns what must be
    known before training (vocabularies, means), ``prepare`` turns columns into plain arrays. The torch side runs per
    batch: ``batch`` gathers rows by index, without per-row Python, and ``module`` is the network. ``linear`` says that
    the network is a linear map of what it reads; ``heavy``, that a copy for each task costs more memory than most have;
    ``backbone``, that it holds a pretrained network that tasks may adapt.
    ``axes`` names the dimensions of ``batch``'s tensors that vary, by tensor and place: ``ROWS``, ``ENDS`` for the rows
    and one more, as in offsets, or another name.
    """

    name: ClassVar[str]
    modality: ClassVar[str]
    linear: ClassVar[bool] = False
    heavy: ClassVar[bool] = False
    backbone: ClassVar[bool] = False
    axes: ClassVar[Mapping[str, Mapping[int, str]]] = {}

    @abstractmethod
    def fit(self, tables: Sequence[pa.Table]) -> State:
        """Learn the state from the training rows of every dataset (one table each, this modality's columns only).

        The state is JSON: strings, numbers, lists, dicts. What is large or learnt by gradient belongs to the module,
        as parameters or buffers.
        """

    @abstractmethod
    def prepare(self, table: pa.Table, state: State) -> dict[str, NDArray[Any]]:
        """Columns of one dataset as arrays that ``batch`` reads; each is stored as one memory-mapped file."""

    @abstractmethod
    def concat(self, parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
        """The prepared arrays of several datasets as those of one, rows in order."""

    @abstractmethod
    def batch(self, arrays: Arrays, index: Ints) -> dict[str, Tensor]:
        """The module's inputs for the rows ``index`` of the prepared arrays."""

    @abstractmethod
    def module(self, state: State, width: int) -> nn.Module:
        """The network: ``forward(**batch)`` returns ``(b, width)``.

        Parameters that get sparse gradients are listed in the module's attribute ``sparse_parameters`` (names). Where
        the encoder has stages, ``staged(names, **batch)`` returns the same and the pooled features ``(b, d)`` of the
        stages asked for, by name; ``stage_widths`` maps every stage to its d.
        """

    def stages(self, state: State) -> tuple[str, ...]:
        """Names of the stages that a task may read, from the input on; none where there is but the output."""
        return ()

    def restored(self, arrays: Arrays, state: State) -> dict[str, list[Any]] | None:
        """Prepared rows as columns again, as near as the arrays say; None where they do not (n-grams, spectra).

        Images come back as PNG bytes, under the modality's name; tables under their own columns' names.
        """
        return None

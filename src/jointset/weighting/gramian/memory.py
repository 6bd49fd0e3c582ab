"""Memory that is used again from step to step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class Memory:
    """Blocks by name; what was taken under a name is overwritten when the name is taken again.

    Fresh blocks of many megabytes come from the system page by page at every step, which can take as long as
    filling them. ``crowded`` says whether several tasks shared a row at the last step, ``vectorised`` whether passes of
    all tasks at once have worked so far: they change what is kept in passing, and how long it takes.

    >>> memory = Memory()
    >>> first, second = (memory.take("a", (2, 3), torch.zeros(1)) for _ in range(2))
    >>> first.shape, first.data_ptr() == second.data_ptr()
    (torch.Size([2, 3]), True)
    """

    def __init__(self) -> None:
        self._blocks: dict[str, Tensor] = {}
        self.crowded = True
        self.vectorised = True

    def take(self, name: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """An uninitialised tensor of the type and on the device of ``like``."""
        size, block = math.prod(shape), self._blocks.get(name)
        if block is None or block.dtype != like.dtype or block.device != like.device or len(block) < size:
            block = self._blocks[name] = torch.empty(size, dtype=like.dtype, device=like.device)
        return block[:size].view(*shape)

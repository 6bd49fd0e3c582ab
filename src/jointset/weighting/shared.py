"""What tasks share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from jointset.weighting.base import JacobianWeighting, State, Weighting
from jointset.weighting.gramian.memory import Memory

Part = nn.Module | Tensor


class Shared:
    """The parameters of ``parts``, modules or tensors, each once, and memory that is used again at every step.

    Handing :func:`~jointset.weighting.backward.backward` the modules themselves does the same. Made once before the
    loop, this saves looking for parameters and asking the system for memory at every step. One loop at a time may use
    it.

    >>> layer = nn.Linear(2, 3)
    >>> [tuple(p.shape) for p in Shared(layer, layer.bias).parameters]
    [(3, 2), (3,)]
    """

    def __init__(self, *parts: Part | Iterable[Part]) -> None:
        found: dict[int, Tensor] = {}
        for part in parts:
            for one in [part] if isinstance(part, (nn.Module, Tensor)) else part:
                for tensor in one.parameters() if isinstance(one, nn.Module) else [one]:
                    found[id(tensor)] = tensor
        self.all = tuple(found.values())
        self.memory = Memory()

    @property
    def parameters(self) -> list[Tensor]:
        """Those that require a gradient now."""
        return [p for p in self.all if p.requires_grad]


def entries_along(weighting: Weighting, state: State) -> list[str]:
    """The entries of a state that hold a number for each of the shared parameters' numbers."""
    names = weighting.along if isinstance(weighting, JacobianWeighting) else ()
    return [entry for entry in state if entry.partition(".")[0] in names]


def carried(weighting: Weighting, state: State, before: Sequence[Tensor], after: Sequence[Tensor]) -> State:
    """The state for a step that shares ``after``, out of that of a step that shared ``before``.

    Each parameter takes what was kept of it along; of those that were not shared before, nothing was (0).

    >>> from jointset.weighting import MoCo
    >>> a, b, c = torch.zeros(2), torch.zeros(1), torch.zeros(1)
    >>> carried(MoCo(), {"gradient.x": torch.tensor([1.0, 2.0, 3.0])}, [a, b], [c, b])
    {'gradient.x': tensor([0., 3.])}
    """
    moved = dict(state)
    for entry in entries_along(weighting, state):
        parts = state[entry].split([p.numel() for p in before])
        kept = {id(p): part for p, part in zip(before, parts, strict=True)}
        whole = [kept.get(id(p), state[entry].new_zeros(p.numel())) for p in after]
        moved[entry] = torch.cat(whole) if whole else state[entry].new_zeros(0)
    return moved

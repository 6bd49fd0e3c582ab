"""What tasks share."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

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

"""What one backward pass sees of the losses, and what it reports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from jointset.errors import ArrayError
from jointset.weighting.base import State
from jointset.weighting.gradients import finite
from jointset.weighting.gramian import Found, Graph, find, read
from jointset.weighting.gramian.graph import Edge, edge_of
from jointset.weighting.gramian.passes import Passes
from jointset.weighting.shared import Shared
from jointset.weighting.summed import UNSOUND

WHERE = "weighting.backward"
NO_LOSS = "no loss"
IDLE = "the gradient is zero"


@dataclass(frozen=True)
class Step:
    """What :func:`backward` did.

    Attributes
    ----------
    state
        The weighting's next state.
    weights
        The weight of each task that was present; empty where the method gives none (it mixes gradients entry by entry,
        or sees the losses alone).
    absent
        The tasks that were left out, with the reason.
    way
        "features", "layers" or "rows" as found, "jacobian" or "losses" for methods without a Gramian.
    note
        Why another way was gone than the one that was asked for.
    formed
        Numbers in the parameters of which a gradient a task was formed after all, by the operation that uses them:
        exact as well, at K times their memory.
    gramian
        ``(k, k)`` of the present tasks, in the order of ``weights``; of two batches, that of their mean.
    """

    state: State
    weights: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    way: str = "losses"
    note: str = ""
    formed: Mapping[str, int] = field(default_factory=dict)
    gramian: Tensor | None = None


@dataclass(frozen=True)
class Seen:
    """How the gradients of a step are had."""

    shared: Shared
    scaler: torch.amp.GradScaler | None
    features: Tensor | Sequence[Tensor] | None
    way: str

    def scaled(self, losses: Iterable[Tensor]) -> tuple[list[Tensor], float]:
        """The losses that are propagated, and how many times those that were given they are."""
        if self.scaler is None:
            return list(losses), 1.0
        return [self.scaler.scale(loss) for loss in losses], float(self.scaler.get_scale())

    def find(
        self, losses: Sequence[Tensor], *, at_features: bool, rows: Tensor | None = None
    ) -> tuple[Found, str]:
        """The Gramian of the losses, and why it was not had as asked for."""
        graph, features, way = graph_of(losses, self.shared.parameters), self.features, self.way
        edges = _edges(graph, features, way)
        way = "features" if way == "auto" and (features is not None or at_features) else way
        return find(graph, losses, edges, way=way, rows=rows, memory=self.shared.memory)


def present_of(losses: Mapping[str, Tensor | None]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The losses that can be trained on, and why the others cannot."""
    present, absent = {}, {}
    for name, loss in losses.items():
        if loss is None:
            absent[name] = NO_LOSS
        elif not bool(torch.isfinite(loss.detach()).all()):
            absent[name] = f"the loss is {float(loss.detach())}"
        elif not loss.requires_grad:
            absent[name] = IDLE
        else:
            present[name] = loss.reshape(())
    return present, absent


def judged(
    names: Sequence[str], squares: Tensor, passes: Passes, absent: Mapping[str, str]
) -> tuple[list[int], list[int], dict[str, str]]:
    """The tasks to weigh; those whose own parameters alone learn; and all that are left out, with the reason.

    ``squares`` are of the lengths of the tasks' gradients at what is shared.
    """
    kept, idle, reasons = [], [], dict(absent)
    own = [[g for _, g in passes.own([k])] for k in range(len(names))]
    sound = finite(g for grads in own for g in grads)
    unsound = set() if sound else {k for k, grads in enumerate(own) if not finite(grads)}
    for k, square in enumerate(squares.tolist()):
        if k in unsound or not math.isfinite(square):
            reasons[names[k]] = UNSOUND
        elif square > 0:
            kept.append(k)
        else:
            idle.append(k)
            reasons[names[k]] = IDLE
    return kept, idle, reasons


def graph_of(losses: Sequence[Tensor], parameters: Sequence[Tensor]) -> Graph:
    """The graph of the losses down to the parameters, of which it has to reach one."""
    graph = read(losses, parameters)
    if not graph.shared:
        raise ArrayError(
            f"{WHERE}: none of the losses depends on a parameter of shared; "
            "name the modules that the tasks share, and check that they require gradients"
        )
    return graph


def _edges(graph: Graph, features: Tensor | Sequence[Tensor] | None, way: str) -> list[Edge]:
    """Where heads and trunk meet: at ``features``, or as the graph says."""
    if features is None or way not in ("auto", "features"):
        return graph.boundary()
    tensors = [features] if isinstance(features, Tensor) else list(features)
    for tensor in tensors:
        if not tensor.requires_grad:
            raise ArrayError(
                f"{WHERE}: features of the shape {tuple(tensor.shape)} have no gradient; "
                "give what the trunk returned, not detached"
            )
    edges = [(e.node, e.output_nr) for e in map(edge_of, tensors)]
    if not any(node in graph.edges for node, _ in edges):
        raise ArrayError(
            f"{WHERE}: no loss depends on the features; name the tensors that the heads read, or leave features out"
        )
    return [edge for edge in edges if edge[0] in graph.edges]

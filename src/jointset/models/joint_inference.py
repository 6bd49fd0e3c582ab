"""Joint inference: what a row's other labels say about a task, on top of what its inputs say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from jointset.records import Task
from jointset.tasks import KINDS
from jointset.tasks.head import Head

RANK = 32


class JointInference(nn.Module):
    """Logits of a task plus a message from the row's labels of the *other* tasks.

    A dependency network (Heckerman et al. 2000) over tasks: ``z_t + V_t Σ_{s ≠ t} E_s v_s``, where z_t are the joint
    model's logits and v_s is the label of task s as a vector, beside how far it is from what x led to expect (a label
    that x foresaw says less). v_s is zero where the label is absent; with ``fill`` a prediction stands in for it. The
    rank of ``V_t E_s`` is bounded, so that many tasks cost little. In a multilabel task, an entry hears the others of
    its own task as well, but never itself.

    The embeddings E start at zero, so that an untrained module changes nothing. Logits come in detached: what x says
    is learnt as it is without joint inference, and a row without labels keeps its logits (unless filled).
    """

    def __init__(self, headed: Sequence[tuple[Task, Head]], *, fill: bool) -> None:
        super().__init__()
        self.tasks = tuple(task for task, _ in headed)
        self.fill = fill
        sizes = [KINDS[t.kind].vector_size(t) for t in self.tasks]
        self.read = nn.ParameterList([nn.Parameter(torch.zeros(RANK, size)) for size in sizes])  # E
        self.tell = nn.ParameterList(
            [nn.Parameter(torch.randn(head.out_features, RANK)) for _, head in headed]
        )  # V

    def vectors(
        self, logits: Mapping[str, Tensor], known: Mapping[str, Tensor], headed: Sequence[tuple[Task, Head]]
    ) -> dict[str, Tensor]:
        """Labels ``known`` by task, in the form of :mod:`jointset.records`, as vectors ``(b, d)``."""
        found = {}
        for task, head in headed:
            kind = KINDS[task.kind]
            outputs = kind.outputs(task, logits[task.name], head.seen)
            labels = known.get(task.name)
            if labels is None and self.fill:
                labels = torch.from_numpy(task.missing(len(outputs)))
            if labels is not None:
                found[task.name] = kind.vector(task, labels, outputs, fill=self.fill)
        return found

    def forward(self, logits: Mapping[str, Tensor], vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits ``(b, outputs)`` and label vectors ``(b, d)`` by task, absent ones left out → logits by task."""
        if not vectors:
            return dict(logits)
        named = [(t, read) for t, read in zip(self.tasks, self.read, strict=True) if t.name in vectors]
        heard = torch.stack([vectors[t.name] @ read.T for t, read in named])  # (s, b, rank)
        others = dict(zip((t.name for t, _ in named), _all_but_own(heard), strict=True))
        told = {}
        for task, read, tell in zip(self.tasks, self.read, self.tell, strict=True):
            name = task.name
            told[name] = logits[name] + others.get(name, heard.sum(0)) @ tell.T
            if task.kind == "multilabel" and name in vectors:
                told[name] = told[name] + _within(tell, read, vectors[name])
        return told


def _all_but_own(heard: Tensor) -> Tensor:
    """Sums over all but one, ``(s, b, r)``; a difference from the total would leave a rounding error of the one."""
    zero = torch.zeros_like(heard[:1])
    before = torch.cat([zero, heard[:-1]]).cumsum(0)
    after = torch.cat([zero, heard.flip(0)[:-1]]).cumsum(0).flip(0)
    return before + after


def _within(tell: Tensor, read: Tensor, vector: Tensor) -> Tensor:
    """What the entries of a label set tell one another, ``(b, K)``; ``vector`` holds parts of K entries each."""
    k = len(tell)
    apart = 1 - torch.eye(k, dtype=tell.dtype)
    parts = zip(vector.split(k, 1), read.split(k, 1), strict=True)
    return torch.stack([part @ (tell @ own * apart).T for part, own in parts]).sum(0)

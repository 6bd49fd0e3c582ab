"""The joint model as a function of plain tensors, one row of each for every row, as other runtimes want it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jointset.models.encoders.audio_module import MelCNNModule
from jointset.models.encoders.text_bag_module import TextBagModule
from jointset.models.joint import JointModel
from jointset.tasks import KINDS
from jointset.tasks.losses.base import Seen

PRESENT = "present"  # the part of an input that says which rows have the modality


class Dense(nn.Module):
    """Tensors by name, ``MODALITY.PART``, → outputs by task, and decisions where they differ.

    Every tensor has all n rows; ``MODALITY.present (n,) bool`` says which of them count. The model is copied, and
    layers that no other runtime has are put in plain terms. With ``joint_inference: predictions``, predictions stand in
    for all labels.
    """

    def __init__(self, model: JointModel) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).eval()
        for module in self.model.modules():
            if isinstance(module, MelCNNModule):
                module.in_parts = False
            if isinstance(module, TextBagModule):
                module.bag = SumOfRows(module.bag.weight)  # type: ignore[assignment]
        # read once: whether a loss's late stage has begun is a number of the model's, and no branch of the graph
        self.headed = [(task, Known(head.seen)) for task, head in model.headed()]

    def forward(self, feeds: dict[str, Tensor]) -> dict[str, Tensor]:
        """See :class:`Dense`."""
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in feeds.items():
            modality, _, part = name.partition(".")
            parts.setdefault(modality, {})[part] = tensor
        present = {m: own.pop(PRESENT) for m, own in parts.items()}
        where = torch.ones_like(next(iter(present.values())), dtype=torch.int64).cumsum(0) - 1  # (n,)
        trunk = self.model.trunk({m: (where, own) for m, own in parts.items()}, where.shape[0], None, present)
        logits, _ = self.model.outputs(trunk)
        return self._judged(self._filled(logits))

    def _filled(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits that heed predictions of the other tasks, where the model was trained to."""
        if self.model.others is None or not self.model.others.fill:
            return logits
        n = next(iter(logits.values())).shape[0]
        known = {
            t.name: torch.from_numpy(t.missing(1)).repeat(n, *[1] * (t.missing(1).ndim - 1))
            for t in self.model.tasks
        }
        others = self.model.others
        return others(logits, others.vectors(logits, known, self.headed))  # type: ignore[arg-type]

    def _judged(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {}
        for task, head in self.headed:
            kind, z = KINDS[task.kind], logits[task.name]
            found[task.name] = kind.outputs(task, z, head.seen)
            if task.loss or task.sampling:
                found[decided(task.name)] = kind.decisions(task, z, head.seen)
        return found


@dataclass(frozen=True)
class Known:
    """What outputs need of a head."""

    seen: Seen


class SumOfRows(nn.Module):
    """An ``EmbeddingBag`` of mode sum with its last offset: other runtimes loop over the rows of one, or have none."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)

    def forward(self, ids: Tensor, offsets: Tensor) -> Tensor:
        """``(m,), (b + 1,)`` → ``(b, dim)``."""
        ends = offsets[1:]
        steps = torch.zeros_like(ids, dtype=torch.int64)
        steps = torch.cat([steps, steps.new_zeros(1)]).scatter_add(0, ends, torch.ones_like(ends))
        row = steps.cumsum(0)[:-1]  # (m,): how many rows end before
        out = self.weight.new_zeros(ends.shape[0] + 1, self.weight.shape[1])
        found = self.weight[ids.long()]
        return out.scatter_add(0, row[:, None].expand_as(found), found)[:-1]


def decided(task: str) -> str:
    """The name of what predictions are read off, where that is not the task's output."""
    return f"{task}.decided"

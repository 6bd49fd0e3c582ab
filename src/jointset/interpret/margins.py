"""What a model says of each row's own label, as one number that a step of its parameters moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from jointset.interpret.gradients import RowGradients, row_gradients
from jointset.models.inputs import Inputs
from jointset.models.joint import JointModel
from jointset.records import Floats, Ints, Task
from jointset.tasks import KINDS
from jointset.tasks.head import Head


def margin(task: Task, head: Head, logits: Tensor, labels: Tensor) -> Tensor:
    """Per row ``(b,)``, of logits ``(b, outputs)`` and labels ``(b, …)``, all of them known.

    Classes: log p / (1 − p) of the label's probability p, whose log-loss is log(1 + e^−margin) exactly, whatever the
    number of classes (Park et al. 2023, TRAK). Label sets: the same of the product over their labels. Numbers:
    the predicted value, standardised.
    """
    z = KINDS[task.kind].calibrated(task, logits, head.seen)
    if task.kind == "regression":
        return z[:, 0]
    if task.kind == "multilabel":
        each = F.softplus(torch.where(labels == 1, -z, z)) * (labels >= 0)
        return -each.sum(1).clamp(min=1e-7).expm1().log()
    own = labels.long()[:, None]
    others = z.scatter(1, own, -torch.inf)
    return z.gather(1, own)[:, 0] - others.logsumexp(1)


def row_margins(
    model: JointModel, inputs: Inputs, rows: Ints, task: str, labels: NDArray[Any]
) -> tuple[RowGradients, Floats]:
    """The :func:`margin` of each of ``rows`` ``(m,)`` and its gradients; see :func:`row_gradients`."""
    values: list[Tensor] = []

    def total(task: Task, head: Head, logits: Tensor, labels: Tensor) -> Tensor:
        found = margin(task, head, logits, labels)
        values.append(found.detach())
        return found.sum()

    gradients = row_gradients(model, inputs, rows, task, labels, quantity=total)
    return gradients, torch.cat(values).double().numpy() if values else np.zeros(0)

"""Integrated gradients of tables and of bags of n-grams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jointset.errors import DataError
from jointset.interpret.target import Target
from jointset.models.inputs import Batch
from jointset.models.joint import JointModel
from jointset.records import Floats
from jointset.tasks import KINDS

STEPS = 32
MOST = 2048
TOLERANCE = 0.01
READ = ("tabular", "text")


@dataclass(frozen=True)
class Gradients:
    """Attributions of one row.

    ``numbers`` ``(2 d,)`` are those of the prepared numbers and of their missing indicators, ``categories`` ``(c,)``
    of the embedded columns, ``grams`` ``(m,)`` of the n-grams ``ids`` ``(m,)`` of a text. Together they are
    ``difference``, the target of the row minus that of the baseline, but for ``gap`` (completeness, Sundararajan et
    al. 2017, prop. 1)."""

    numbers: Floats
    categories: Floats
    grams: Floats
    ids: np.ndarray[tuple[int], np.dtype[np.int64]]
    difference: float
    gap: float


def integrated_gradients(
    model: JointModel, batch: Batch, target: Target, *, steps: int = STEPS, tolerance: float = TOLERANCE
) -> Gradients:
    """Attribute the target of one row to its inputs (Sundararajan, Taly and Yan 2017, eq. 1).

    The baseline is what says nothing: numbers at their mean, not missing, embeddings of categories and n-grams at
    zero. The integral is Gauss and Legendre's with ``steps`` points; they are doubled until completeness holds to
    ``tolerance`` of the difference (or of 1, if that is larger), up to 2048. Layers that normalise make the integrand
    steep near the baseline, hence the doubling. Raises ``DataError`` for inputs other than tables and bags of n-grams.
    """
    unread = [m for m in batch if m not in READ or (m == "text" and not hasattr(model.encoders[m], "bag"))]
    if unread or not batch:
        raise DataError(
            f"integrated gradients read tables and bags of n-grams, and the row has {', '.join(unread) or 'no input'}; "
            "use method='occlusion'"
        )
    model.eval()
    while True:
        found = _integral(model, batch, target, steps)
        if abs(found.gap) <= tolerance * max(1.0, abs(found.difference)) or steps >= MOST:
            return found
        steps *= 2


def _integral(model: JointModel, batch: Batch, target: Target, steps: int) -> Gradients:
    points, weights = np.polynomial.legendre.leggauss(steps)
    alpha = torch.from_numpy((points + 1) / 2).float()
    alpha = torch.cat([alpha, torch.tensor([0.0, 1.0])])  # the ends say what completeness asks for
    along = torch.cat([torch.from_numpy(weights / 2), torch.zeros(2, dtype=torch.float64)])
    many = _repeated(batch, len(alpha))
    with _Scaled(model, alpha) as scaled, torch.enable_grad():
        scaled.start(many)
        value = _value(model, many, len(alpha), target)
        grads = torch.autograd.grad(value.sum(), scaled.tensors, allow_unused=True)
    mean = [torch.zeros_like(x[0]).double() if g is None else (g.double() * along[:, None]).sum(0)
            for x, g in zip(scaled.tensors, grads, strict=True)]  # fmt: skip
    named = dict(zip(scaled.names, zip(scaled.tensors, mean, strict=True), strict=True))
    none = np.empty(0)
    numbers = none
    if "numbers" in named:
        whole = batch["tabular"][1]["numbers"][0].double()
        numbers = (whole * named["numbers"][1]).numpy()
    categories = np.array(
        [float(scaled.whole[n].double() @ g) for n, (_, g) in named.items() if n.startswith("category")]
    )
    grams, ids = _grams(model, batch, {n: g for n, (_, g) in named.items() if n.startswith("bag")})
    ends = value.detach()
    difference = float(ends[-1] - ends[-2])
    total = float(numbers.sum() + categories.sum() + grams.sum())
    return Gradients(numbers, categories, grams, ids, difference, difference - total)


def _value(model: JointModel, batch: Batch, n: int, target: Target) -> Tensor:
    logits, _ = model(batch, n)
    for task, head in model.headed():
        if task.name == target.task.name:
            return target.of_logits(KINDS[task.kind].calibrated(task, logits[task.name], head.seen))
    raise DataError(f"the model has no task {target.task.name!r}")


def _grams(
    model: JointModel, batch: Batch, grads: Mapping[str, Tensor]
) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Attribution of every n-gram: its embedding times the integrated gradient at the bag's sum."""
    values, names = [], []
    parts = [p for p in ("words", "chars") if "text" in batch and f"{p}_ids" in batch["text"][1]]
    for part, grad in zip(parts, grads.values(), strict=False):
        ids = batch["text"][1][f"{part}_ids"].long()
        table: Tensor = model.encoders["text"].bag.weight  # type: ignore[union-attr, assignment]
        values.append((table.detach()[ids].double() @ grad).numpy())
        names.append(ids.numpy())
    if not values:
        return np.empty(0), np.empty(0, np.int64)
    return np.concatenate(values), np.concatenate(names)


def _repeated(batch: Batch, n: int) -> Batch:
    """``n`` copies of the batch's only row."""
    many: Batch = {}
    for modality, (_, tensors) in batch.items():
        made = {}
        for name, x in tensors.items():
            if name.endswith("_offsets"):
                made[name] = torch.arange(n + 1) * int(x[-1] - x[0])
            else:
                made[name] = x.repeat(n, *(1,) * (x.ndim - 1)) if modality != "text" else x.repeat(n)
        many[modality] = (torch.arange(n), made)
    return many


class _Scaled:
    """While entered, embeddings come out scaled by α, row by row; ``tensors`` are what gradients are taken at."""

    def __init__(self, model: JointModel, alpha: Tensor) -> None:
        self.model, self.alpha = model, alpha
        self.names: list[str] = []
        self.tensors: list[Tensor] = []
        self.whole: dict[str, Tensor] = {}
        self.hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> _Scaled:
        for modality, encoder in self.model.encoders.items():
            for path, module in encoder.named_modules():
                if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
                    kind = "category" if modality == "tabular" else "bag"
                    self.hooks.append(module.register_forward_hook(self._hook(f"{kind} {path}")))
        return self

    def __exit__(self, *exc: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def start(self, many: Batch) -> None:
        """Scale the numbers of tables, which no module makes."""
        if "tabular" in many:
            self.names.append("numbers")
            self.tensors.append((many["tabular"][1]["numbers"] * self.alpha[:, None]).requires_grad_())
            many["tabular"][1]["numbers"] = self.tensors[0]

    def _hook(self, name: str) -> Any:
        def scale(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            own = f"{name} {len(self.names)}"
            self.whole[own] = output[0].detach()
            scaled = (output.detach() * self.alpha[:, None]).requires_grad_()
            self.names.append(own)
            self.tensors.append(scaled)
            return scaled

        return scale

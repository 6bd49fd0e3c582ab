"""Each row's gradient of linear layers, as the outer product that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from jointset.models.inputs import Inputs
from jointset.models.joint import JointModel
from jointset.records import Ints, Task, is_labelled
from jointset.tasks import KINDS
from jointset.tasks.head import Head
from jointset.training.problem import Problem

BATCH = 512

Quantity = Callable[
    [Task, Head, Tensor, Tensor], Tensor
]  # of logits (b, outputs) and labels (b, …): summed over rows


@dataclass(frozen=True)
class RowGradients:
    """By layer, the factors of the gradient of each of m rows' loss: δ_i h_iᵀ.

    ``deltas[layer]`` is ``(m, out)``; ``inputs[layer]`` ``(m, in)``, dense or, for a bag of n-grams, sparse. Weights
    and bias count together: a column of ones stands in ``inputs`` where the layer has a bias."""

    deltas: Mapping[str, NDArray[np.float32]]
    inputs: Mapping[str, Any]


def covered(model: JointModel, task: str) -> dict[str, nn.Module]:
    """The layers whose gradients factorise: the task's head, linear layers of the trunk, and the bag of n-grams."""
    found: dict[str, nn.Module] = {}
    for own, head in model.headed():
        if own.name == task and type(head).forward is nn.Linear.forward:
            found["head"] = head
    shared = {id(m) for m in model.shared_modules()}
    for path, module in model.sharing.named_modules():
        if type(module) is nn.Linear and (id(module) in shared or len(model.tasks) == 1):
            found[f"trunk {path}"] = module
    for modality, encoder in model.encoders.items():
        bag = getattr(encoder, "bag", None)
        if isinstance(bag, nn.EmbeddingBag) and modality not in model.further:
            found[f"{modality} bag"] = bag
    return found


def row_loss(task: Task, head: Head, logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of the rows' losses."""
    known = (~labels.isnan() if labels.is_floating_point() else labels >= 0).sum()
    return KINDS[task.kind].loss(task, logits, labels, torch.ones(labels.shape), head.seen) * known


def row_gradients(
    model: JointModel,
    inputs: Inputs,
    rows: Ints,
    task: str,
    labels: NDArray[Any],
    *,
    quantity: Quantity = row_loss,
) -> RowGradients:
    """Gradients of the task's loss at ``rows`` ``(m,)`` of ``inputs`` with ``labels`` ``(m, …)``, all of them known.

    Dropout and the like are off, and weights of labels are left out: it is the row's own loss, or another ``quantity``
    of the row. Layers that a row passes more than once, or not with one vector, do not factorise and are left out.
    """
    layers = covered(model, task)
    parts: dict[str, list[tuple[Any, Any]]] = {name: [] for name in layers}
    model.eval()
    for start in range(0, len(rows), BATCH):
        index = rows[start : start + BATCH]
        calls = _one_batch(model, inputs, index, task, labels[start : start + BATCH], layers, quantity)
        for name in list(parts):
            if name not in calls:
                del parts[name]
            else:
                parts[name].append(calls[name])
    return RowGradients(
        {n: np.concatenate([d for _, d in found]) for n, found in parts.items() if found},
        {n: _stacked([a for a, _ in found]) for n, found in parts.items() if found},
    )


def labelled_rows(problem: Problem, task: str, rows: Ints) -> Ints:
    """Those of ``rows`` that have a label of the task with a weight."""
    y, w = problem.labels[task][rows], problem.weights[task][rows]
    known = is_labelled(y) & ((w > 0).any(1) if w.ndim == 2 else w > 0)
    return rows[known]


def _one_batch(
    model: JointModel,
    read: Inputs,
    index: Ints,
    task: str,
    labels: NDArray[Any],
    layers: Mapping[str, nn.Module],
    quantity: Quantity,
) -> dict[str, tuple[Any, NDArray[np.float32]]]:
    seen: dict[str, list[tuple[Any, Tensor]]] = {n: [] for n in layers}

    def hook(name: str) -> Any:
        def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name].append((inputs, output))

        return keep

    hooks = [m.register_forward_hook(hook(n)) for n, m in layers.items()]
    try:
        with torch.enable_grad():
            batch = read.batch(index)
            logits, _ = model(batch, len(index))
            y = torch.from_numpy(np.ascontiguousarray(labels))
            own, head = next(h for h in model.headed() if h[0].name == task)
            total = quantity(own, head, logits[task], y)
            usable = {n: _fits(found, batch, n, len(index)) for n, found in seen.items() if found}
            flat = [(n, output) for n, found in seen.items() if usable.get(n) for _, output in found]
            grads = torch.autograd.grad(total, [x for _, x in flat], allow_unused=True) if flat else ()
    finally:
        for h in hooks:
            h.remove()
    arrived: dict[str, list[Tensor]] = {}
    for (name, x), g in zip(flat, grads, strict=True):
        arrived.setdefault(name, []).append(torch.zeros_like(x) if g is None else g)
    return {n: _factors(layers[n], seen[n], g, batch, n, len(index)) for n, g in arrived.items()}


def _fits(found: list[tuple[Any, Tensor]], batch: Any, name: str, n: int) -> bool:
    if name.endswith(" bag"):
        return len(found) == len([p for p in batch[name[:-4]][1] if p.endswith("_ids")])
    return len(found) == 1 and found[0][1].ndim == 2 and len(found[0][1]) == n and found[0][1].requires_grad


def _factors(
    layer: nn.Module, seen: list[tuple[Any, Tensor]], grads: list[Tensor], batch: Any, name: str, n: int
) -> tuple[Any, NDArray[np.float32]]:
    if not name.endswith(" bag"):
        x = seen[0][0][0].detach()
        ones = x.new_ones(len(x), 1) if getattr(layer, "bias", None) is not None else x.new_zeros(len(x), 0)
        return torch.cat([x, ones], 1).numpy(), grads[0].numpy()
    # Words and characters are sums in one table: δ of both is the same vector, but for the scale of each bag.
    where = batch[name[:-4]][0].numpy()
    size: int = layer.num_embeddings  # type: ignore[assignment]
    delta = np.zeros((n, grads[0].shape[1]), np.float32)
    lengths = torch.stack([g.norm(dim=1) for g in grads])  # (parts, m)
    delta[where] = (grads[0] / lengths[0].clamp(min=1e-20)[:, None]).numpy()
    total = sparse.csr_matrix((n, size), dtype=np.float32)
    for (inputs, _), length in zip(seen, lengths, strict=True):
        ids, offsets = inputs[0].numpy(), inputs[1].numpy()
        value = np.repeat(length.numpy(), np.diff(offsets))
        place = np.repeat(where, np.diff(offsets))
        total = total + sparse.csr_matrix((value, (place, ids)), shape=(n, size))
    return total, delta


def _stacked(parts: list[Any]) -> Any:
    return sparse.vstack(parts).tocsr() if sparse.issparse(parts[0]) else np.concatenate(parts)

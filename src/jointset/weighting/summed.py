"""The step of a method on losses: one backward pass of a sum, out of which a task with a bad gradient is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from jointset.weighting.base import LossWeighting, State
from jointset.weighting.gradients import accumulate, finite

UNSOUND = "the gradient is not finite"


@dataclass(frozen=True)
class Descent:
    """The sum, the weighting's next state, and the tasks that were left out, with the reason."""

    total: Tensor
    state: State
    absent: dict[str, str] = field(default_factory=dict)


def descend(
    losses: Mapping[str, Tensor],
    weighting: LossWeighting,
    state: State,
    *,
    leaves: Sequence[Tensor],
    penalty: Tensor | None = None,
    recover: bool = True,
    scaler: torch.amp.GradScaler | None = None,
) -> Descent:
    """Add the gradient of the weighted sum, and of ``penalty``, to ``.grad``, without tasks whose own is not finite.

    The pass is made as if all were well, and looked at afterwards: a sum that is not finite is taken back and, with
    ``recover``, made again without those tasks that are to blame. If that does not help, no gradient is left.

    >>> from jointset.weighting import Equal
    >>> w = torch.ones(1, requires_grad=True)
    >>> losses = {"a": (2 * w).sum(), "b": (w - 1).sum().sqrt()}
    >>> descend(losses, Equal(), {}, leaves=[w]).absent, w.grad
    ({'b': 'the gradient is not finite'}, tensor([2.]))
    """
    recover = recover and scaler is None  # a scaler wants to see what is not finite
    held = [*leaves, *(t for t in state.values() if t.requires_grad)]
    before = [(p, p.grad) for p in held if p.grad is not None]
    present = dict(losses)
    for attempt in range(2 if recover else 1):
        _forget(held)
        total, after = weighting.step(present, state)
        whole = total if penalty is None else total + penalty
        scaled = whole if scaler is None else scaler.scale(whole)
        scaled.backward(retain_graph=recover and not attempt)
        if finite(p.grad for p in held):
            accumulate((p, grad) for p, grad in before)
            return Descent(whole.detach(), after, {n: UNSOUND for n in losses if n not in present})
        if recover and not attempt:
            present = {n: x for n, x in present.items() if _sound(x, leaves)}
            if not present or len(present) == len(losses):
                break
    _forget(held)
    accumulate((p, grad) for p, grad in before)
    return Descent(whole.detach(), state, dict.fromkeys(losses, UNSOUND))


def _sound(loss: Tensor, leaves: Sequence[Tensor]) -> bool:
    return finite(torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True))


def _forget(leaves: Sequence[Tensor]) -> None:
    for leaf in leaves:
        leaf.grad = None

"""The direction in which predictions change most, found by gradient (virtual adversarial, Miyato et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from jointset.records import Floats

SMALL = 0.1  # length of the trial step, in deviations of the features

Logits = Callable[[Tensor], Mapping[str, Tensor]]


def perturbed(x: Tensor, logits: Logits, strength: Floats) -> Tensor:
    """Features ``(b, width)`` moved by ``strength`` (b,) deviations in the direction of the largest change.

    One step of the power method (Miyato et al. 2018, eq. 12–13) on the sum over tasks of the squared difference of
    logits, which for small steps orders directions as the divergence does for even classes, and serves numbers too.
    Deviation: the moved row is learnt with its own label, instead of with the model's prediction, so that it costs no
    further loss.

    >>> weight = torch.tensor([[1.0], [0.0]])
    >>> x = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, -1.0]])
    >>> moved = perturbed(x, lambda z: {"t": z @ weight}, torch.tensor([1.0, 0.0, 0.0]).numpy())
    >>> bool((moved - x)[0, 0].abs() > 100 * (moved - x)[0, 1].abs()), bool((moved[1:] == x[1:]).all())
    (True, True)
    """
    base = x.detach()
    scale = base.std(0, unbiased=False).mean().clamp(min=1e-6) * base.shape[1] ** 0.5
    direction = torch.nn.functional.normalize(torch.randn_like(base), dim=1)
    with torch.enable_grad():
        trial = (SMALL * scale * direction).requires_grad_()
        before = {t: z.detach() for t, z in logits(base).items()}
        change = torch.stack([(z - before[t]).square().sum() for t, z in logits(base + trial).items()]).sum()
        (gradient,) = torch.autograd.grad(change, trial)
    size = torch.from_numpy(strength).to(x.dtype)[:, None] * scale / base.shape[1] ** 0.5
    return x + size * torch.nn.functional.normalize(gradient.detach(), dim=1)

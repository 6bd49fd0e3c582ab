"""LibMTL's weights and updates, out of its weighting classes on a linear model without a trainer."""

from __future__ import annotations

import random
import sys
from functools import partial
from importlib.metadata import version
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

for name in ("torchvision", "torchvision.models", "torchvision.models.utils"):  # for its image models alone
    sys.modules.setdefault(name, mock.MagicMock())
from LibMTL import weighting as lib  # noqa: E402

PEER = f"LibMTL {version('LibMTL')}"
Record = dict[str, Any]


def records(cases: dict[str, Any], sequence: dict[str, Any]) -> list[Record]:
    """Everything LibMTL has that we have too."""
    found = []
    for case, given in cases.items():
        jacobian, losses = (torch.tensor(given[k], dtype=torch.float32) for k in ("jacobian", "losses"))
        found += [{"peer": PEER, "case": case, **record} for record in _all(jacobian, losses)]
    return [*found, {"peer": PEER, "case": "sequence", **_dwa(sequence)}]


class Driven:
    """A weighting with what it expects of a trainer: tasks whose losses are g_i · θ + L_i, at θ = 0."""

    def __init__(self, method: str, jacobian: Tensor, losses: Tensor) -> None:
        self.theta = nn.Parameter(torch.zeros(jacobian.shape[1]))
        self.losses = jacobian @ self.theta + losses
        self.method = getattr(lib, method)()
        self.method.task_num, self.method.task_name = len(losses), [str(i) for i in range(len(losses))]
        self.method.device, self.method.rep_grad, self.method.epoch = torch.device("cpu"), False, 0
        self.method.get_share_params = lambda: [self.theta]
        self.method.zero_grad_share_params = lambda: self.theta.grad.zero_()
        self.method.init_param()

    def update(self, **options: Any) -> Tensor:
        """The gradient that is left at θ."""
        self.method.backward(self.losses, **options)
        return self.theta.grad.detach().clone()


def _all(jacobian: Tensor, losses: Tensor) -> list[Record]:
    k = len(losses)
    plain: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
        ("equal", {}, "EW", {}),
        ("uncertainty", {"squared": True, "start": -0.5}, "UW", {}),
        ("gls", {}, "GLS", {}),
        ("imtl_g", {}, "IMTL", {}),
    ]
    if k == 3:  # its CAGrad is written for three tasks
        plain += [
            ("cagrad", {"c": c, "scale": 1 + c * c}, "CAGrad", {"calpha": c, "rescale": 1})
            for c in (0.1, 0.5)
        ]
    if k == 2:  # with more its Frank-Wolfe stops at 1e-5 of change, and not at the minimum
        plain += [
            ("mgda", {"normalize": n, "divided": True}, "MGDA", {"mgda_gn": n})
            for n in ("none", "l2", "loss", "loss+")
        ]
    rows = []
    for method, options, name, given in plain:
        with mock.patch("LibMTL.weighting.CAGrad.minimize", partial(minimize, tol=1e-12)):
            update = Driven(name, jacobian, losses).update(**given)
        rows.append({"method": method, "options": options, "what": "update", "values": update.tolist()})
    return [*rows, *_ordered(jacobian, losses), _random(jacobian, losses), _gradnorm(jacobian, losses)]


def _ordered(jacobian: Tensor, losses: Tensor) -> list[Record]:
    rows = []
    for method, name, given in (("pcgrad", "PCGrad", {}), ("gradvac", "GradVac", {"beta": 0.5})):
        orders: list[list[int]] = []
        generator = random.Random(3)

        def shuffle(items: list[int], generator: random.Random = generator, orders: Any = orders) -> None:
            generator.shuffle(items)
            own = len(orders)
            if own in items:  # PCGrad projects a gradient onto itself, which changes nothing
                items.remove(own)
            orders.append(list(items))

        with mock.patch("random.shuffle", shuffle):
            update = Driven(name, jacobian, losses).update(**given)
        row = {"method": method, "options": {}, "what": "update", "values": update.tolist()}
        rows.append({**row, "orders": orders})
    return rows


def _random(jacobian: Tensor, losses: Tensor) -> Record:
    torch.manual_seed(5)
    drawn = torch.randn(len(losses))
    with mock.patch("torch.distributions.normal.Normal.sample", lambda self: drawn):
        update = Driven("RLW", jacobian, losses).update(dist="Normal")
    row = {"method": "rlw", "options": {}, "what": "update", "values": update.tolist()}
    return {**row, "normal": drawn.tolist()}


def _gradnorm(jacobian: Tensor, losses: Tensor) -> Record:
    """The gradient of GradNorm's objective in its logits, over the mean length."""
    driven = Driven("GradNorm", jacobian, losses)
    first = (losses * torch.linspace(1.0, 2.0, len(losses))).numpy()
    driven.method.epoch, driven.method.train_loss_buffer = 1, np.stack([first, first], axis=1)
    driven.update(alpha=1.5)
    mean = jacobian.norm(dim=1).mean()
    slope = driven.method.loss_scale.grad / mean
    row = {"method": "gradnorm", "options": {"alpha": 1.5}, "what": "slope", "values": slope.tolist()}
    return {**row, "first": first.tolist()}


def _dwa(sequence: dict[str, Any]) -> Record:
    losses = np.array(sequence["losses"], dtype=np.float32)
    means = losses.reshape(-1, 4, losses.shape[1]).mean(axis=1)  # (epoch, task)
    weights = []
    for step, given in enumerate(losses):
        driven = Driven("DWA", torch.eye(len(given)), torch.from_numpy(given))
        driven.method.epoch, driven.method.train_loss_buffer = step // 4, means.T
        weights.append(driven.update(T=2.0).tolist())
    return {"method": "dwa", "options": {"window": 4}, "what": "weights", "values": weights}

"""One training step of each side: the plain sum, ours, and the peers', on the same model."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor, nn

from bench.speed.problems import Problem
from jointset.weighting import WEIGHTINGS, backward
from jointset.weighting.shared import Shared

Step = Callable[[], None]
METHODS = ("upgrad", "mgda", "pcgrad", "cagrad", "nash_mtl")


def plain(problem: Problem) -> Step:
    """``sum(losses).backward()``."""
    return lambda: torch.stack(problem.losses(problem.trunk(problem.inputs))).sum().backward()


def ours(problem: Problem, way: str, method: str) -> Step:
    """``jointset.weighting.backward``."""
    weighting, names = WEIGHTINGS[method](), [str(k) for k in range(len(problem.heads))]
    shared, kept = Shared(problem.trunk), {"state": weighting.init(names)}
    rows = problem.owners() if way == "rows" else None

    def step() -> None:
        losses = problem.losses(problem.trunk(problem.inputs))
        done = backward(losses, weighting=weighting, shared=shared, way=way, rows=rows, **kept)
        if done.way != way:
            raise RuntimeError(f"{way} was asked for, and {done.way} was taken: {done.note}")
        kept["state"] = done.state

    return step


def autojac(problem: Problem, method: str) -> Step:
    """TorchJD: the Jacobian of the losses below the features, then its aggregation."""
    from torchjd import aggregation
    from torchjd.autojac import jac_to_grad, mtl_backward

    aggregator = getattr(aggregation, method)()
    shared = list(problem.trunk.parameters())

    def step() -> None:
        z = problem.trunk(problem.inputs)
        mtl_backward(problem.losses(z), features=z, shared_params=shared)
        jac_to_grad(shared, aggregator, optimize_gramian_computation=True)

    return step


def autogram(problem: Problem, method: str) -> Step:
    """TorchJD: the Gramian of the losses over the trunk, then a second backward pass."""
    from torchjd import aggregation
    from torchjd.autogram import Engine

    weighting = getattr(aggregation, f"{method}Weighting")()
    engine = Engine(problem.trunk, batch_dim=None)

    def step() -> None:
        losses = torch.stack(problem.losses(problem.trunk(problem.inputs)))
        losses.backward(weighting(engine.compute_gramian(losses)))

    return step


def libmtl(problem: Problem, method: str, *, at_features: bool) -> Step:
    """LibMTL: its architecture and weighting, out of its trainer, which knows graphics cards only."""
    for name in (
        "torchvision",
        "torchvision.models",
        "torchvision.models.utils",
    ):  # for its image models alone
        sys.modules.setdefault(name, mock.MagicMock())
    from LibMTL import weighting
    from LibMTL.architecture import HPS

    random.seed(0)  # of its PCGrad

    class Model(HPS, getattr(weighting, method)):  # type: ignore[misc]
        pass

    names = [str(k) for k in range(len(problem.heads))]
    decoders = nn.ModuleDict(zip(names, problem.heads, strict=True))
    model = Model(names, lambda: problem.trunk, decoders, at_features, False, torch.device("cpu"))
    model.init_param()
    # its gradients have to be there to be replaced, as torch left them when it was written
    model.zero_grad_share_params = lambda: problem.trunk.zero_grad(set_to_none=False)

    def step() -> None:
        z = problem.trunk(problem.inputs)
        read = [model._prepare_rep(z, name, False) for name in names]
        losses = [losses_of(problem, r, k) for k, r in enumerate(read)]
        model.backward(losses, mgda_gn="none")

    return step


def losses_of(problem: Problem, z: Tensor, k: int) -> Tensor:
    """The loss of task k out of its own copy of the features."""
    rows = slice(None) if problem.rows is None else problem.rows[k]
    return nn.functional.cross_entropy(problem.heads[k](z[rows]), problem.labels[k][rows])


def sides(way: str, *, peers: bool) -> dict[str, Callable[[Problem], Step]]:
    """What is timed for a way, by name."""
    found: dict[str, Callable[[Problem], Step]] = {
        f"ours {m}": (lambda p, m=m: ours(p, way, m)) for m in METHODS
    }
    if not peers:
        return found
    if way == "features":
        return found | {"LibMTL MGDA": lambda p: libmtl(p, "MGDA", at_features=True)}
    return found | {
        "TorchJD autojac UPGrad": lambda p: autojac(p, "UPGrad"),
        "TorchJD autojac MGDA": lambda p: autojac(p, "MGDA"),
        "TorchJD autojac PCGrad": lambda p: autojac(p, "PCGrad"),
        "TorchJD autogram UPGrad": lambda p: autogram(p, "UPGrad"),
        "LibMTL MGDA": lambda p: libmtl(p, "MGDA", at_features=False),
        "LibMTL PCGrad": lambda p: libmtl(p, "PCGrad", at_features=False),
    }

"""torchjd's weights and updates."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from itertools import pairwise
from typing import Any
from unittest import mock

import cvxpy as cp
import numpy as np
import torch
from torch import Tensor
from torchjd import aggregation as agg
from torchjd import scalarization as scal
from torchjd.linalg import DualConeProjector

PEER = f"torchjd {version('torchjd')}"
Record = dict[str, Any]


class Clarabel(DualConeProjector):
    """torchjd's projection problem, min vᵀGv over v ≥ u, by Clarabel."""

    def __call__(self, U: Tensor, G: Tensor) -> Tensor:
        values, vectors = np.linalg.eigh(G.numpy())
        root = (vectors * np.sqrt(np.maximum(values, 0))).T

        def project(u: np.ndarray) -> np.ndarray:
            v = cp.Variable(len(u))
            cp.Problem(cp.Minimize(cp.sum_squares(root @ v)), [v >= u]).solve(cp.CLARABEL)
            return v.value

        return torch.from_numpy(np.apply_along_axis(project, -1, U.numpy())).to(G)


def _clarabel_for_ecos() -> None:
    """torchjd's Nash-MTL names its solver; hand its problems to Clarabel."""
    original = cp.Problem.solve

    def solve(problem: cp.Problem, solver: str, **options: Any) -> Any:
        options.pop("max_iters", None)
        return original(problem, solver=cp.CLARABEL if solver == "ECOS" else solver, **options)

    cp.Problem.solve = solve
    for part in vars(import_module(agg.NashMTL.__module__)).values():
        if hasattr(part, "_REQUIRED_DEPS"):
            part._REQUIRED_DEPS = []


def records(cases: dict[str, Any], sequence: dict[str, Any]) -> list[Record]:
    """Everything torchjd has that we have too."""
    _clarabel_for_ecos()
    found = []
    for case, given in cases.items():
        jacobian, losses = (torch.tensor(given[k], dtype=torch.float64) for k in ("jacobian", "losses"))
        found += [{"peer": PEER, "case": case, **r} for r in _gradients(jacobian) + _losses(losses)]
    return found + [{"peer": PEER, "case": "sequence", **r} for r in _sequences(sequence)]


def _gradients(jacobian: Tensor) -> list[Record]:
    gramian = jacobian @ jacobian.T
    k = len(jacobian)
    half = np.linspace(0.5, 1.5, k).round(3).tolist()
    weighted = torch.tensor(half, dtype=torch.float64) / k
    weightings: list[tuple[str, dict[str, Any], Callable[[Tensor], Tensor]]] = [
        ("upgrad", {}, agg.UPGradWeighting(projector=Clarabel())),
        ("upgrad", {"weights": half}, agg.UPGradWeighting(weighted, projector=Clarabel())),
        ("dualproj", {}, agg.DualProjWeighting(projector=Clarabel())),
        ("dualproj", {"weights": half}, agg.DualProjWeighting(weighted, projector=Clarabel())),
        ("mgda", {}, agg.MGDAWeighting(epsilon=1e-9, max_iters=200_000)),
        ("imtl_g", {}, agg.IMTLGWeighting()),
        *(
            ("aligned_mtl", {"scale": s}, agg.AlignedMTLWeighting(scale_mode=s))
            for s in ("min", "median", "rmse")
        ),
        *(("cagrad", {"c": c}, agg.CAGradWeighting(c=c, norm_eps=1e-12)) for c in (0.1, 0.5, 1.0)),
        *(
            ("fairgrad", {"alpha": a}, agg.FairGradWeighting(alpha=a, max_iters=2000))
            for a in (0.5, 1.0, 2.0)
        ),
    ]
    rows = [
        {"method": m, "options": o, "what": "weights", "values": w(gramian).tolist()}
        for m, o, w in weightings
    ]
    config = agg.ConFIG()(jacobian)
    rows.append({"method": "config", "options": {}, "what": "update", "values": config.tolist()})
    nash = agg.NashMTL(n_tasks=k, max_norm=0.0, optim_niter=200)
    torch.set_default_dtype(torch.float64)
    weights = nash.weighting(jacobian).tolist()
    rows.append({"method": "nash_mtl", "options": {}, "what": "weights", "values": weights})
    return rows + _ordered(gramian) + _dropped(jacobian)


def _ordered(gramian: Tensor) -> list[Record]:
    """Methods that visit the tasks in an order: with the order that was drawn."""
    drawn: list[list[int]] = []
    original = torch.randperm

    def randperm(n: int, **options: Any) -> Tensor:
        found = original(n, **options)
        drawn.append(found.tolist())
        return found

    rows = []
    for method, weighting in (("pcgrad", agg.PCGradWeighting()), ("gradvac", agg.GradVacWeighting(eps=0.0))):
        drawn.clear()
        with mock.patch("torch.randperm", randperm):
            weights = weighting(gramian)
        orders = [
            [j for j in order if j != i] if method == "pcgrad" else [j + (j >= i) for j in order]
            for i, order in enumerate(drawn)
        ]
        rows.append(
            {"method": method, "options": {}, "what": "weights", "values": weights.tolist(), "orders": orders}
        )
    return rows


def _dropped(jacobian: Tensor) -> list[Record]:
    drawn = torch.rand(jacobian.shape[1], dtype=torch.float64)
    leak = [0.25] * len(jacobian)
    rows = []
    for options, graddrop in (
        ({}, agg.GradDrop()),
        ({"leak": leak}, agg.GradDrop(leak=torch.tensor(leak, dtype=torch.float64))),
    ):
        with mock.patch("torch.rand", lambda *_, **__: drawn):
            update = graddrop(jacobian)
        row = {"method": "graddrop", "options": options, "what": "update", "values": update.tolist()}
        rows.append({**row, "uniform": drawn.tolist()})
    return rows


def _losses(losses: Tensor) -> list[Record]:
    k = len(losses)
    ideal, weights = [0.01] * k, np.linspace(0.5, 1.5, k).round(3).tolist()
    lam, point = torch.tensor(weights, dtype=torch.float64) / k, torch.tensor(ideal, dtype=torch.float64)
    scalarizers = [
        ("equal", {}, scal.Sum()),
        ("gls", {}, scal.GeometricMean()),
        ("stch", {"mu": 0.1}, scal.STCH(0.1)),
        ("stch", {"mu": 0.5, "weights": weights, "ideal": ideal}, scal.STCH(0.5, lam, point)),
        ("imtl_l", {}, scal.IMTLL(k).double()),
        ("famo", {}, scal.FAMO(k).double()),
        ("uncertainty", {"squared": True}, scal.UW(k).double()),
    ]
    rows = []
    for method, options, scalarizer in scalarizers:
        values = losses.clone().requires_grad_()
        total = scalarizer(values)
        (slope,) = torch.autograd.grad(total, values)
        row = {
            "method": method,
            "options": options,
            "what": "total",
            "values": [total.item(), *slope.tolist()],
        }
        rows.append(row)
    return rows


def _sequences(sequence: dict[str, Any]) -> list[Record]:
    jacobians = torch.tensor(sequence["jacobians"], dtype=torch.float64)
    losses = torch.tensor(sequence["losses"], dtype=torch.float64)
    k = losses.shape[1]
    modo, sdm = agg.MoDoWeighting(gamma=0.1, rho=0.1), agg.SDMGradWeighting()
    excess = agg.ExcessMTLWeighting(robust_step_size=0.01, n_warmup_steps=3)
    gramians = [j @ j.T for j in jacobians]
    crossed = [a @ b.T for a, b in pairwise(jacobians)]
    large = 1e6  # SDMGrad has no scale but 1e-8, which its long steps would make 1e-4 of
    rows = [
        _row("modo", {"gamma": 0.1, "rho": 0.1}, [modo(g) for g in gramians]),
        _row("sdmgrad", {}, [sdm(large * g) for g in gramians]),
        _row("excess_mtl", {"rate": 0.01, "warmup": 3}, [excess(j) for j in jacobians]),
    ]
    modo.reset(), sdm.reset()
    rows += [
        _row("modo", {"gamma": 0.1, "rho": 0.1}, [modo(g) for g in crossed], crossed=True),
        _row("sdmgrad", {}, [sdm(large * g) for g in crossed], crossed=True),
    ]
    famo, dwa = scal.FAMO(k).double(), scal.DWA()
    shares, rates = [], []
    for step, given in enumerate(losses):
        if step:
            famo.update(given)
        values = given.clone().requires_grad_()
        shares.append(torch.autograd.grad(famo(values), values)[0])
        values = given.clone().requires_grad_()
        rates.append(torch.autograd.grad(dwa(values), values)[0])
        if step % 4 == 3:
            dwa.step()
    rows += [_row("famo", {}, shares), _row("dwa", {"window": 4}, rates)]
    return rows


def _row(method: str, options: dict[str, Any], weights: list[Tensor], **more: Any) -> Record:
    values = torch.stack(weights).detach().tolist()
    return {"method": method, "options": options, "what": "weights", "values": values, **more}

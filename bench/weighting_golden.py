"""Weights of the peers on fixed gradients, kept as golden values, and how far ours are from them.

    PEERS_PYTHON bench/weighting_golden.py make       # writes tests/weighting/golden.json
    python bench/weighting_golden.py                  # compares: one row a method and peer

``make`` needs torchjd, LibMTL and cvxpy with Clarabel (the solvers that torchjd asks for by name, quadprog and ECOS,
are under the GPL; Clarabel takes their place behind torchjd's own problems).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "weighting" / "golden.json"
STEPS = 12
Record = dict[str, Any]


def cases() -> dict[str, dict[str, Any]]:
    """Gradients (k, P) and losses (k,) by name."""
    rng = np.random.default_rng(7)
    found = {
        "two": ([[1.0, 2.0, -0.5], [1.5, -1.0, 0.5]], [0.7, 1.3]),
        "three": ([[1.0, 0.2, 0.0, -0.4], [-0.6, 1.0, 0.3, 0.0], [0.2, -0.3, 1.0, 0.5]], [0.4, 2.0, 1.1]),
        "scaled": ([[0.1, 0.05, 0.0, 0.02], [-0.5, 1.0, 0.2, 0.4], [3.0, -4.0, 6.0, 1.0]], [0.05, 1.0, 9.0]),
        "eight": (rng.normal(size=(8, 24)).round(3).tolist(), rng.uniform(0.2, 2.0, 8).round(3).tolist()),
    }
    return {name: {"jacobian": j, "losses": losses} for name, (j, losses) in found.items()}


def sequence() -> dict[str, Any]:
    """Gradients (steps, k, P) and losses (steps, k) of a run of three tasks, for methods with a state."""
    rng = np.random.default_rng(11)
    common, own = rng.normal(size=(1, 1, 12)), rng.normal(size=(1, 3, 12))
    jacobians = (0.5 * common + own + 0.5 * rng.normal(size=(STEPS, 3, 12))) / np.sqrt(12)
    fall = np.exp(-np.array([0.02, 0.05, 0.1]) * np.arange(STEPS)[:, None])
    losses = np.array([1.0, 0.5, 3.0]) * fall * rng.uniform(0.9, 1.1, (STEPS, 3))
    return {"jacobians": jacobians.round(4).tolist(), "losses": losses.round(4).tolist()}


def make() -> None:
    """Ask the peers, and write what they say."""
    sys.path.insert(0, str(ROOT / "bench"))
    from weighting_peers import libmtl_says, torchjd_says

    torch.manual_seed(0)
    records = libmtl_says.records(cases(), sequence()) + torchjd_says.records(cases(), sequence())
    lines = ",\n".join("  " + json.dumps(record) for record in records)
    head = json.dumps({"cases": cases(), "sequence": sequence()})[:-1]
    GOLDEN.write_text(f'{head}, "records": [\n{lines}\n]}}\n')
    print(f"{len(records)} records in {GOLDEN.relative_to(ROOT)}")


def difference(record: Record, golden: dict[str, Any]) -> float:
    """The largest difference of ours from a record, over the largest value of the record."""
    theirs = np.array(record["values"])
    return float(np.abs(_ours(record, golden) - theirs).max() / max(np.abs(theirs).max(), 1e-12))


def compare() -> str:
    """The table of differences."""
    golden = json.loads(GOLDEN.read_text())
    worst: dict[tuple[str, str], list[float]] = {}
    for record in golden["records"]:
        worst.setdefault((record["method"], record["peer"]), []).append(difference(record, golden))
    rows = [f"| {m} | {p} | {len(d)} | {max(d):.1e} |" for (m, p), d in sorted(worst.items())]
    return "\n".join(["| method | peer | records | largest difference |", "|---|---|---|---|", *rows])


# ------------------------------------------------------------------ ours


def _ours(record: Record, golden: dict[str, Any]) -> np.ndarray:
    method, options = _made(record, golden)
    if record["case"] == "sequence":
        return _over_steps(method, record, golden["sequence"])
    given = golden["cases"][record["case"]]
    jacobian, losses = (torch.tensor(given[k], dtype=torch.float64) for k in ("jacobian", "losses"))
    tasks = [f"t{i}" for i in range(len(losses))]
    state = method.init(tasks)
    with _drawn(record):
        if record["what"] == "slope":
            return _gradnorm_slope(method, jacobian, losses, record)
        if "start" in options:
            state = {k: torch.full_like(v, options["start"], requires_grad=True) for k, v in state.items()}
        weights, update, total = _one_step(method, jacobian, losses, tasks, state)
    if record["what"] == "weights":
        return weights
    if (
        record["what"] == "total"
    ):  # twice the log-likelihood for uncertainty's peers, which halve the loss as well
        return np.array([total, *weights])
    if options.get("divided"):  # the peer updates by the gradients as it divided them
        divisor = method._divisor(jacobian.norm(dim=1).numpy(), losses.numpy())
        update = (weights / divisor) @ jacobian.numpy()
    return update / options.get("scale", 1.0)


def _made(record: Record, golden: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Our method, and the options that are about the comparison alone."""
    from jointset.weighting import WEIGHTINGS

    options = dict(record["options"])
    about = {
        k: options.pop(k)
        for k in ("start", "scale", "divided")
        if k in options and record["method"] != "aligned_mtl"
    }
    for name in ("weights", "ideal", "leak"):
        if name in options:
            options[name] = {f"t{i}": v for i, v in enumerate(options[name])}
    if options.get("squared") is True:
        options["squared"] = [f"t{i}" for i in range(20)]
    return WEIGHTINGS[record["method"]](**options), about


def _one_step(
    method: Any, jacobian: Tensor, losses: Tensor, tasks: list[str], state: Any
) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights, update and total; NaN for what the kind of method does not say."""
    from jointset.weighting import GramianWeighting, LossWeighting

    if isinstance(method, LossWeighting):
        values = [loss.clone().requires_grad_() for loss in losses]
        total, _ = method.step(dict(zip(tasks, values, strict=True)), state)
        weights = torch.stack(torch.autograd.grad(total, values))
        return weights.numpy(), (weights @ jacobian).numpy(), total.item()
    if isinstance(method, GramianWeighting):
        weights, _ = method.weigh(jacobian @ jacobian.T, losses, tasks, state)
        return weights.numpy(), (weights @ jacobian).numpy(), float("nan")
    update, _ = method.combine(jacobian, losses, tasks, state)
    return np.full(len(tasks), np.nan), update.numpy(), float("nan")


def _over_steps(method: Any, record: Record, given: dict[str, Any]) -> np.ndarray:
    from jointset.weighting import GramianWeighting, LossWeighting

    jacobians = torch.tensor(given["jacobians"], dtype=torch.float64)
    losses = torch.tensor(given["losses"], dtype=torch.float64)
    tasks = [f"t{i}" for i in range(losses.shape[1])]
    state, found = method.init(tasks), []
    for step in range(len(record["values"])):
        if isinstance(method, LossWeighting):
            values = [loss.clone().requires_grad_() for loss in losses[step]]
            total, state = method.step(dict(zip(tasks, values, strict=True)), state)
            found.append(torch.stack(torch.autograd.grad(total, values)))
        elif isinstance(method, GramianWeighting):
            other = jacobians[step + 1] if record.get("crossed") else jacobians[step]
            weights, state = method.weigh(jacobians[step] @ other.T, losses[step], tasks, state)
            found.append(weights)
        else:  # the weights out of the update; gradients are independent
            update, state = method.combine(jacobians[step], losses[step], tasks, state)
            found.append(torch.linalg.lstsq(jacobians[step].T, update).solution)
    return torch.stack(found).numpy()


def _gradnorm_slope(method: Any, jacobian: Tensor, losses: Tensor, record: Record) -> np.ndarray:
    ratio = losses.numpy() / np.array(record["first"])
    return method._slope(np.zeros(len(losses)), jacobian.norm(dim=1).numpy(), ratio / ratio.mean())


def _drawn(record: Record) -> Any:
    """What a peer drew, in the place of our draws."""
    if "orders" in record:
        where = f"jointset.weighting.{record['method']}.visits"
        return mock.patch(where, lambda tasks, rng: np.array(record["orders"], dtype=int))
    if "uniform" in record:
        return mock.patch("torch.rand", lambda *_, **__: torch.tensor(record["uniform"], dtype=torch.float64))
    if "normal" in record:
        normal = mock.Mock(normal=lambda size: np.array(record["normal"]))
        return mock.patch("jointset.weighting.rlw.generator", lambda seed, state: normal)
    return mock.patch.dict({}, {})


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        make()
    else:
        print(compare())

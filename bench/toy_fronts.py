"""Two toy problems of the literature: does every weighting reach the Pareto front, from five starts each?

    python bench/toy_fronts.py [--only NAME …] [--steps 12000] [--workers 2] [--images docs/images] [--work FILE]

Prints one table and draws the paths. The problems: the landscape of two valleys of the CAGrad and Nash-MTL papers, and
two convex quadratic bowls of unlike shape whose scales differ by ten. θ moves by Adam with a rate that falls to zero.

The excess of an end point is the least ε so that some point of the front is at most ε better in both losses, relative
to the spread of each loss over the front; a start has reached the front below 1 %.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.toy_picture import draw  # noqa: E402
from jointset.weighting import WEIGHTINGS, GramianWeighting, LossWeighting  # noqa: E402

TASKS = ["a", "b"]
REACHED = 0.01
RATE = {"landscape": 0.03, "quadratics": 0.03}
Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """Two losses of a point (2,), their gradients (2, 2), where to begin, the window (x and y) and the front."""

    losses: Callable[[Array], Array]
    gradients: Callable[[Array], Array]
    starts: tuple[tuple[float, float], ...]
    window: tuple[float, float, float, float]
    front: Callable[[], Array]  # (n, 2) points


def landscape_losses(x: Array) -> Array:
    """As in the papers, lifted by 21 so that methods with logarithms can take part."""
    a, b = x[..., 0], x[..., 1]
    f1 = np.log(np.maximum(np.abs(0.5 * (-a - 7) - np.tanh(-b)), 5e-6)) + 6
    f2 = np.log(np.maximum(np.abs(0.5 * (-a + 3) - np.tanh(-b) + 2), 5e-6)) + 6
    up, down = np.maximum(np.tanh(0.5 * b), 0), np.maximum(np.tanh(-0.5 * b), 0)
    bowl = 0.1 * (-b - 8) ** 2
    g1, g2 = ((-a + 7) ** 2 + bowl) / 10 - 20, ((-a - 7) ** 2 + bowl) / 10 - 20
    return np.stack([f1 * up + g1 * down, f2 * up + g2 * down], axis=-1) + 21


def landscape_gradients(x: Array) -> Array:
    a, b = x
    t = np.tanh(-b)
    up, down = max(np.tanh(0.5 * b), 0.0), max(np.tanh(-0.5 * b), 0.0)
    up_b = 0.5 * (1 - np.tanh(0.5 * b) ** 2) if up > 0 else 0.0
    down_b = -0.5 * (1 - np.tanh(0.5 * b) ** 2) if down > 0 else 0.0
    rows = []
    for inside, centre in ((0.5 * (-a - 7) - t, 7.0), (0.5 * (-a + 3) - t + 2, -7.0)):
        large = abs(inside) > 5e-6
        f = np.log(max(abs(inside), 5e-6)) + 6
        f_a, f_b = (-0.5 / inside, (1 - t**2) / inside) if large else (0.0, 0.0)
        g = ((centre - a) ** 2 + 0.1 * (b + 8) ** 2) / 10 - 20
        rows.append(
            [f_a * up + (a - centre) / 5 * down, f_b * up + f * up_b + (b + 8) / 50 * down + g * down_b]
        )
    return np.array(rows)


def landscape_front() -> Array:
    """The least of every weighted sum, found on a fine grid of the lower valley."""
    a, b = np.linspace(-7, 7, 281), np.linspace(-11, -6, 1001)
    losses = landscape_losses(np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1))
    lowest = losses.sum(axis=-1).argmin(axis=1)  # both losses depend on b alike, but for a factor near 1
    return np.stack([a, b[lowest]], axis=1)


CENTRES = np.array([[-3.0, 1.0], [3.0, -2.0]])
SHAPES = np.array([[[1.0, 0.6], [0.6, 1.5]], [[20.0, -9.0], [-9.0, 6.0]]])


def quadratics_losses(x: Array) -> Array:
    apart = x[..., None, :] - CENTRES
    return 0.5 * np.einsum("...ki,kij,...kj->...k", apart, SHAPES, apart) + np.array([0.1, 1.0])


def quadratics_gradients(x: Array) -> Array:
    found: Array = np.einsum("kij,kj->ki", SHAPES, x - CENTRES)
    return found


def quadratics_front() -> Array:
    found = []
    for share in 1 / (1 + np.exp(-np.linspace(-14, 14, 801))):
        weights = np.array([share, 1 - share])
        curve = np.einsum("k,kij->ij", weights, SHAPES)
        found.append(np.linalg.solve(curve, np.einsum("k,kij,kj->i", weights, SHAPES, CENTRES)))
    return np.array([CENTRES[1], *found, CENTRES[0]])


PROBLEMS = {
    "landscape": Problem(
        landscape_losses,
        landscape_gradients,
        ((-8.5, 7.5), (-8.5, 5.0), (0.0, 0.5), (9.0, 9.0), (10.0, -8.0)),
        (-12.0, 12.0, -12.0, 12.0),
        landscape_front,
    ),
    "quadratics": Problem(
        quadratics_losses,
        quadratics_gradients,
        ((-5.0, -4.0), (5.0, 4.0), (-4.0, 4.5), (0.0, -5.0), (5.5, -0.5)),
        (-6.5, 6.5, -6.5, 6.5),
        quadratics_front,
    ),
}


def descend(name: str, problem: Problem, start: tuple[float, float], steps: int, rate: float) -> Array:
    """The path of θ, (steps + 1, 2)."""
    method = WEIGHTINGS[name]()
    state = method.init(TASKS)
    x, mean, square = np.array(start), np.zeros(2), np.zeros(2)
    path = [x]
    for step in range(1, steps + 1):
        update, state = _update(method, problem.gradients(x), problem.losses(x), state, rate)
        mean, square = 0.9 * mean + 0.1 * update, 0.999 * square + 0.001 * update**2
        length = rate * (1 - (step - 1) / steps)
        change = mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        x = x - length * change
        path.append(x)
    return np.array(path)


def _update(method: Any, jacobian: Array, losses: Array, state: Any, rate: float) -> tuple[Array, Any]:
    rows, values = torch.from_numpy(jacobian), torch.from_numpy(losses)
    if isinstance(method, LossWeighting):
        given = [v.clone().requires_grad_() for v in values]
        total, state = method.step(dict(zip(TASKS, given, strict=True)), state)
        learnt = [t for t in state.values() if t.requires_grad]
        slopes = torch.autograd.grad(total, given + learnt)
        for tensor, slope in zip(learnt, slopes[2:], strict=True):
            tensor.data -= rate * slope
        return np.array([s.item() for s in slopes[:2]]) @ jacobian, state
    if isinstance(method, GramianWeighting):
        weights, state = method.weigh(rows @ rows.T, values, TASKS, state)
        return weights.numpy() @ jacobian, state
    update, state = method.combine(rows, values, TASKS, state)
    return update.numpy(), state


def excess(losses: Array, front: Array) -> float:
    """The least share of the front's spread by which some point of the front is better in both losses."""
    spread = front.max(axis=0) - front.min(axis=0)
    return float(((losses - front) / spread).max(axis=1).min())


def judge(task: tuple[str, str, int]) -> dict[str, Any]:
    """All starts of one method on one problem."""
    name, which, steps = task
    torch.set_num_threads(1)
    problem = PROBLEMS[which]
    front = problem.losses(problem.front())
    paths = [descend(name, problem, start, steps, RATE[which]) for start in problem.starts]
    ends = [excess(problem.losses(path[-1]), front) for path in paths]
    return {"method": name, "problem": which, "excess": ends, "paths": [thinned(p) for p in paths]}


def thinned(path: Array, points: int = 60) -> list[list[float]]:
    """Points at even distances along a path, few enough for a picture."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    picks = np.searchsorted(along, np.linspace(0, along[-1], points)).clip(max=len(path) - 1)
    return path[np.unique(picks)].round(2).tolist()


def table(found: list[dict[str, Any]]) -> str:
    """One row a method: how many starts reach the front, and the excess of each end."""
    lines = [
        "| method | landscape: reached | excess of the ends, % | quadratics: reached | excess of the ends, % |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(r["method"] for r in found):
        row = f"| `{name}` |"
        for which in PROBLEMS:
            ends = next(r["excess"] for r in found if (r["method"], r["problem"]) == (name, which))
            reached = sum(e < REACHED for e in ends)
            row += f" {reached} of {len(ends)} | {', '.join(f'{max(100 * e, 0):.3g}' for e in ends)} |"
        lines.append(row)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(WEIGHTINGS))
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument(
        "--work", type=Path, help="a file of finished rows, from which an interrupted call goes on"
    )
    given = parser.parse_args()
    tasks = [(name, which, given.steps) for name in given.only for which in PROBLEMS]
    done = {}
    if given.work and given.work.is_file():
        done = {(r["method"], r["problem"]): r for r in map(json.loads, given.work.read_text().splitlines())}
    with multiprocessing.Pool(given.workers) as pool:
        for row in pool.imap_unordered(judge, [t for t in tasks if t[:2] not in done]):
            done[row["method"], row["problem"]] = row
            if given.work:
                with given.work.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    found = [done[t[:2]] for t in tasks]
    print(table(found))
    given.images.mkdir(parents=True, exist_ok=True)
    for which, problem in PROBLEMS.items():
        picture = draw(problem, [r for r in found if r["problem"] == which], REACHED)
        (given.images / f"weighting-{which}.svg").write_text(picture)


if __name__ == "__main__":
    main()

"""How long the methods take for their weights, given the gradients: one row a method.

    python bench/weighting_solvers.py [--tasks 2 8 40 100] [--repeat 30]

Gradients of 2,000 numbers in float32, with a small common part, so that nearly half of the pairs conflict, of lengths
that differ by factors. The median of the processor time, which other programs on the machine do not lengthen much. What
the gradients themselves cost is not in it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jointset.weighting import WEIGHTINGS, GramianWeighting, LossWeighting

NUMBERS = 2000


def gradients(tasks: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    rows = torch.randn(tasks, NUMBERS, generator=random) + 0.02 * torch.randn(NUMBERS, generator=random)
    return rows * torch.randn(tasks, 1, generator=random).exp()


def milliseconds(name: str, tasks: int, repeat: int) -> float:
    """The median time of a step, the state going on from step to step."""
    method, names = WEIGHTINGS[name](), [f"t{i}" for i in range(tasks)]
    state, taken = method.init(names), []
    for step in range(repeat + 3):
        jacobian = gradients(tasks, step)
        gramian, losses = (
            jacobian @ jacobian.T,
            torch.rand(tasks, generator=torch.Generator().manual_seed(step)) + 0.1,
        )
        given = {n: loss.clone().requires_grad_() for n, loss in zip(names, losses, strict=True)}
        started = time.process_time()
        if isinstance(method, LossWeighting):
            total, state = method.step(given, state)
            total.backward()
        elif isinstance(method, GramianWeighting):
            _, state = method.weigh(gramian, losses, names, state)
        else:
            _, state = method.combine(jacobian, losses, names, state)
        taken.append(time.process_time() - started)
    return 1000 * statistics.median(taken[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, nargs="*", default=[2, 8, 40, 100])
    parser.add_argument("--repeat", type=int, default=30)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| method | sees | {' | '.join(f'{k} tasks, ms' for k in given.tasks)} |")
    print("|---|---|" + "---|" * len(given.tasks))
    for name, cls in WEIGHTINGS.items():
        sees = next(k for k, base in KINDS.items() if issubclass(cls, base))
        times = [milliseconds(name, k, given.repeat) for k in given.tasks]
        print(f"| {name} | {sees} | {' | '.join(f'{t:.2f}' for t in times)} |", flush=True)


KINDS = {"losses": LossWeighting, "Gramian": GramianWeighting, "gradients": object}

if __name__ == "__main__":
    main()

"""Times a step of every side beside that of the plain sum, in one process; or the memory of one side; or our error.

python -m bench.speed.worker MODEL TASKS WAY THREADS REPEAT [--peers] [--memory SIDE] [--error]
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench.speed.problems import Problem, make
from bench.speed.sides import Step, plain, sides
from jointset.weighting import UPGrad, backward

BUDGET = 40.0  # seconds a side may take for its repeats; at least three are made


def timed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ratios of wall clock and processor time, pair by pair."""
    chosen = sides(arguments.way, peers=arguments.peers)
    reference = trained(arguments, plain)
    found: dict[str, Any] = {}
    steps: dict[str, Step] = {}
    for name, side in chosen.items():
        made = started(arguments, side)
        if isinstance(made, str):
            found[name] = {"failed": made}
        else:
            steps[name], found[name] = made, {"wall": [], "processor": []}
    plainly = []
    spent = dict.fromkeys(steps, 0.0)
    reference()
    for number in range(arguments.repeat):
        for name, step in steps.items():
            if number >= 3 and spent[name] > BUDGET:
                continue
            base, own = clocked(reference), clocked(step)
            plainly.append(base)
            spent[name] += base[0] + own[0]
            found[name]["wall"].append(own[0] / base[0])
            found[name]["processor"].append(own[1] / base[1])
    return {"sides": found, "plain": plainly}


def started(arguments: argparse.Namespace, side: Callable[[Any], Step]) -> Step | str:
    """A side's step after the first one; or why there is none: a peer that cannot do it is a row of the table, too."""
    try:
        step = trained(arguments, side)
        step()
    except Exception:
        return traceback.format_exc().strip().splitlines()[-1][:200]
    return step


def trained(arguments: argparse.Namespace, side: Callable[[Any], Step]) -> Step:
    """A whole step on a model of its own: forget gradients, forward and backward, Adam."""
    problem = make(arguments.model, arguments.tasks, disjoint=arguments.way == "rows")
    optimizer = torch.optim.Adam(problem.parameters(), lr=1e-5)
    inner = side(problem)

    def step() -> None:
        optimizer.zero_grad()
        inner()
        optimizer.step()

    return step


def clocked(step: Step) -> tuple[float, float]:
    """Seconds by the clock on the wall and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - processor


def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    """Bytes by which memory rises above what was there after the first plain step, during three steps of a side."""
    side = plain if arguments.memory == "plain" else sides(arguments.way, peers=True)[arguments.memory]
    trained(arguments, plain)()  # whatever torch allocates once
    step = trained(arguments, side)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    for _ in range(3):
        step()
    return {"bytes": status("VmHWM") - before}


def error(arguments: argparse.Namespace) -> dict[str, Any]:
    """How far our Gramian in float32 is from that of one pass of autograd a task in float64, relative to its norm."""
    model, tasks, disjoint = arguments.model, arguments.tasks, arguments.way == "rows"
    found = backward_of(make(model, tasks, disjoint=disjoint), arguments.way)
    exact = make(model, tasks, disjoint=disjoint).double()
    z = exact.trunk(exact.inputs)
    below = [z] if arguments.way == "features" else list(exact.trunk.parameters())
    passes = [torch.autograd.grad(loss, below, retain_graph=True) for loss in exact.losses(z)]
    jacobian = torch.stack([torch.cat([g.flatten() for g in one]) for one in passes])  # (K, P)
    gramian = jacobian @ jacobian.T
    return {"error": float((found.double() - gramian).norm() / gramian.norm())}


def backward_of(problem: Problem, way: str) -> torch.Tensor:
    """The Gramian ``(K, K)`` of one step of ours."""
    losses = problem.losses(problem.trunk(problem.inputs))
    done = backward(losses, weighting=UPGrad(), shared=problem.trunk, way=way, rows=problem.owners())
    if done.way != way or done.gramian is None:
        raise RuntimeError(f"{way} was asked for, and {done.way} was taken: {done.note}")
    return done.gramian


def status(field: str) -> int:
    """Bytes of a field of Linux's ``/proc/self/status``."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise KeyError(field)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("tasks", type=int)
    parser.add_argument("way")
    parser.add_argument("threads", type=int)
    parser.add_argument("repeat", type=int)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--memory", default="")
    parser.add_argument("--error", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    measured = error if arguments.error else memory if arguments.memory else timed
    answer = measured(arguments)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()

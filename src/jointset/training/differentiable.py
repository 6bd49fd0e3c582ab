"""Strengths learnt by gradient, along with the weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from jointset.augment import Policy, Step
from jointset.augment.search.base import REACH
from jointset.augment.smooth import SMOOTH, smoothly
from jointset.errors import ConfigError
from jointset.operations import OPERATIONS
from jointset.records import Ints
from jointset.tasks import KINDS
from jointset.training.optim import Optimizer
from jointset.training.problem import LabelBatches, Problem
from jointset.training.settings import TrainSettings

WIDE = 0.05  # the pull towards wide strengths, in units of the loss
RATE = 0.02  # of the levels' logits
START = 0.25  # of a reach


def learnt_strengths(
    problem: Problem,
    rows: Ints,
    settings: TrainSettings,
    stated: Policy,
    *,
    seed: int,
    epochs: int | None = None,
) -> Policy:
    """The stated policy with learnt strengths of its differentiable image operations (Augerino, Benton et al. 2020).

    Every image gets all of them at strengths u · level · reach, u even in [-1, 1]; the levels go down the loss of all
    tasks together, less a pull towards wide ones (eq. 8 of the paper), in one training of the joint model. A task that
    an operation harms holds its level down. Only operations that keep every task's label take part.

    Raises :class:`~jointset.errors.ConfigError` where there is nothing to learn.
    """
    names = [
        n
        for n in SMOOTH
        if f"image.{n}" in stated.operations()
        and all(stated.keeps(t.name, f"image.{n}") for t in problem.tasks)
    ]
    if not names or "image" not in problem.inputs.encoders:
        raise ConfigError(
            f"augment.search: differentiable learns the strength of image operations ({', '.join(SMOOTH)}), and the "
            "policy has none that keeps all labels; take another search"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        levels = _learnt(problem, rows, settings, names, seed, epochs or max(settings.epochs // 2, 1))
    found = dict(stated.steps)
    for name, level in zip(names, levels, strict=True):
        found[f"image.{name}"] = Step(round(_reach(name) * level, 6))
    return dataclasses.replace(stated, steps=found)


def _reach(name: str) -> float:
    known = OPERATIONS[f"image.{name}"]
    return min(known.most, REACH * known.usual)


def _learnt(
    problem: Problem, rows: Ints, settings: TrainSettings, names: list[str], seed: int, epochs: int
) -> list[float]:
    model, labels = problem.build(seed), LabelBatches(problem)
    counts = problem.counts(rows)
    for task, head in model.headed():
        head.counts.copy_(torch.from_numpy(counts[task.name]))
    raw = torch.full((len(names),), float(np.log(START / (1 - START))), requires_grad=True)
    size, rng = settings.batch(len(rows)), np.random.default_rng([seed, 9])
    steps = epochs * -(-len(rows) // size)
    optimizer = Optimizer(
        model, lr=settings.learning_rate, weight_decay=settings.weight_decay, total_steps=steps, warmup=settings.warmup,
        sparse_lr=settings.sparse_learning_rate / settings.learning_rate,
    )  # fmt: skip
    outer = torch.optim.Adam([raw], lr=RATE)
    reach = torch.tensor([_reach(n) for n in names])
    model.train()
    for _ in range(epochs):
        order = rng.permutation(rows)
        for start in range(0, len(order), size):
            index = order[start : start + size]
            loss = _loss(problem, model, labels, index, names, raw.sigmoid() * reach)
            optimizer.zero_grad()
            outer.zero_grad()
            (loss - WIDE * raw.sigmoid().sum()).backward()
            optimizer.step()
            outer.step()
    return [float(v) for v in raw.detach().sigmoid()]


def _loss(
    problem: Problem,
    model: torch.nn.Module,
    labels: LabelBatches,
    index: Ints,
    names: list[str],
    most: Tensor,
) -> Tensor:
    batch = problem.inputs.batch(index)
    where, tensors = batch["image"]
    strength = {n: most[i] * (2 * torch.rand(len(where)) - 1) for i, n in enumerate(names)}
    batch["image"] = (where, {**tensors, "pixels": smoothly(tensors["pixels"], strength)})
    logits, _ = model(batch, len(index))
    total = most.new_zeros(())
    known = labels.batch(torch.from_numpy(index))
    for task, head in model.headed():  # type: ignore[operator]
        if task.name in known:
            total = total + KINDS[task.kind].loss(task, logits[task.name], *known[task.name], head.seen)
    return total

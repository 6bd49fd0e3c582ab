"""LibMTL's training steps with this project's optimiser, schedule, mixup, averaged weights and early stopping.

LibMTL's trainer asks for a graphics card and for iterators with a method ``next``, which torch has no more; it keeps no
weights but the last, and knows no patience. So its steps are made here: forward, ``zero_grad``, ``backward`` of its
weighting, update, in this order; with several inputs, a batch of every task in each step, until the longest is through,
the others from the start again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from bench.sharing.peer_nets import PeerModel
from jointset.data.mixing import Sampler, mixing_shares
from jointset.records import Ints
from jointset.tasks import KINDS
from jointset.training.average import WeightAverage
from jointset.training.evaluate import predict, skills
from jointset.training.mixup import Mixup
from jointset.training.optim import Optimizer
from jointset.training.problem import LabelBatches, Problem
from jointset.training.settings import TrainSettings
from jointset.training.stopping import Stopping

Part = tuple[str | None, Ints]  # a task, or None for all, and rows


class Stream(Protocol):
    """Steps of an epoch, each with the rows that it reads."""

    def __len__(self) -> int: ...

    def epoch(self) -> Iterator[list[Part]]: ...


class Together:
    """One input for all tasks: the batches that our training draws."""

    def __init__(self, problem: Problem, train: Ints, settings: TrainSettings, seed: int) -> None:
        dataset = problem.dataset_of[train]
        rows = [train[dataset == d] for d in range(int(problem.dataset_of.max()) + 1)]
        shares = mixing_shares([len(r) for r in rows], settings.temperature, settings.cap)
        self.sampler = Sampler(rows, shares, settings.batch(len(train)), seed, cap=settings.cap)

    def __len__(self) -> int:
        return len(self.sampler)

    def epoch(self) -> Iterator[list[Part]]:
        """A batch a step."""
        return ([(None, rows)] for rows in self.sampler.epoch())


class InTurn:
    """An input for every task: a step reads a batch of each, which together are as long as one of ours."""

    def __init__(self, problem: Problem, train: Ints, settings: TrainSettings, seed: int) -> None:
        size = max(settings.batch(len(train)) // len(problem.tasks), 1)
        self.samplers = {
            t.name: Sampler([train[problem.labels[t.name][train] >= 0]], [1.0], size, seed + i)
            for i, t in enumerate(problem.tasks)
        }
        self.streams = {name: self._endless(name) for name in self.samplers}

    def _endless(self, name: str) -> Iterator[Ints]:
        while True:
            yield from self.samplers[name].epoch()

    def __len__(self) -> int:
        return max(len(s) for s in self.samplers.values())

    def epoch(self) -> Iterator[list[Part]]:
        """A batch of every task a step."""
        for _ in range(len(self)):
            yield [(name, next(stream)) for name, stream in self.streams.items()]


@dataclass(frozen=True)
class Trained:
    """A model with the weights of its best epoch, that epoch's number and its held-out score."""

    model: PeerModel
    epochs: int
    skill: float


def fit(
    problem: Problem,
    train: Ints,
    valid: Ints,
    settings: TrainSettings,
    classes: tuple[type, type],
    *,
    place: str,
    depth: int,
    several: bool,
    seed: int,
) -> Trained:
    """Train the peer's architecture under the peer's weighting, ``classes``; see :class:`PeerModel`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = PeerModel(problem, *classes, place=place, depth=depth, several=several)
        counts = problem.counts(train)
        for task, head in model.headed():
            head.counts.copy_(torch.from_numpy(counts[task.name]))
            head.bias.data.copy_(KINDS[task.kind].start(task, head.seen))
        stream: Stream = (InTurn if several else Together)(problem, train, settings, seed)
        steps = Steps(problem, model, settings, stream, seed)
        stopping, best = Stopping(settings.patience), model.state_dict()
        while len(stopping.scores) < settings.epochs and not stopping.over:
            steps.epoch()
            with steps.average.in_place():
                if stopping.add(held_out(problem, model, valid)):
                    best = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.load_state_dict(best)
        model.eval()
    return Trained(model, stopping.best_epoch, stopping.scores[stopping.best_epoch - 1])


def held_out(problem: Problem, model: PeerModel, valid: Ints) -> dict[str, float]:
    """The skill of every task on the rows that stop the training."""
    outputs, _ = predict(model, problem.inputs, valid)  # type: ignore[arg-type]
    return skills(problem.tasks, {n: y[valid] for n, y in problem.labels.items()}, outputs)


class Steps:
    """An epoch of steps, and what they carry along."""

    def __init__(
        self, problem: Problem, model: PeerModel, settings: TrainSettings, stream: Stream, seed: int
    ) -> None:
        self.problem, self.model, self.settings, self.stream = problem, model, settings, stream
        self.labels = LabelBatches(problem)
        self.average = WeightAverage(model, decay=settings.average)
        self.rng = np.random.default_rng([seed, 1])
        self.optimizer = Optimizer(
            model,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            total_steps=settings.epochs * len(stream),
            warmup=settings.warmup,
            sparse_lr=settings.sparse_learning_rate / settings.learning_rate,
        )

    def epoch(self) -> None:
        """Train for an epoch."""
        self.model.train()
        for parts in self.stream.epoch():
            losses = self._losses(parts)
            self.optimizer.zero_grad()
            self.model.net.backward(losses)
            self.average.before_step()
            self.optimizer.step()
            self.average.after_step()

    def _losses(self, parts: Sequence[Part]) -> Tensor:
        """The tasks' losses, ``(K,)``. A label that is missing weighs nothing, and a task without any has a loss of 0.

        LibMTL's own cross-entropy raises at -1; at -100 it leaves the row out, and is NaN where no row is left, which
        makes all tasks NaN.
        """
        losses = torch.zeros(len(self.model.tasks))
        for name, rows in parts:
            mixup = Mixup.draw(len(rows), self.settings.mixup, self.rng) if self._mixes(rows) else None
            x = self.model.read(self.problem.inputs.batch(rows), len(rows))
            logits = self.model.net(mixed(x, mixup) if mixup else x, name)
            known = self.labels.batch(torch.from_numpy(rows))
            for k, (task, head) in enumerate(self.model.headed()):
                if task.name in known and name in (None, task.name):
                    z, (y, w) = logits[task.name], known[task.name]
                    z, y, w = mixup.labels(z, y, w) if mixup else (z, y, w)
                    losses[k] = KINDS[task.kind].loss(task, z, y, w, head.seen)
        return losses

    def _mixes(self, rows: Ints) -> bool:
        return self.settings.mixup > 0 and len(rows) > 1


def mixed(x: Tensor, mixup: Mixup) -> Tensor:
    """Rows of any shape ``(b, …)`` mixed with their partners."""
    return mixup.features(x.flatten(1)).reshape(x.shape)

"""One joint training: what changes in it, and how it is saved."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jointset.data.mixing import Sampler, mixing_shares
from jointset.models.joint import JointModel
from jointset.records import Floats, Ints, Task
from jointset.tasks import KINDS
from jointset.tasks.head import Head
from jointset.tasks.losses import make_loss
from jointset.training import augmented
from jointset.training import checkpoint as checkpoints
from jointset.training.affinity import Running, Watch
from jointset.training.augmented import Shown
from jointset.training.average import WeightAverage
from jointset.training.balance import draws
from jointset.training.evaluate import predict, skills
from jointset.training.featured import Features
from jointset.training.mixup import Mixup
from jointset.training.optim import Optimizer
from jointset.training.problem import LabelBatches, Problem
from jointset.training.settings import TrainSettings
from jointset.training.steps import Steps
from jointset.training.stopping import Stopping
from jointset.training.weighed import (
    half_of,
    in_half,
    mean_of,
    one_pass,
    two_batches,
    weighting_of,
    whose,
)
from jointset.weighting import Equal, GramianWeighting, LossWeighting, Step, backward
from jointset.weighting.shared import Shared, carried
from jointset.weighting.step import IDLE
from jointset.weighting.summed import descend


@dataclass(frozen=True)
class Fit:
    """A trained model; ``epochs`` is the best epoch's number, ``skill`` its held-out score (NaN without rows).

    ``margin[task]`` (N,) is the area under the margin of the given label, NaN where it was not trained on;
    ``curve`` the held-out score after every epoch; ``running`` what was watched; ``steps`` the record of
    :class:`~jointset.training.steps.Steps`.
    """

    model: JointModel
    epochs: int
    skill: float
    effective_epochs: Floats
    margin: dict[str, Floats] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    running: Running | None = None
    steps: dict[str, Any] = field(default_factory=dict)


class Trainer:
    """What changes while training, and how it is saved."""

    def __init__(
        self,
        problem: Problem,
        train: Ints,
        valid: Ints,
        settings: TrainSettings,
        seed: int,
        track_margin: bool,
        watch: bool = False,
    ) -> None:
        self.problem, self.settings, self.valid, self.seed = problem, settings, valid, seed
        self.model = problem.build(seed)
        counts = problem.counts(train[train < problem.rows])  # made rows share the weight of given ones
        for task, head in self.model.headed():
            head.counts.copy_(torch.from_numpy(counts[task.name]))
            head.bias.data.copy_(KINDS[task.kind].start(task, head.seen))
        drawn = draws(problem, counts)
        self.labels = LabelBatches(problem, drawn.shares if drawn else None)
        by_dataset = [train[problem.dataset_of[train] == d] for d in range(int(problem.dataset_of.max()) + 1)]
        shares = mixing_shares(np.array([len(r) for r in by_dataset]), settings.temperature, settings.cap)
        rates = [drawn.rates[rows] for rows in by_dataset] if drawn else None
        self.sampler = Sampler(
            by_dataset, shares, settings.batch(len(train)), seed, cap=settings.cap, rates=rates
        )
        self.features = Features.of(problem, self.model, self.labels)
        self.average = WeightAverage(self.model, decay=settings.average)
        self.rng = np.random.default_rng([seed, 1])
        self.weighting = weighting_of(problem.tasks, settings, seed)
        self.owner = self.labels.owner(train) if one_pass(self.weighting, settings.gramian) else None
        self.weighting_state = self.weighting.init([t.name for t in problem.tasks])
        self.optimizer = Optimizer(
            self.model,
            extra=[t for t in self.weighting_state.values() if t.requires_grad],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            total_steps=settings.epochs * len(self.sampler),
            warmup=settings.warmup,
            sparse_lr=settings.sparse_learning_rate / settings.learning_rate,
        )
        single = [t.name for t in problem.tasks if t.kind in ("binary", "multiclass")] if track_margin else []
        self.margin_sum = {n: torch.zeros(len(problem.dataset_of)) for n in single}
        self.margin_count = {n: torch.zeros(len(problem.dataset_of)) for n in single}
        self.epoch, self.stopping = 0, Stopping(settings.patience, settings.stop_by_task)
        self.steps = Steps([t.name for t in problem.tasks], len(self.sampler))
        self.best: dict[str, Tensor] = {}
        self.skills: dict[str, float] = {}  # by task, after the last epoch
        self.model.advance(0.0, settings.epochs)
        self.shared = Shared(self.model.shared_parameters())
        self.watch = Watch(problem, self.model) if watch and len(problem.tasks) > 1 else None

    def one_epoch(self, most: int | None = None) -> tuple[float, int]:
        """Train for an epoch, or ``most`` steps of it; the mean loss and the number of steps."""
        self.model.train()
        self._defer()
        if self.features is not None:
            self.features.forget()
        resting = self.stopping.resting
        total, steps = 0.0, 0
        for number, rows in enumerate(itertools.islice(self.sampler.epoch(), most)):
            self._advance(self.epoch + number / len(self.sampler))
            index = torch.from_numpy(rows)
            shown = self._shown(rows, index, steps)
            half = half_of(self.labels.known_of(index)) if two_batches(self.weighting) else None
            mixup = shown.mixup or self._mixup(rows, half)
            trunk = self.model.trunk(shown.batch, len(rows), self._mix(index, shown, mixup, steps))
            logits, _ = self.model.outputs(trunk)
            known = shown.labels(self.labels.batch(index))
            known = {n: found for n, found in known.items() if n not in resting}
            sides = [None] if half is None else [torch.from_numpy(half == side) for side in (0, 1)]
            parts = [known if side is None else in_half(known, side) for side in sides]
            auxiliary = self.model.auxiliary(trunk)
            each = [self._losses(logits, auxiliary, part, mixup) for part in parts]
            each = [self.steps.sound(part, self.epoch) if part else part for part in each]
            losses = each[0] if half is None else mean_of(each)
            if not losses:
                continue
            self.optimizer.zero_grad()
            if self.watch:
                self.watch.heard(losses)
                if not isinstance(self.weighting, GramianWeighting):
                    self.watch.before(losses, self.epoch * len(self.sampler) + number)
            told = None if shown.mixup else self.owner  # inputs of any two rows were mixed
            owner = told if told is None else whose(told[rows], list(losses), self.problem.tasks)
            loss = self._backward(losses, each, self.model.penalty(trunk), owner)
            if loss is None:
                continue
            self.model.before_step()
            self._inform(index, logits, shown, mixup, steps)
            self.average.before_step()
            self.optimizer.step()
            self.average.after_step()
            self._track(index, logits, shown)
            del trunk, logits, losses  # and with them the graph, before the next one grows
            total, steps = total + loss, steps + 1
        self.epoch += 1
        if self.watch:
            self.watch.epoch_over()
        return total / max(steps, 1), steps

    def _advance(self, epochs: float) -> None:
        """Tell the model the time; some ways of sharing part after a while, and then less is shared."""
        before = self.model.sharing.readers()
        self.model.advance(epochs, self.settings.epochs)
        if self.model.sharing.readers() == before:
            return
        held, self.shared = self.shared.parameters, Shared(self.model.shared_parameters())
        self.weighting_state = carried(self.weighting, self.weighting_state, held, self.shared.parameters)
        if self.watch:
            self.watch.parted()

    def _mix(
        self, index: Tensor, shown: Shown, mixup: Mixup | None, step: int
    ) -> Callable[[Tensor], Tensor] | None:
        """What becomes of the rows where the encoders meet the trunk."""
        then = mixup.features if mixup else None
        if self.features is None:
            return then
        rng = np.random.default_rng([self.seed, 4, self.epoch, step])  # needs no place in the checkpoint
        return self.features.mix(index, shown.draws, rng, then)

    def _shown(self, rows: Ints, index: Tensor, step: int) -> Shown:
        """The rows as they are, or as the augmentation changes them."""
        own, inputs = self.problem.augmentation, self.problem.inputs
        if own is None:
            return Shown(inputs.batch(rows))
        names = tuple(t.name for t in self.problem.tasks)
        labelled = augmented.labelled(self.labels.known, names, index)
        rng = np.random.default_rng([self.seed, 3, self.epoch, step])  # needs no place in the checkpoint
        return augmented.show(own, inputs, names, rows, labelled, rng)

    def _backward(
        self,
        losses: dict[str, Tensor],
        halves: Sequence[dict[str, Tensor]],
        penalty: Tensor | None,
        rows: Tensor | None,
    ) -> float | None:
        """Leave the gradients of a step; the loss to report, which is the plain sum where gradients are weighed.

        ``halves`` are the losses that ``losses`` are the means of, or they alone; ``rows`` says whose task each row is;
        ``None`` comes back where no gradient could be used.
        """
        method = self.weighting
        if not isinstance(method, LossWeighting) and self.shared.parameters:
            if penalty is not None:
                penalty.backward(retain_graph=True)
            step = backward(
                halves[0],
                second=halves[1] if len(halves) == 2 else None,
                weighting=method,
                shared=self.shared,
                state=self.weighting_state,
                rows=rows,
                way=self.settings.gramian,
            )
            loss = torch.stack([x.detach() for x in losses.values()]).sum()
            if self.watch:
                self.watch.lent(step)
        else:  # tasks that share nothing have nothing to settle
            own = method if isinstance(method, LossWeighting) else Equal()
            leaves = self.optimizer.parameters
            done = descend(losses, own, self.weighting_state, leaves=leaves, penalty=penalty)
            step, loss = Step(done.state, absent=done.absent), done.total
        self.weighting_state = step.state
        self.steps.add(step, losses, self.epoch)
        return None if all(step.absent.get(n, IDLE) != IDLE for n in losses) else float(loss)

    def _inform(
        self, index: Tensor, logits: dict[str, Tensor], shown: Shown, mixup: Mixup | None, step: int
    ) -> None:
        """Add the gradients of joint inference, which touch nothing else.

        Labels are hidden at random, a share per row drawn anew, so that any part of them may be known later.
        """
        others = self.model.others
        if others is None:
            return
        rng = np.random.default_rng([self.seed, 2, self.epoch, step])  # needs no place in the checkpoint
        known = shown.readable(self.labels.hidden(index, rng))
        z = {n: v.detach() for n, v in logits.items()}
        vectors = others.vectors(z, known, self.model.headed())
        if mixup:
            # the partner's labels are compared with what was expected of the mixed row, as the row's own are
            partners = {n: y[mixup.partner] for n, y in known.items()}
            partners = others.vectors(z, partners, self.model.headed())
            vectors = {n: torch.lerp(partners[n], v, mixup.share[:, None]) for n, v in vectors.items()}
        labels = shown.labels(self.labels.batch(index))
        losses = self._losses(others(z, vectors), {}, labels, mixup)
        if losses:
            torch.stack(list(losses.values())).sum().backward()

    def _defer(self) -> None:
        """Begin the deferred stage of the losses that have one."""
        for task, head in self.model.headed():
            defer = make_loss(task).defer
            head.late.fill_(int(defer is not None and self.epoch >= defer * self.settings.epochs))

    def _mixup(self, rows: Ints, half: Ints | None) -> Mixup | None:
        if self.settings.mixup <= 0 or len(rows) < 2:
            return None
        groups = half if self.owner is None else self.owner[rows]
        return Mixup.draw(len(rows), self.settings.mixup, self.rng, groups)

    def _losses(
        self,
        logits: dict[str, Tensor],
        auxiliary: dict[str, list[tuple[Tensor, Tensor]]],
        known: dict[str, tuple[Tensor, Tensor]],
        mixup: Mixup | None,
    ) -> dict[str, Tensor]:
        losses = {}
        for task, head in self.model.headed():
            if task.name in known:
                y, w = known[task.name]
                losses[task.name] = self._loss(task, head, logits[task.name], y, w, mixup)
                for z, present in auxiliary.get(task.name, ()):
                    own = w * (present if w.ndim == 1 else present[:, None])
                    extra = self._loss(task, head, z, y, own, mixup)
                    losses[task.name] = losses[task.name] + self.problem.auxiliary_weight * extra
        return losses

    def _loss(self, task: Task, head: Head, z: Tensor, y: Tensor, w: Tensor, mixup: Mixup | None) -> Tensor:
        z, y, w = mixup.labels(z, y, w) if mixup else (z, y, w)
        return KINDS[task.kind].loss(task, z, y, w, head.seen)

    def _track(self, index: Tensor, logits: dict[str, Tensor], shown: Shown) -> None:
        """Add each labelled row's margin, its label's logit minus the largest other one (Pleiss et al. 2020, eq. 1)."""
        for task, head in self.model.headed():
            name = task.name
            if name not in self.margin_sum:
                continue
            z = KINDS[task.kind].calibrated(task, logits[name].detach(), head.seen)
            y = self.labels.labels[name][index]
            known = self.labels.known[name][index] & shown.untouched(name, len(index))
            own = z.gather(1, y.clamp(min=0)[:, None])  # (b, 1)
            other = z.scatter(1, y.clamp(min=0)[:, None], float("-inf")).amax(1)  # (b,)
            self.margin_sum[name].index_add_(0, index[known], (own[:, 0] - other)[known])
            self.margin_count[name].index_add_(0, index[known], torch.ones(int(known.sum())))

    def judge(self, *, keep_best: bool) -> None:
        """Score the held-out rows after an epoch, and keep the weights if they are the best so far."""
        found: dict[str, float] = {}
        if keep_best and len(self.valid):
            with self.average.in_place():
                outputs, _ = predict(self.model, self.problem.inputs, self.valid)
            watched = [t for t in self.problem.tasks if self.settings.watch in ("", t.name)]
            found = skills(watched, {n: y[self.valid] for n, y in self.problem.labels.items()}, outputs)
        self.skills = found
        if self.stopping.add(found) and found:
            with self.average.in_place():
                self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def result(self) -> Fit:
        """The model with its best weights."""
        if not self.best:
            with self.average.in_place():
                self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.best)
        self.model.eval()
        margin = {
            n: np.where(
                self.margin_count[n] > 0, self.margin_sum[n] / self.margin_count[n].clamp(min=1), np.nan
            )[: self.problem.rows]
            for n in self.margin_sum
        }
        best, scores = self.stopping.best_epoch, self.stopping.scores
        score = scores[best - 1] if scores else float("nan")
        running, steps = self.watch.found() if self.watch else None, self.steps.record()
        passes = self.sampler.effective_epochs()
        return Fit(self.model, best, score, passes, margin, tuple(scores), running, steps)

    def save(self, path: Path) -> None:
        """Write everything that :meth:`restore` needs to go on to the same weights."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        tensors |= {f"optimizer.{k}": v for k, v in self.optimizer.tensors().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.tensors().items()}
        tensors |= {f"weighting.{k}": v for k, v in self.weighting_state.items()}
        tensors |= {f"margin_sum.{k}": v for k, v in self.margin_sum.items()}
        tensors |= {f"margin_count.{k}": v for k, v in self.margin_count.items()}
        tensors |= {f"watch.{k}": v for k, v in (self.watch.tensors() if self.watch else {}).items()}
        tensors["generator"] = torch.get_rng_state()
        values = {
            "rng": self.rng.bit_generator.state,
            "epoch": self.epoch,
            "stopping": self.stopping.state(),
            "sampler": self.sampler.state(),
            "steps": self.steps.record(),
            "watch": self.watch.values() if self.watch else None,
        }
        checkpoints.save(path, tensors, values)

    def restore(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote."""
        tensors, values = checkpoints.load(path)

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix + "."): v for k, v in tensors.items() if k.startswith(prefix + ".")}

        self.model.load_state_dict(part("model"))
        self._advance(values["epoch"] - 1 / len(self.sampler))  # where the last step was
        self.best = part("best")
        self.optimizer.restore(part("optimizer"))
        self.average.restore(part("average"))
        for name, value in part("weighting").items():
            if name in self.weighting_state and self.weighting_state[name].requires_grad:
                with torch.no_grad():  # the optimiser knows this very tensor
                    self.weighting_state[name].copy_(value)
            else:
                self.weighting_state[name] = value
        self.margin_sum |= part("margin_sum")
        self.margin_count |= part("margin_count")
        if self.watch and values.get("watch"):
            self.watch.restore(part("watch"), values["watch"])
        torch.set_rng_state(tensors["generator"])
        self.epoch = values["epoch"]
        self.stopping.restore(values["stopping"])
        self.sampler.restore(values["sampler"])
        self.steps.restore(values["steps"])
        self.rng.bit_generator.state = values["rng"]

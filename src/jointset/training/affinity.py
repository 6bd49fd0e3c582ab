"""How the gradients of tasks agree, and how their losses fall, taken while training; nothing trained depends on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jointset.models.joint import JointModel
from jointset.records import Bools, is_labelled
from jointset.relatedness import Affinity, conflict_rate, gradient_cosine, gradients, loss_ratios
from jointset.relatedness.gradients import GradientState, first_order_lookahead
from jointset.training.problem import Problem
from jointset.weighting import Step
from jointset.weighting.gramian.look import by_task, look
from jointset.weighting.gramian.memory import Memory

FEWEST_STEPS = 12  # between two looks
A_TASK = 3  # further steps, for each task


@dataclass(frozen=True, eq=False)
class Running:
    """What was taken of one training: ``tasks`` in order, the gradients' sums, and one mean loss an epoch of each.

    ``where`` says what the gradients are of; ``every`` how many steps lie between two looks.
    """

    tasks: tuple[str, ...]
    state: GradientState
    losses: Mapping[str, tuple[float, ...]]
    where: str
    every: int

    def affinities(self) -> dict[str, Affinity]:
        """Mean cosine, share of steps in conflict, first-order lookahead; of four epochs how losses fall together."""
        taken = (gradient_cosine, conflict_rate, first_order_lookahead)
        found = {a.measure: a for a in (f(self.state, self.tasks) for f in taken)}
        curves = [self.losses.get(t, ()) for t in self.tasks]
        whole = len({len(c) for c in curves}) == 1 and len(curves[0]) > 1
        if whole and all(np.isfinite(v) and v > 0 for c in curves for v in c):
            ratios = loss_ratios(dict(zip(self.tasks, curves, strict=True)))
            found[ratios.measure] = ratios
        return found

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "where": self.where,
            "every": self.every,
            "affinity": {n: a.record() for n, a in self.affinities().items()},
            "losses": {
                t: [round(v, 6) if np.isfinite(v) else None for v in c] for t, c in self.losses.items()
            },
        }


class Watch:
    """Takes the measures from step to step.

    A weighting that makes a Gramian anyway lends it. Otherwise one is made every few steps: of the structure's shared
    parameters, a backward pass a task that ends there; of all shared parameters where there is no structure and the
    encoders are linear; else at the features.
    """

    def __init__(self, problem: Problem, model: JointModel) -> None:
        self.tasks = tuple(t.name for t in problem.tasks)
        self.state = gradients.start(len(self.tasks))
        self.memory = Memory()
        self.every = FEWEST_STEPS + A_TASK * len(self.tasks)
        self.together = rows_together(problem)
        shared = [p for part in model.sharing.parts() if len(part.tasks) > 1 for p in part.parameters()]
        self.structure = [p for p in shared if p.requires_grad]
        self.shared = model.shared_parameters()
        linear = all(e.linear for e in problem.inputs.encoders.values())
        self.way = "auto" if linear and not self.together.all() else "features"
        self.where = (
            "parameters of the structure"
            if self.structure
            else "all shared parameters"
            if self.way == "auto"
            else "features"
        )
        self.heard_now: dict[str, list[Tensor]] = {t: [] for t in self.tasks}  # losses of this epoch
        self.curves: dict[str, list[float]] = {t: [] for t in self.tasks}

    def before(self, losses: Mapping[str, Tensor], step: int) -> None:
        """Look at a step whose losses have not been propagated yet, if it is its turn."""
        if step % self.every or len(losses) < 2 or not self.shared:
            return
        named = {t: x for t, x in losses.items() if x.requires_grad and bool(torch.isfinite(x.detach()))}
        if len(named) > 1:
            values = list(named.values())
            gramian = (
                by_task(values, self.structure)
                if self.structure
                else look(values, self.shared, way=self.way, memory=self.memory)
            )
            self._add(list(named), gramian)

    def lent(self, step: Step) -> bool:
        """Take the Gramian of a weighting's step; whether it had one that says something of all tasks."""
        if step.gramian is None or (step.way == "features" and not self.together.all()):
            return False
        self.every, self.where = 1, f"{step.way} (the weighting's)"
        self._add(list(step.weights), step.gramian)
        return True

    def parted(self) -> None:
        """Look no more: what was looked at is not shared any longer."""
        self.shared = []

    def heard(self, losses: Mapping[str, Tensor]) -> None:
        """Add the losses of a step."""
        for task, loss in losses.items():
            self.heard_now[task].append(loss.detach())

    def epoch_over(self) -> None:
        """Close the epoch's means."""
        for task, heard in self.heard_now.items():
            self.curves[task].append(float(torch.stack(heard).double().mean()) if heard else float("nan"))
            heard.clear()

    def found(self) -> Running:
        """What was taken so far."""
        state = self.state
        if self.where == "features":  # tasks that share no row are apart there, whatever they learn
            sums = (np.where(self.together, getattr(state, f.name), 0.0) for f in fields(GradientState))
            state = GradientState(*sums)
        curves = {t: tuple(c) for t, c in self.curves.items()}
        return Running(self.tasks, state, curves, self.where, self.every)

    def tensors(self) -> dict[str, Tensor]:
        """What changes, for a checkpoint; an epoch is over."""
        return {f.name: torch.from_numpy(getattr(self.state, f.name)) for f in fields(GradientState)}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on from :meth:`tensors` and :meth:`values`."""
        self.state = GradientState(**{n: t.numpy() for n, t in tensors.items()})
        self.curves = {t: [float("nan") if v is None else v for v in c] for t, c in values["curves"].items()}
        self.every, self.where = values["every"], values["where"]

    def values(self) -> dict[str, Any]:
        """The rest of it, as JSON values."""
        curves = {t: [v if np.isfinite(v) else None for v in c] for t, c in self.curves.items()}
        return {"curves": curves, "every": self.every, "where": self.where}

    def _add(self, names: Sequence[str], gramian: Tensor) -> None:
        place = [self.tasks.index(n) for n in names]
        whole = np.zeros((len(self.tasks), len(self.tasks)))
        whole[np.ix_(place, place)] = gramian.detach().cpu().double().numpy()
        present = np.zeros(len(self.tasks), bool)
        present[place] = True
        present &= np.isfinite(whole.diagonal())  # a gradient that is not finite says nothing
        whole[~present] = whole[:, ~present] = 0.0
        last = {t: float(heard[-1]) for t, heard in self.heard_now.items() if heard}
        losses = np.array([last.get(t, np.nan) for t in self.tasks])
        self.state = gradients.step(self.state, whole, present, losses)


def rows_together(problem: Problem) -> Bools:
    """Which tasks share labelled rows, ``(K, K)``."""
    known = np.stack([is_labelled(problem.labels[t.name]) for t in problem.tasks]).astype(np.float32)
    return np.asarray(known @ known.T > 0)


def joined(tasks: Sequence[str], parts: Sequence[Running | None]) -> Running | None:
    """What was taken of several trainings, each of some of ``tasks``, as of one; of pairs that met nowhere nothing."""
    found = [p for p in parts if p is not None]
    if not found:
        return None
    state = gradients.start(len(tasks))
    losses: dict[str, tuple[float, ...]] = {}
    for part in found:
        place = np.ix_(*[[list(tasks).index(t) for t in part.tasks]] * 2)
        for name in (f.name for f in fields(GradientState)):
            getattr(state, name)[place] += getattr(part.state, name)
        losses |= {t: c for t, c in part.losses.items() if t not in losses}
    return Running(tuple(tasks), state, losses, found[0].where, found[0].every)

"""What every search of policies is: trials so far in, the next policy out."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jointset.augment.policy import Policy, Step
from jointset.operations import OPERATIONS
from jointset.records import Floats

REACH = 3.0  # usual magnitudes: as far as a search goes
OFF = 0.05  # a level below leaves the operation out


@dataclass(frozen=True)
class Space:
    """Policies as points in a cube: one level in [0, 1] per task and operation, and the share of rows.

    With ``by_task`` every task has levels of its own, else all share them. ``base`` holds what is not searched:
    verdicts, rules, how many operations a row gets.
    """

    base: Policy
    operations: tuple[str, ...]
    tasks: tuple[str, ...]
    by_task: bool = False

    @property
    def size(self) -> int:
        """Coordinates of a point."""
        return len(self.operations) * (len(self.tasks) if self.by_task else 1) + 1

    def step(self, operation: str, level: float) -> Step | None:
        """The operation at a level, ``None`` when it is left out; a switch is drawn less often, not less strongly."""
        if level < OFF:
            return None
        known = OPERATIONS[operation]
        if known.switch:
            return Step(known.most, max(level, OFF))
        return Step(round(min(known.most, REACH * known.usual) * level, 6))

    def policy(self, point: Floats) -> Policy:
        """The policy at a point ``(size,)``.

        >>> space = Space(Policy(), ("image.rotate",), ("digit",))
        >>> space.policy(np.array([0.5, 1.0])).steps["image.rotate"].magnitude
        22.5
        """
        levels = np.asarray(point[:-1]).reshape(-1, len(self.operations))
        found = [
            {
                o: s
                for o, v in zip(self.operations, row, strict=True)
                if (s := self.step(o, float(v))) is not None
            }
            for row in levels
        ]
        share = round(0.2 + 0.8 * float(np.clip(point[-1], 0, 1)), 4)
        if self.by_task:
            return dataclasses.replace(
                self.base, steps={}, tasks=dict(zip(self.tasks, found, strict=True)), share=share
            )
        return dataclasses.replace(self.base, steps=found[0], tasks={}, share=share)


@dataclass(frozen=True)
class PolicyTrial:
    """One joint training under a policy: the point it came from (empty: none was), and its held-out scores.

    ``score`` is what is searched for; ``parent`` is the trial whose weights this one went on with, -1 = none.
    """

    number: int
    point: tuple[float, ...]
    policy: Policy
    scores: Mapping[str, float]
    score: float
    seconds: float
    parent: int = -1


class PolicySearch(ABC):
    """Proposes points of a space, as a function of its arguments and the trials so far, so that it can be killed.

    Trial 0 is no augmentation and trial 1 the policy as stated; they are not proposed but always there. ``pieces`` says
    in how many parts a training is cut, between which members of a population change places.
    """

    pieces = 1

    def __init__(self, space: Space, budget: int, *, seed: int = 0) -> None:
        self.space, self.budget, self.seed = space, budget, seed

    def propose(self, trials: Sequence[PolicyTrial]) -> tuple[Floats, int] | None:
        """The next point, and the trial whose weights it goes on with (-1: none); ``None`` when the search is over."""
        if len(trials) - 2 >= (self.budget - 2) * self.pieces:
            return None
        return self._next(trials[2:])

    def policy(self, point: Floats) -> Policy:
        """The policy that a point stands for."""
        return self.space.policy(point)

    @abstractmethod
    def _next(self, trials: Sequence[PolicyTrial]) -> tuple[Floats, int] | None:
        """The next point after the proposals so far."""

    def rng(self, number: int) -> np.random.Generator:
        """Random numbers of the search's own for one proposal."""
        return np.random.default_rng([self.seed, 8, number])

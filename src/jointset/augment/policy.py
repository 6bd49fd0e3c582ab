"""What is done to the rows of a batch: drawn row by row, out of the policies of the tasks it is labelled for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from jointset.augment.rules import Rule
from jointset.operations import MODALITIES, OPERATIONS, is_raw, modality_of
from jointset.records import Bools, Floats

Verdict = Literal["keep", "mask", "forbid"]


@dataclass(frozen=True)
class Step:
    """One operation, its largest magnitude, and how often it is drawn, relative to the others of its modality."""

    magnitude: float
    chance: float = 1.0


@dataclass(frozen=True)
class Draws:
    """What is done to b rows: operation → signed strength ``(b,)``, 0 = not done.

    ``factor[task]`` (b,) is 0 where an operation does not keep the task's label, else 1.
    """

    strength: Mapping[str, Floats]
    factor: Mapping[str, Floats]

    def of(self, modality: str) -> dict[str, Floats]:
        """The operations of one modality, by name, that some row gets."""
        return {
            o.partition(".")[2]: s for o, s in self.strength.items() if modality_of(o) == modality and s.any()
        }


@dataclass(frozen=True)
class Policy:
    """Operations shared by all tasks and operations of single tasks, and what is known of labels under them.

    Parameters
    ----------
    steps : the operations of every task.
    tasks : those of single tasks: they come on top, or in the place of a shared one of the same name.
    verdicts : by task and operation; an operation without one keeps the label.
    rules : by task and operation: what becomes of the label.
    share : of the rows that are augmented at all; all modalities of a row together.
    number : operations per row and modality, at most.
    fill : what comes in from beyond an image's edge.
    smote : by task: the method that makes further rows of its rare classes, and of how many neighbours.

    A row is augmented for one of the tasks that it is labelled for, drawn evenly: with that task's operations, of those
    that keep the label of some task of the row. A task whose label an operation does not keep does not learn from that
    row (its loss is masked); an operation that a task forbids is not drawn for rows that it is labelled on.

    >>> policy = Policy({"image.flip": Step(1.0)}, verdicts={"side": {"image.flip": "mask"}}, share=1.0)
    >>> both = np.ones((3, 2), bool)
    >>> draws = policy.draw(("kind", "side"), both, np.random.default_rng(0))
    >>> draws.strength["image.flip"].tolist(), draws.factor["side"].tolist(), draws.factor["kind"].tolist()
    ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    >>> policy.draw(("kind", "side"), both & [False, True], np.random.default_rng(0)).strength["image.flip"].tolist()
    [0.0, 0.0, 0.0]
    """

    steps: Mapping[str, Step] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, Step]] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[str, Verdict]] = field(default_factory=dict)
    rules: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict)
    share: float = 0.8
    number: int = 2
    fill: str = "zero"
    smote: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.operations() or self.smote)

    def operations(self) -> list[str]:
        """Every operation that some task has, in the order of the table."""
        named = {*self.steps, *(o for own in self.tasks.values() for o in own)}
        return [o for o in OPERATIONS if o in named]

    def families(self) -> list[str]:
        """The modalities of the operations, and ``smote`` where rows are made."""
        found = {modality_of(o) for o in self.operations()}
        return [*(m for m in MODALITIES if m in found), *(["smote"] if self.smote else [])]

    def without(self, family: str) -> Policy:
        """The policy without a family.

        >>> Policy({"image.flip": Step(1.0), "text.swap": Step(0.1)}).without("text").operations()
        ['image.flip']
        """

        def left(steps: Mapping[str, Step]) -> dict[str, Step]:
            return {o: s for o, s in steps.items() if modality_of(o) != family}

        tasks = {t: left(own) for t, own in self.tasks.items()}
        smote = {} if family == "smote" else self.smote
        return replace(self, steps=left(self.steps), tasks=tasks, smote=smote)

    def of(self, task: str) -> dict[str, Step]:
        """The operations of one task."""
        return {**self.steps, **self.tasks.get(task, {})}

    def keeps(self, task: str, operation: str) -> bool:
        """Whether the task learns from rows that the operation changed."""
        return self.verdicts.get(task, {}).get(operation, "keep") == "keep"

    def draw(
        self,
        tasks: Sequence[str],
        labelled: Bools,
        rng: np.random.Generator,
        *,
        available: Mapping[str, Bools] | None = None,
    ) -> Draws:
        """Operations for b rows; ``labelled`` is ``(b, T)``, which of ``tasks`` each row is labelled for.

        ``available[operation]`` (b,) says which rows can have it at all; without an entry, all can.
        """
        operations = self.operations()
        n = len(labelled)
        if not operations:
            return Draws({}, {t: np.ones(n, np.float32) for t in tasks})
        chances, most, kept = self._tables(tuple(tasks), operations)
        drawn = np.where(labelled, rng.random(labelled.shape), -1.0).argmax(1)  # (b,) the task of the row
        chance = chances[drawn] * self._allowed(tasks, operations, labelled, kept)  # (b, L)
        chance[rng.random(n) >= self.share] = 0.0
        for operation, able in (available or {}).items():
            if operation in operations:
                chance[~able, operations.index(operation)] = 0.0
        chosen = self._choose(operations, chance, rng)
        signs = np.where(rng.random(chosen.shape) < 0.5, -1.0, 1.0)
        signs[:, [not OPERATIONS[o].signed for o in operations]] = 1.0
        switch = np.array([OPERATIONS[o].switch for o in operations])
        level = np.where(switch, 1.0, 1.0 - rng.random(chosen.shape))  # (0, 1]
        size = level * most[drawn]
        size = np.where([OPERATIONS[o].whole for o in operations], np.ceil(size), size)
        strength = np.where(chosen, signs * size, 0.0)
        factor = {
            t: (~(chosen & ~kept[i]).any(1)).astype(np.float32)
            if not kept[i].all()
            else np.ones(n, np.float32)
            for i, t in enumerate(tasks)
        }
        return Draws({o: strength[:, j] for j, o in enumerate(operations)}, factor)

    def _tables(self, tasks: tuple[str, ...], operations: Sequence[str]) -> tuple[Floats, Floats, Bools]:
        """Chances, largest magnitudes and whether the label is kept, each ``(T, L)``."""
        own = [[self.of(t).get(o) for o in operations] for t in tasks]
        chances = np.array([[s.chance if s else 0.0 for s in row] for row in own])
        most = np.array([[s.magnitude if s else 0.0 for s in row] for row in own])
        return chances, most, np.array([[self.keeps(t, o) for o in operations] for t in tasks])

    def _allowed(
        self, tasks: Sequence[str], operations: Sequence[str], labelled: Bools, kept: Bools
    ) -> Bools:
        """``(b, L)``: operations that leave some label of the row as it is, and that none of its tasks forbids."""
        forbidden = np.array(
            [[self.verdicts.get(t, {}).get(o) == "forbid" for o in operations] for t in tasks]
        )
        some = (labelled.astype(np.int64) @ kept.astype(np.int64)) > 0
        return some & ~((labelled.astype(np.int64) @ forbidden.astype(np.int64)) > 0)

    def _choose(self, operations: Sequence[str], chance: Floats, rng: np.random.Generator) -> Bools:
        """Up to ``number`` operations of each modality per row, ``(b, L)``, without replacement by their chances."""
        with np.errstate(divide="ignore"):
            keys = np.log(chance) + rng.gumbel(size=chance.shape)  # the Gumbel top-k trick
        chosen = np.zeros(chance.shape, bool)
        kinds = [(modality_of(o), is_raw(o)) for o in operations]
        for kind in [(m, raw) for m in MODALITIES for raw in (True, False)]:
            at = np.flatnonzero([k == kind for k in kinds])
            if not len(at):
                continue
            number = min(1 if kind[1] else self.number, len(at))  # a raw view shows one operation
            best = np.argsort(-keys[:, at], axis=1, kind="stable")[:, :number]
            rows = np.arange(len(chance))[:, None]
            chosen[rows, at[best]] = np.isfinite(keys[rows, at[best]])
        return chosen

    def record(self) -> dict[str, Any]:
        """The policy as plain values, for JSON; :meth:`read` is the way back."""
        return {
            "steps": {o: [s.magnitude, s.chance] for o, s in self.steps.items()},
            "tasks": {
                t: {o: [s.magnitude, s.chance] for o, s in own.items()} for t, own in self.tasks.items()
            },
            "verdicts": {t: dict(v) for t, v in self.verdicts.items()},
            "rules": {t: {o: r.record() for o, r in own.items()} for t, own in self.rules.items()},
            "share": self.share,
            "number": self.number,
            "fill": self.fill,
            "smote": {t: list(s) for t, s in self.smote.items()},
        }

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Policy:
        """The policy that :meth:`record` wrote down."""
        return cls(
            {o: Step(*s) for o, s in record["steps"].items()},
            {t: {o: Step(*s) for o, s in own.items()} for t, own in record["tasks"].items()},
            record["verdicts"],
            {t: {o: Rule.read(r) for o, r in own.items()} for t, own in record["rules"].items()},
            record["share"],
            record["number"],
            record["fill"],
            {t: (str(s[0]), int(s[1])) for t, s in record["smote"].items()},
        )

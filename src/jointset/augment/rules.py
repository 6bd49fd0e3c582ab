"""What becomes of a label under an operation, where that is known: angle + rotation, the class on the other side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.errors import ConfigError, nearest
from jointset.operations import RULE_NUMBERS, rule_mistake
from jointset.records import Floats, Task, name_of


@dataclass(frozen=True)
class Rule:
    """Labels of classes change places; numbers become scale · y + add · strength + offset, modulo ``modulo`` if any.

    ``classes`` maps class codes (one step of the operation; a quarter turn may come up to three times).

    >>> Rule(add=1.0, modulo=360.0).apply(np.array([350.0, 10.0]), np.array([15.0, -15.0])).tolist()
    [5.0, 355.0]
    >>> Rule(classes=(1, 2, 3, 0)).apply(np.array([0, 3, -1]), np.array([2.0, 1.0, 1.0])).tolist()
    [2, 0, -1]
    """

    scale: float = 1.0
    add: float = 0.0
    offset: float = 0.0
    modulo: float = 0.0
    classes: tuple[int, ...] = ()

    def apply(self, labels: NDArray[Any], strength: Floats) -> NDArray[Any]:
        """Labels ``(b,)`` after operations of ``strength`` (b,); 0 leaves a label as it is, missing stays missing."""
        if self.classes:
            found = labels.copy()
            for turn in range(1, int(np.ceil(np.abs(strength).max(initial=0))) + 1):
                on = (np.ceil(np.abs(strength)) >= turn) & (labels >= 0)
                found[on] = np.array(self.classes)[found[on]]
            return found
        changed = self.scale * labels + self.add * strength + self.offset
        changed = np.mod(changed, self.modulo) if self.modulo else changed
        return np.where(strength != 0, changed, labels)

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {**{k: getattr(self, k) for k in RULE_NUMBERS}, "classes": list(self.classes)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Rule:
        """What :meth:`record` wrote down."""
        return cls(**{**record, "classes": tuple(record["classes"])})


def rule_of(task: Task, operation: str, given: Mapping[str, Any]) -> Rule:
    """The rule of a configuration: class names to class names, or numbers ``scale``, ``add``, ``offset``, ``modulo``.

    Raises :class:`~jointset.errors.ConfigError` when it does not fit the task.
    """
    where = f"augment.tasks.{task.name}.transform.{operation}"
    if wrong := rule_mistake(task.kind, given):
        raise ConfigError(f"{where}: {wrong}")
    if task.kind == "regression":
        numbers: dict[str, Any] = {k: float(v) for k, v in given.items()}
        return Rule(**numbers)
    names = {name_of(k): name_of(v) for k, v in given.items()}
    for name in (*names, *names.values()):
        if name not in task.classes:
            raise ConfigError(f"{where}: no class {name!r}{nearest(name, task.classes)}")
    return Rule(classes=tuple(task.classes.index(names.get(c, c)) for c in task.classes))


def found_rule(sent: Floats, *, least: float, some: Sequence[bool]) -> Rule | None:
    """The change of places that an operation makes, read off where the model sends each class, or ``None``.

    ``sent`` (K, K) holds counts by label and predicted class after the operation; ``some`` says which classes have rows
    enough. At least ``least`` of every class must go to one class, and no two to the same.
    """
    total = sent.sum(1)
    if not all(some) or (total == 0).any():
        return None
    to = sent.argmax(1)
    sure = sent.max(1) >= least * total
    moved = bool((to != np.arange(len(to))).any())
    if not (moved and sure.all() and len(set(to.tolist())) == len(to)):
        return None
    return Rule(classes=tuple(int(i) for i in to))

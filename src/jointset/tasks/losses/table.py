"""Losses by name; the first that fits a kind of task is its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jointset.errors import ConfigError, nearest
from jointset.records import Kind, Task
from jointset.tasks.losses.asymmetric import Asymmetric
from jointset.tasks.losses.base import ClassLoss, Loss, NumberLoss
from jointset.tasks.losses.beta_nll import BetaNLL
from jointset.tasks.losses.class_balanced import ClassBalanced
from jointset.tasks.losses.cross_entropy import CrossEntropy
from jointset.tasks.losses.focal import Focal
from jointset.tasks.losses.huber import Huber
from jointset.tasks.losses.ldam import LDAM
from jointset.tasks.losses.logit_adjustment import LogitAdjustment
from jointset.tasks.losses.squared import Squared

LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": CrossEntropy,
    "class_balanced": ClassBalanced,
    "logit_adjustment": LogitAdjustment,
    "focal": Focal,
    "ldam": LDAM,
    "asymmetric": Asymmetric,
    "squared": Squared,
    "huber": Huber,
    "beta_nll": BetaNLL,
}


def fitting(kind: Kind) -> list[str]:
    """Names of the losses that fit a kind of task, its default first.

    >>> fitting("regression")
    ['squared', 'huber', 'beta_nll']
    """
    return [name for name, loss in LOSSES.items() if kind in loss.kinds]


def make_loss(task: Task) -> Loss:
    """The loss that a task's settings name, or its kind's default.

    Raises :class:`~jointset.errors.ConfigError`, one line, when the loss is unknown or does not fit.
    """
    known, options = fitting(task.kind), dict(task.loss)
    name = options.pop("name", known[0])
    where = f"tasks.{task.name}.loss"
    if name not in LOSSES:
        raise ConfigError(f"{where}: {name!r} is unknown{nearest(name, known)}; one of {', '.join(known)}")
    if name not in known:
        raise ConfigError(
            f"{where}: {name} does not fit a task of kind {task.kind}; one of {', '.join(known)}"
        )
    return _made(where, name, options, task)


def _made(where: str, name: str, options: Mapping[str, Any], task: Task) -> Loss:
    taken = [k for k in getattr(LOSSES[name].__init__, "__annotations__", {}) if k != "return"]
    for option, value in options.items():
        if option not in taken:
            raise ConfigError(
                f"{where}: {name} has no option {option!r}{nearest(option, taken)}; "
                f"{'it has none' if not taken else 'its options are ' + ', '.join(taken)}"
            )
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ConfigError(f"{where}.{option}: a number is expected, found {value!r}")
    try:
        loss = LOSSES[name](**options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {name}: {error}") from None
    reason = loss.unfit(task)
    if reason:
        raise ConfigError(f"{where}: {name}: {reason}")
    return loss


def class_loss(task: Task) -> ClassLoss:
    """The loss of a task with classes."""
    loss = make_loss(task)
    assert isinstance(loss, ClassLoss)
    return loss


def number_loss(task: Task) -> NumberLoss:
    """The loss of a task with numbers."""
    loss = make_loss(task)
    assert isinstance(loss, NumberLoss)
    return loss

"""A weighting out of its name and options."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from jointset.errors import ConfigError, nearest
from jointset.weighting.base import Weighting
from jointset.weighting.table import WEIGHTINGS

WHERE = "training.weighting"


def make_weighting(
    name: str,
    options: Mapping[str, Any],
    tasks: Sequence[str],
    *,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Weighting:
    """The method of that name; "auto" is the default, a sum with fixed weights.

    Parameters
    ----------
    name
        A key of ``WEIGHTINGS``, or "auto".
    options
        Keywords of the method's constructor.
    tasks
        The names of all tasks, against which options by task are checked.
    weights
        The weights of the tasks, for methods that take any.
    seed
        For methods that draw.

    Raises
    ------
    ConfigError
        One line that names the method or option that is wrong, and what there is.

    >>> make_weighting("cagrad", {"c": 0.4}, ["a", "b"]).c
    0.4
    >>> make_weighting("cagrad", {"d": 0.4}, ["a", "b"])
    Traceback (most recent call last):
        ...
    jointset.errors.ConfigError: training.weighting.d: cagrad has no such option; its options are c
    """
    if name != "auto" and name not in WEIGHTINGS:
        raise ConfigError(
            f"{WHERE}: {name!r} is unknown{nearest(name, WEIGHTINGS)}; one of {', '.join(WEIGHTINGS)}"
        )
    name = "fixed" if name == "auto" else name
    known = options_of(name)
    for option, value in options.items():
        if option not in known:
            listed = f"its options are {', '.join(known)}" if known else "it has none"
            raise ConfigError(
                f"{WHERE}.{option}: {name} has no such option{nearest(option, known)}; {listed}"
            )
        _check(option, known[option], value, tasks)
    given = {"seed": seed, "weights": weights} if weights else {"seed": seed}
    given = {option: value for option, value in given.items() if option in known}
    try:
        return WEIGHTINGS[name](**{**given, **options})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{WHERE}: {name}: {error}") from None


def options_of(name: str) -> dict[str, Any]:
    """The options of a method and their defaults.

    >>> options_of("cagrad")
    {'c': 0.5}
    """
    return {
        option: parameter.default
        for option, parameter in inspect.signature(WEIGHTINGS[name]).parameters.items()
    }


def _check(option: str, default: Any, value: Any, tasks: Sequence[str]) -> None:
    """Raise ConfigError if a value cannot be meant for the option: no number, or a task that does not exist."""
    where, kind = f"{WHERE}.{option}", type(default)
    if kind in (int, float) and (isinstance(value, bool) or not isinstance(value, (int, kind))):
        raise ConfigError(
            f"{where}: expected {'a whole number' if kind is int else 'a number'}, found {value!r}"
        )
    if kind in (bool, str) and not isinstance(value, kind):
        raise ConfigError(
            f"{where}: expected {'true or false' if kind is bool else 'a name'}, found {value!r}"
        )
    named: Collection[Any] = value if isinstance(value, (Mapping, list, tuple, set)) else ()
    for task in named:
        if task not in tasks:
            raise ConfigError(
                f"{where}.{task}: no task has this name{nearest(str(task), tasks)}; tasks are {', '.join(tasks)}"
            )

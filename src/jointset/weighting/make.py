"""A weighting out of its name and options."""

from __future__ import annotations

import inspect
import math
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
        _check(option, str(known[option].annotation), value, tasks)
    given = {"seed": seed, "weights": weights} if weights else {"seed": seed}
    given = {option: value for option, value in given.items() if option in known}
    try:
        return WEIGHTINGS[name](**{**given, **options})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{WHERE}: {name}: {error}") from None


def of_tasks(name: str, options: Mapping[str, Any], tasks: Collection[str]) -> dict[str, Any]:
    """The options without what they say of other tasks.

    >>> of_tasks("uncertainty", {"squared": ["a", "b"]}, ["b", "c"])
    {'squared': ['b']}
    """
    known = {} if name == "auto" else options_of(name)
    kept = dict(options)
    for option, value in options.items():
        kind = str(known[option].annotation) if option in known else ""
        if kind.startswith("Mapping") and isinstance(value, Mapping):
            kept[option] = {t: v for t, v in value.items() if t in tasks}
        elif kind.startswith("Collection") and not isinstance(value, str):
            kept[option] = [t for t in value if t in tasks]
    return kept


def options_of(name: str) -> dict[str, inspect.Parameter]:
    """The options of a method.

    >>> options_of("cagrad")["c"].default
    0.5
    """
    return dict(inspect.signature(WEIGHTINGS[name]).parameters)


def _check(option: str, kind: str, value: Any, tasks: Sequence[str]) -> None:
    """Raise ConfigError if a value cannot be meant for an option of that annotation, or names a task that is none."""
    where, number = f"{WHERE}.{option}", isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is None and kind.endswith("None"):
        return
    if kind.startswith("Mapping"):
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{where}: expected a number for each task, such as {{{tasks[0]}: 2}}, found {value!r}"
            )
        _check_tasks(where, value, tasks)
        for task, entry in value.items():
            _check(f"{option}.{task}", "float", entry, tasks)
    elif kind.startswith("Collection"):
        if isinstance(value, str) or not isinstance(value, Collection):
            raise ConfigError(f"{where}: expected a list of tasks, such as [{tasks[0]}], found {value!r}")
        _check_tasks(where, value, tasks)
    elif kind.startswith("float") and not (number and math.isfinite(value)):
        raise ConfigError(f"{where}: expected a number, found {value!r}")
    elif kind.startswith("int") and not (number and math.isfinite(value) and value == int(value)):
        raise ConfigError(f"{where}: expected a whole number, found {value!r}")
    elif option == "seed" and value < 0:
        raise ConfigError(f"{where}: expected a whole number, at least 0, found {value!r}")
    elif kind == "bool" and not isinstance(value, bool):
        raise ConfigError(f"{where}: expected true or false, found {value!r}")


def _check_tasks(where: str, named: Collection[Any], tasks: Sequence[str]) -> None:
    for task in named:
        if task not in tasks:
            raise ConfigError(
                f"{where}.{task}: no task has this name{nearest(str(task), tasks)}; tasks are {', '.join(tasks)}"
            )

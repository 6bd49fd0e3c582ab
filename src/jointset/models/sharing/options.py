"""The options of a way of sharing are the keywords of its constructor; here they are checked."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, ValidationError, create_model

from jointset.errors import ConfigError, nearest

COMMON = ("self", "tasks", "width", "depth", "dropout")

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]
Amount = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def check(name: str, method: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options ``given`` for ``method``, converted to the types of its constructor; a mistake is a ConfigError.

    >>> class Demo:
    ...     def __init__(self, tasks, *, experts: Count = 4) -> None: ...
    >>> check("demo", Demo, {"experts": 2})
    {'experts': 2}
    >>> check("demo", Demo, {"expert": 2})
    Traceback (most recent call last):
    ...
    jointset.errors.ConfigError: model.sharing: demo has no option 'expert' (did you mean 'experts'?); known: experts
    """
    hints = get_type_hints(method.__init__, include_extras=True)  # type: ignore[misc]
    parameters = inspect.signature(method).parameters
    known = {n: (hints[n], p.default) for n, p in parameters.items() if n not in COMMON}
    model = create_model(  # type: ignore[call-overload]
        "Options",
        __config__=ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False),
        **known,
    )
    try:
        values = model.model_validate(dict(given))
    except ValidationError as error:
        raise ConfigError(_first(name, list(known), error)) from None
    return {n: getattr(values, n) for n in given}


def _first(name: str, known: list[str], error: ValidationError) -> str:
    first = error.errors()[0]
    option = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        listed = f"known: {', '.join(known)}" if known else "it has none"
        return f"model.sharing: {name} has no option {option!r}{nearest(option, known)}; {listed}"
    message = first["msg"].removeprefix("Value error, ")
    return f"model.sharing.{option}: {message[:1].lower() + message[1:]}, found {first['input']!r}"

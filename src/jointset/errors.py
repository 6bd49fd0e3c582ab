"""One tree of exceptions.

```
JointsetError
├── UserError            exit code 2: the user can mend it
│   ├── ConfigError      the configuration: unknown key, clash, wrong type
│   ├── DataError        a dataset, a column, a row, a label
│   ├── ArrayError       arrays handed to a public function (also a ValueError)
│   ├── UnknownName      nothing is called so (also a KeyError)
│   ├── RunError         a run directory: changed, locked, absent
│   └── MissingExtra     an optional dependency is not installed (also an ImportError)
└── InternalError        exit code 3: our failure
```
Every message says what is wrong, where, what was found and what to do next, on one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class JointsetError(Exception):
    """Base of everything that jointset raises on purpose."""

    exit_code = 3


class UserError(JointsetError):
    """A mistake the user can mend; the command line prints it as one line and exits with 2."""

    exit_code = 2


class ConfigError(UserError):
    """The configuration is wrong."""


class DataError(UserError):
    """A dataset is wrong: file, column, row or label."""


class ArrayError(UserError, ValueError):
    """Arrays handed to a public function do not fit its contract."""


class UnknownName(UserError, KeyError):
    """Nothing is called so."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would quote it


class RunError(UserError):
    """A run directory cannot be used as asked."""


class MissingExtra(UserError, ImportError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f'{purpose} needs {package}, which is not installed: pip install "jointset[{extra}]"'
        )


class InternalError(JointsetError):
    """Something that should not happen did; please report it."""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the candidate nearest to ``name``, or an empty string.

    Names that differ only in case or surrounding spaces are found first.

    >>> nearest("staars", ["stars", "text"])
    " (did you mean 'stars'?)"
    >>> nearest("stars", ["stars ", "text"])
    " (did you mean 'stars ', with a trailing space?)"
    """
    names = [str(c) for c in candidates]
    folded = name.strip().casefold()
    for candidate in names:
        if candidate.strip().casefold() == folded:
            side = "a trailing" if candidate != candidate.rstrip() else "a leading"
            note = f", with {side} space" if candidate != candidate.strip() else ""
            return f" (did you mean {candidate!r}{note}?)"
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""

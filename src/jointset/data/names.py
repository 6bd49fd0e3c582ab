"""Names that are made of others, such as of columns and of values."""

from __future__ import annotations

from collections.abc import Iterable


def numbered(name: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken, be it in other case: files of such names are one on some systems.

    >>> numbered("a", ["b"]), numbered("a", ["A", "a_2"])
    ('a', 'a_3')
    """
    used = {t.casefold() for t in taken}
    found, i = name, 2
    while found.casefold() in used:
        found, i = f"{name}_{i}", i + 1
    return found

"""Words of the command line's output."""

from __future__ import annotations


def counted(n: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "task"), counted(1200, "class")
    ('1 task', '1,200 classes')
    """
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}{'es' if what.endswith('s') else 's'}"

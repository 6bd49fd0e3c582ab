"""Words that YAML reads as truth values."""

from __future__ import annotations

from typing import Any


def spelled_out(value: Any) -> Any:
    """``on`` and ``off`` as the words they were written as, everything else as it is.

    >>> spelled_out(True), spelled_out(False), spelled_out("auto")
    ('on', 'off', 'auto')
    """
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value

"""Binary: one of two classes; the second is the positive one."""

from __future__ import annotations

from typing import ClassVar

from jointset.records import Kind
from jointset.tasks.single_label import SingleLabel


class Binary(SingleLabel):
    """One of two classes; the second is the positive one."""

    kind: ClassVar[Kind] = "binary"
    most: ClassVar[int | None] = 2

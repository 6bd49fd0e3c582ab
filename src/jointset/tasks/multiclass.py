"""Multiclass: one of K exclusive classes."""

from __future__ import annotations

from typing import ClassVar

from jointset.records import Kind
from jointset.tasks.single_label import SingleLabel


class Multiclass(SingleLabel):
    """One of K exclusive classes."""

    kind: ClassVar[Kind] = "multiclass"

"""What a section of the report is."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """``anchor`` is the section's address in the page; ``body`` is HTML that is safe."""

    anchor: str
    title: str
    body: Markup

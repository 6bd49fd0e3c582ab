"""Open edits out to other programs, and what people decided there back in."""

from jointset.export.edits.reading import read
from jointset.export.edits.writing import TABLES, WRITERS, write

__all__ = ["TABLES", "WRITERS", "read", "write"]

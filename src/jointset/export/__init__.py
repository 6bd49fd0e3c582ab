"""What leaves the library: tables with given and final labels, dataset cards, Hugging Face folders."""

from jointset.export.columns import TaskColumns, clashes
from jointset.export.parquet import write

__all__ = ["TaskColumns", "clashes", "write"]

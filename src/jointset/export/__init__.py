"""What leaves the library: tables with given and final labels, dataset cards, Hugging Face folders."""

from jointset.export import fiftyone
from jointset.export.columns import TaskColumns, clashes
from jointset.export.parquet import write
from jointset.export.recipes import with_recipes

__all__ = ["TaskColumns", "clashes", "fiftyone", "with_recipes", "write"]

"""The Gramian of the task gradients, one file a way; :func:`find` chooses."""

from jointset.weighting.gramian.choose import WAYS, find
from jointset.weighting.gramian.found import Found
from jointset.weighting.gramian.graph import Graph, read

__all__ = ["WAYS", "Found", "Graph", "find", "read"]

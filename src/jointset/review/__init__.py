"""The review page: people look at edits, decide, and the ledger remembers."""

from jointset.review.queue import Filters, Queue
from jointset.review.serve import serve

__all__ = ["Filters", "Queue", "serve"]

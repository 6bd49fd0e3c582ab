"""The review page: people look at edits, decide, and the ledger remembers; also by way of files."""

from jointset.review.answers import Taken, take
from jointset.review.desk import Desk, open_desk, user
from jointset.review.questions import asked, questions
from jointset.review.queue import Filters, Queue
from jointset.review.serve import serve

__all__ = ["Desk", "Filters", "Queue", "Taken", "asked", "open_desk", "questions", "serve", "take", "user"]

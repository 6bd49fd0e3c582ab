"""Search of task weights on held-out scores: proposals, pruning, and what the best of many trials is worth."""

from jointset.search.base import Search, Trial
from jointset.search.bayes import Bayes
from jointset.search.front import front
from jointset.search.grid import Grid
from jointset.search.pruning import hopeless
from jointset.search.worth import Worth, worth

SEARCHES: dict[str, type[Search]] = {"bayes": Bayes, "grid": Grid}

__all__ = ["SEARCHES", "Bayes", "Grid", "Search", "Trial", "Worth", "front", "hopeless", "worth"]

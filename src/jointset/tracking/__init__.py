"""Where a run's progress is told besides its own directory: one file per tracker."""

from jointset.tracking.base import Facts, Tracker
from jointset.tracking.run import Tracking, ready
from jointset.tracking.table import TRACKERS, make_tracker

__all__ = ["TRACKERS", "Facts", "Tracker", "Tracking", "make_tracker", "ready"]

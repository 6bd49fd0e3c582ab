"""Ways to share parameters between tasks, one file each."""

from jointset.models.sharing.base import Sharing
from jointset.models.sharing.hard import Hard

SHARINGS: dict[str, type[Sharing]] = {"hard": Hard}

__all__ = ["SHARINGS", "Hard", "Sharing"]

"""Joint dataset optimisation: one multi-task model over all datasets finds, repairs and checks their labels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jointset.errors import JointsetError

if TYPE_CHECKING:
    from jointset import audit, weighting
    from jointset.project import Project, Run

_LATER = {"Project": "jointset.project", "Run": "jointset.project", "audit": "", "weighting": ""}

__all__ = ["JointsetError", "Project", "Run", "audit", "weighting"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: ``import jointset`` stays free of torch, pandas and pydantic."""
    if name not in _LATER:
        raise AttributeError(f"module 'jointset' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name) if _LATER[name] else import_module(f"jointset.{name}")

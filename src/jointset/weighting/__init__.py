"""Ways to combine the task losses or their gradients, one file each."""

from jointset.weighting.base import GramianWeighting, JacobianWeighting, LossWeighting, State, Weighting
from jointset.weighting.equal import Equal
from jointset.weighting.fixed import Fixed
from jointset.weighting.uncertainty import Uncertainty

WEIGHTINGS: dict[str, type[Weighting]] = {"equal": Equal, "fixed": Fixed, "uncertainty": Uncertainty}

__all__ = [
    "WEIGHTINGS",
    "Equal",
    "Fixed",
    "GramianWeighting",
    "JacobianWeighting",
    "LossWeighting",
    "State",
    "Uncertainty",
    "Weighting",
]

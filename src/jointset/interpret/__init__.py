"""Why a model says what it says: rows that helped or hurt, layers that are shared, parts of a row that count."""

from jointset.interpret.attribution import Attribution, attribute
from jointset.interpret.cka import linear_cka
from jointset.interpret.curves import Curves, curves
from jointset.interpret.influence import Influence, Rows, influence, influence_on
from jointset.interpret.integrated_gradients import Gradients, integrated_gradients
from jointset.interpret.layers import Alignment, against, alignment, task_features
from jointset.interpret.occlusion import occlusion
from jointset.interpret.target import Target, target_of

__all__ = [
    "Alignment",
    "Attribution",
    "Curves",
    "Gradients",
    "Influence",
    "Rows",
    "Target",
    "against",
    "alignment",
    "attribute",
    "curves",
    "influence",
    "influence_on",
    "integrated_gradients",
    "linear_cka",
    "occlusion",
    "target_of",
    "task_features",
]

"""The kinds of task, one file each."""

from jointset.tasks.base import Encoded, LabelOptions, LabelSource, TaskKind
from jointset.tasks.binary import Binary
from jointset.tasks.multiclass import Multiclass
from jointset.tasks.multilabel import Multilabel
from jointset.tasks.regression import Regression

KINDS: dict[str, TaskKind] = {
    "binary": Binary(),
    "multiclass": Multiclass(),
    "multilabel": Multilabel(),
    "regression": Regression(),
}

__all__ = [
    "KINDS",
    "Binary",
    "Encoded",
    "LabelOptions",
    "LabelSource",
    "Multiclass",
    "Multilabel",
    "Regression",
    "TaskKind",
]

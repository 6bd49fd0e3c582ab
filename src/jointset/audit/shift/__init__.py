"""Shift between datasets, sites, splits and times: of the inputs, of the label shares, and of what labels mean."""

from jointset.audit.shift.columns import ColumnShift, column_shift
from jointset.audit.shift.concept import ConceptShift, concept_shift
from jointset.audit.shift.covariate import CovariateShift, covariate_shift
from jointset.audit.shift.labels import LabelShift, label_shift
from jointset.audit.shift.matrix import InputShifts, ShiftMatrix, compare_inputs, shift_matrix
from jointset.audit.shift.shares import ShareShift, share_shift
from jointset.audit.shift.weights import ImportanceWeights, importance_weights

__all__ = [
    "ColumnShift",
    "ConceptShift",
    "CovariateShift",
    "ImportanceWeights",
    "InputShifts",
    "LabelShift",
    "ShareShift",
    "ShiftMatrix",
    "column_shift",
    "compare_inputs",
    "concept_shift",
    "covariate_shift",
    "importance_weights",
    "label_shift",
    "share_shift",
    "shift_matrix",
]

"""The audit: wrong, missing and contradictory labels, and what is wrong with the data, found from arrays alone."""

from jointset.audit.annotators import Annotations, Consensus, consensus, from_long, give_away
from jointset.audit.base import TaskAudit, TaskAudits
from jointset.audit.contradictions import Contradictions
from jointset.audit.crossfit import area, cross_fitted
from jointset.audit.data_quality import DataQuality, data_quality
from jointset.audit.diversity import Diversity, diversity, vendi_score
from jointset.audit.duplicates import Duplicates, Pairs, find_duplicates
from jointset.audit.features import image_features, sound_features, table_features, text_features, text_terms
from jointset.audit.findings import Checked, Findings
from jointset.audit.issues import issues
from jointset.audit.label_errors.spans import SpanErrors
from jointset.audit.label_errors.tagging import TagAudit, find_tag_errors
from jointset.audit.leakage import (
    find_conflicts,
    find_leaks,
    find_order,
    find_shortcuts,
    simple_images,
    simple_sounds,
    simple_texts,
)
from jointset.audit.long_tail import LongTail, long_tail
from jointset.audit.margins import heed_margins
from jointset.audit.media import broken_images, broken_sounds, broken_texts
from jointset.audit.missing_labels import fillable
from jointset.audit.missing_values import MissingValues, find_missing_values
from jointset.audit.neighbours import neighbour_votes
from jointset.audit.outliers import Outliers, find_outliers, find_uncertain
from jointset.audit.quality import label_quality
from jointset.audit.run import AuditResult, find_label_errors, run
from jointset.audit.shift import (
    column_shift,
    concept_shift,
    covariate_shift,
    importance_weights,
    label_shift,
    share_shift,
    shift_matrix,
)

__all__ = [
    "Annotations",
    "AuditResult",
    "Checked",
    "Consensus",
    "Contradictions",
    "DataQuality",
    "Diversity",
    "Duplicates",
    "Findings",
    "LongTail",
    "MissingValues",
    "Outliers",
    "Pairs",
    "SpanErrors",
    "TagAudit",
    "TaskAudit",
    "TaskAudits",
    "area",
    "broken_images",
    "broken_sounds",
    "broken_texts",
    "column_shift",
    "concept_shift",
    "consensus",
    "covariate_shift",
    "cross_fitted",
    "data_quality",
    "diversity",
    "fillable",
    "find_conflicts",
    "find_duplicates",
    "find_label_errors",
    "find_leaks",
    "find_missing_values",
    "find_order",
    "find_outliers",
    "find_shortcuts",
    "find_tag_errors",
    "find_uncertain",
    "from_long",
    "give_away",
    "heed_margins",
    "image_features",
    "importance_weights",
    "issues",
    "label_quality",
    "label_shift",
    "long_tail",
    "neighbour_votes",
    "run",
    "share_shift",
    "shift_matrix",
    "simple_images",
    "simple_sounds",
    "simple_texts",
    "sound_features",
    "table_features",
    "text_features",
    "text_terms",
    "vendi_score",
]

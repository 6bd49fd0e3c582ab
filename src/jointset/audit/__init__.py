"""The audit: wrong, missing and contradictory labels, found from arrays alone."""

from jointset.audit.annotators import Annotations, Consensus, consensus, from_long, give_away
from jointset.audit.base import TaskAudit, TaskAudits
from jointset.audit.contradictions import Contradictions
from jointset.audit.issues import issues
from jointset.audit.label_errors.spans import SpanErrors
from jointset.audit.label_errors.tagging import TagAudit, find_tag_errors
from jointset.audit.missing_labels import fillable
from jointset.audit.run import AuditResult, find_label_errors, run

__all__ = [
    "Annotations",
    "AuditResult",
    "Consensus",
    "Contradictions",
    "SpanErrors",
    "TagAudit",
    "TaskAudit",
    "TaskAudits",
    "consensus",
    "fillable",
    "find_label_errors",
    "find_tag_errors",
    "from_long",
    "give_away",
    "issues",
    "run",
]

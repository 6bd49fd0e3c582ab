"""The audit: wrong, missing and contradictory labels, found from arrays alone."""

from jointset.audit.base import TaskAudit, TaskAudits
from jointset.audit.contradictions import Contradictions
from jointset.audit.issues import issues
from jointset.audit.missing_labels import fillable
from jointset.audit.run import AuditResult, find_label_errors, run

__all__ = [
    "AuditResult",
    "Contradictions",
    "TaskAudit",
    "TaskAudits",
    "fillable",
    "find_label_errors",
    "issues",
    "run",
]

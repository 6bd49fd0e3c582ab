"""Several annotators per row: who is right, who is good, whom to ask again."""

from jointset.audit.annotators.base import Agreement, Consensus, Dependence
from jointset.audit.annotators.run import consensus
from jointset.audit.annotators.views import give_away
from jointset.audit.annotators.votes import Annotations, from_long

__all__ = ["Agreement", "Annotations", "Consensus", "Dependence", "consensus", "from_long", "give_away"]

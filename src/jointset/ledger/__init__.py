"""The ledger: what was found, proposed, decided and undone, append-only."""

from jointset.ledger.decisions import VERBS, Decision, Recorded, Sitting
from jointset.ledger.schema import EDIT, ISSUE
from jointset.ledger.select import Selector
from jointset.ledger.store import Ledger

__all__ = ["EDIT", "ISSUE", "VERBS", "Decision", "Ledger", "Recorded", "Selector", "Sitting"]

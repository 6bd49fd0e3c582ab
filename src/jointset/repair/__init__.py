"""Repairs, one file each: issues in, proposed edits out."""

from jointset.repair.adjust import adjust_logits, choose_tau, choose_thresholds
from jointset.repair.ask import rank_questions
from jointset.repair.base import Repair, choose
from jointset.repair.drop import drop
from jointset.repair.duplicates import merge_duplicates
from jointset.repair.fill import fill
from jointset.repair.importance import weigh_for_shift
from jointset.repair.leaks import drop_leaks
from jointset.repair.relabel import relabel
from jointset.repair.reweight import reweight
from jointset.repair.run import run
from jointset.repair.synthesise import synthesise
from jointset.repair.table import REPAIRS
from jointset.repair.tail import tail_weights, weigh_tail

__all__ = [
    "REPAIRS",
    "Repair",
    "adjust_logits",
    "choose",
    "choose_tau",
    "choose_thresholds",
    "drop",
    "drop_leaks",
    "fill",
    "merge_duplicates",
    "rank_questions",
    "relabel",
    "reweight",
    "run",
    "synthesise",
    "tail_weights",
    "weigh_for_shift",
    "weigh_tail",
]

"""How tasks relate: affinities before, in and after training, and what to do about them; arrays in, no torch.

Guide with examples that run: ``docs/relatedness.md``.
"""

from jointset.relatedness.affinity import Affinity
from jointset.relatedness.association import association
from jointset.relatedness.auxiliaries import Choice, choose_auxiliaries
from jointset.relatedness.consensus import consensus
from jointset.relatedness.copies import Sameness, same_content
from jointset.relatedness.dynamics import loss_ratios, training_rates
from jointset.relatedness.fisher import fisher
from jointset.relatedness.gradients import conflict_rate, first_order_lookahead, gradient_cosine
from jointset.relatedness.grouping import Group, Grouping, company, group_tasks
from jointset.relatedness.h_score import h_score, h_score_of
from jointset.relatedness.information import information, label_information
from jointset.relatedness.leep import leep, leep_score
from jointset.relatedness.linearised import LinearisedGain, Tangent, linearised_gain
from jointset.relatedness.logme import logme, logme_score
from jointset.relatedness.mmd import mmd
from jointset.relatedness.ngrams import ngrams
from jointset.relatedness.plan import plan_trainings
from jointset.relatedness.pooling import Pooling, pool_datasets
from jointset.relatedness.probes import probed
from jointset.relatedness.proxy_a import proxy_a
from jointset.relatedness.signal import Signal, label_signal, says_nothing, sure_signal
from jointset.relatedness.table import MEASURES, Material, affinity
from jointset.relatedness.tag import lookahead
from jointset.relatedness.transfer_gain import TransferGain, measure_transfer
from jointset.relatedness.treatment import Treatment, treatments

__all__ = [
    "MEASURES",
    "Affinity",
    "Choice",
    "Group",
    "Grouping",
    "LinearisedGain",
    "Material",
    "Pooling",
    "Sameness",
    "Signal",
    "Tangent",
    "TransferGain",
    "Treatment",
    "affinity",
    "association",
    "choose_auxiliaries",
    "company",
    "conflict_rate",
    "consensus",
    "first_order_lookahead",
    "fisher",
    "gradient_cosine",
    "group_tasks",
    "h_score",
    "h_score_of",
    "information",
    "label_information",
    "label_signal",
    "leep",
    "leep_score",
    "linearised_gain",
    "logme",
    "logme_score",
    "lookahead",
    "loss_ratios",
    "measure_transfer",
    "mmd",
    "ngrams",
    "plan_trainings",
    "pool_datasets",
    "probed",
    "proxy_a",
    "same_content",
    "says_nothing",
    "sure_signal",
    "training_rates",
    "treatments",
]

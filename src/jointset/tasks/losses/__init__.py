"""Losses by name, one file each; the first that fits a kind of task is its default."""

from jointset.tasks.losses.asymmetric import Asymmetric
from jointset.tasks.losses.base import ClassLoss, Loss, NumberLoss, Seen
from jointset.tasks.losses.beta_nll import BetaNLL
from jointset.tasks.losses.class_balanced import ClassBalanced
from jointset.tasks.losses.cross_entropy import CrossEntropy
from jointset.tasks.losses.focal import Focal
from jointset.tasks.losses.huber import Huber
from jointset.tasks.losses.ldam import LDAM
from jointset.tasks.losses.logit_adjustment import LogitAdjustment
from jointset.tasks.losses.squared import Squared
from jointset.tasks.losses.table import LOSSES, fitting, make_loss

__all__ = [
    "LDAM",
    "LOSSES",
    "Asymmetric",
    "BetaNLL",
    "ClassBalanced",
    "ClassLoss",
    "CrossEntropy",
    "Focal",
    "Huber",
    "LogitAdjustment",
    "Loss",
    "NumberLoss",
    "Seen",
    "Squared",
    "fitting",
    "make_loss",
]

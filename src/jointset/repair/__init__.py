"""Repairs, one file each: issues in, proposed edits out."""

from jointset.repair.base import Repair, choose
from jointset.repair.drop import drop
from jointset.repair.fill import fill
from jointset.repair.relabel import relabel
from jointset.repair.reweight import reweight
from jointset.repair.run import run
from jointset.repair.synthesise import synthesise
from jointset.repair.table import REPAIRS

__all__ = ["REPAIRS", "Repair", "choose", "drop", "fill", "relabel", "reweight", "run", "synthesise"]

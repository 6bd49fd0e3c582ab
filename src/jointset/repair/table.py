"""The table of repairs, strongest first."""

from jointset.repair.base import Repair
from jointset.repair.drop import drop
from jointset.repair.fill import fill
from jointset.repair.relabel import relabel
from jointset.repair.reweight import reweight

REPAIRS: dict[str, Repair] = {"relabel": relabel, "fill": fill, "drop": drop, "weight": reweight}

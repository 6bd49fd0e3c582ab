"""The table of repairs, strongest first."""

from jointset.repair.base import Repair
from jointset.repair.drop import drop
from jointset.repair.duplicates import merge_duplicates
from jointset.repair.fill import fill
from jointset.repair.importance import weigh_for_shift
from jointset.repair.leaks import drop_leaks
from jointset.repair.relabel import relabel
from jointset.repair.reweight import reweight
from jointset.repair.tail import weigh_tail

REPAIRS: dict[str, Repair] = {
    "leaks": drop_leaks,
    "relabel": relabel,
    "fill": fill,
    "duplicates": merge_duplicates,
    "drop": drop,
    "weight": reweight,
    "shift": weigh_for_shift,
    "tail": weigh_tail,
}

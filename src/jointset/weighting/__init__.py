"""Ways to combine the task losses or their gradients, one file each."""

from jointset.weighting.aligned_mtl import AlignedMTL
from jointset.weighting.base import GramianWeighting, JacobianWeighting, LossWeighting, State, Weighting
from jointset.weighting.cagrad import CAGrad
from jointset.weighting.config import ConFIG
from jointset.weighting.dualproj import DualProj
from jointset.weighting.equal import Equal
from jointset.weighting.fairgrad import FairGrad
from jointset.weighting.fixed import Fixed
from jointset.weighting.gradvac import GradVac
from jointset.weighting.imtl_g import IMTLG
from jointset.weighting.mgda import MGDA
from jointset.weighting.nash_mtl import NashMTL
from jointset.weighting.pcgrad import PCGrad
from jointset.weighting.uncertainty import Uncertainty
from jointset.weighting.upgrad import UPGrad

WEIGHTINGS: dict[str, type[Weighting]] = {
    "equal": Equal,
    "fixed": Fixed,
    "uncertainty": Uncertainty,
    "mgda": MGDA,
    "pcgrad": PCGrad,
    "gradvac": GradVac,
    "cagrad": CAGrad,
    "imtl_g": IMTLG,
    "nash_mtl": NashMTL,
    "aligned_mtl": AlignedMTL,
    "upgrad": UPGrad,
    "dualproj": DualProj,
    "config": ConFIG,
    "fairgrad": FairGrad,
}

__all__ = [
    "IMTLG",
    "MGDA",
    "WEIGHTINGS",
    "AlignedMTL",
    "CAGrad",
    "ConFIG",
    "DualProj",
    "Equal",
    "FairGrad",
    "Fixed",
    "GradVac",
    "GramianWeighting",
    "JacobianWeighting",
    "LossWeighting",
    "NashMTL",
    "PCGrad",
    "State",
    "UPGrad",
    "Uncertainty",
    "Weighting",
]

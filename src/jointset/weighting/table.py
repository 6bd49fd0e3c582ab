"""All weightings by name."""

from jointset.weighting.aligned_mtl import AlignedMTL
from jointset.weighting.base import Weighting
from jointset.weighting.cagrad import CAGrad
from jointset.weighting.config import ConFIG
from jointset.weighting.db_mtl import DBMTL
from jointset.weighting.dualproj import DualProj
from jointset.weighting.dwa import DWA
from jointset.weighting.equal import Equal
from jointset.weighting.excess_mtl import ExcessMTL
from jointset.weighting.fairgrad import FairGrad
from jointset.weighting.famo import FAMO
from jointset.weighting.fixed import Fixed
from jointset.weighting.gls import GLS
from jointset.weighting.go4align import GO4Align
from jointset.weighting.graddrop import GradDrop
from jointset.weighting.gradnorm import GradNorm
from jointset.weighting.gradvac import GradVac
from jointset.weighting.imtl_g import IMTLG
from jointset.weighting.imtl_l import IMTLL
from jointset.weighting.mgda import MGDA
from jointset.weighting.moco import MoCo
from jointset.weighting.modo import MoDo
from jointset.weighting.nash_mtl import NashMTL
from jointset.weighting.ntkmtl import NTKMTL
from jointset.weighting.ntkmtl_sr import NTKMTLSR
from jointset.weighting.pcgrad import PCGrad
from jointset.weighting.rlw import RLW
from jointset.weighting.sdmgrad import SDMGrad
from jointset.weighting.si import SI
from jointset.weighting.stch import STCH
from jointset.weighting.uncertainty import Uncertainty
from jointset.weighting.upgrad import UPGrad

WEIGHTINGS: dict[str, type[Weighting]] = {
    "equal": Equal,
    "fixed": Fixed,
    "uncertainty": Uncertainty,
    "dwa": DWA,
    "rlw": RLW,
    "gls": GLS,
    "si": SI,
    "imtl_l": IMTLL,
    "famo": FAMO,
    "stch": STCH,
    "go4align": GO4Align,
    "gradnorm": GradNorm,
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
    "sdmgrad": SDMGrad,
    "modo": MoDo,
    "ntkmtl": NTKMTL,
    "ntkmtl_sr": NTKMTLSR,
    "graddrop": GradDrop,
    "moco": MoCo,
    "db_mtl": DBMTL,
    "excess_mtl": ExcessMTL,
}

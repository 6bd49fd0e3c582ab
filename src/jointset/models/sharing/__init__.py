"""Ways to share parameters between tasks, one file each."""

from collections.abc import Mapping
from typing import Any

from jointset.errors import ConfigError, nearest
from jointset.models.sharing.adapters import Adapters
from jointset.models.sharing.adashare import AdaShare
from jointset.models.sharing.base import Part, Sharing
from jointset.models.sharing.branching import Branching
from jointset.models.sharing.cgc import CGC
from jointset.models.sharing.cross_stitch import CrossStitch
from jointset.models.sharing.dselect_k import DSelectK
from jointset.models.sharing.hard import Hard
from jointset.models.sharing.lora import LoRA
from jointset.models.sharing.mmoe import MMoE
from jointset.models.sharing.mtan import MTAN
from jointset.models.sharing.nddr import NDDR
from jointset.models.sharing.options import check
from jointset.models.sharing.ple import PLE
from jointset.models.sharing.shared_init import SharedInit
from jointset.models.sharing.sluice import Sluice
from jointset.models.sharing.soft import Soft
from jointset.models.sharing.tensor_factors import TensorFactors
from jointset.models.sharing.trace_norm import TraceNorm

SHARINGS: dict[str, type[Sharing]] = {
    "hard": Hard,
    "shared_init": SharedInit,
    "soft": Soft,
    "trace_norm": TraceNorm,
    "tensor_factors": TensorFactors,
    "cross_stitch": CrossStitch,
    "sluice": Sluice,
    "nddr": NDDR,
    "mmoe": MMoE,
    "cgc": CGC,
    "ple": PLE,
    "mtan": MTAN,
    "dselect_k": DSelectK,
    "adashare": AdaShare,
    "branching": Branching,
    "lora": LoRA,
    "adapters": Adapters,
}


def check_sharing(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options ``given`` for the way of sharing ``name``, as its constructor takes them; mistakes are ConfigErrors.

    >>> check_sharing("mmoe", {"experts": 6})
    {'experts': 6}
    """
    if name not in SHARINGS:
        raise ConfigError(
            f"model.sharing: {name!r} is unknown{nearest(name, SHARINGS)}; one of {', '.join(SHARINGS)}"
        )
    return check(name, SHARINGS[name], given)


def usual_depth(name: str, linear: bool) -> int:
    """Layers where the user says nothing: as the way of sharing has it, or none where all encoders are ``linear``.

    A trunk layer over a bag of n-grams memorised wrong labels within two epochs; without it the model keeps up
    with, or beats, regularised linear models.
    """
    return 0 if linear else SHARINGS[name].usual_depth


__all__ = ["SHARINGS", "Part", "Sharing", "check_sharing", "usual_depth"]

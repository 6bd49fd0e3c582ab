"""How tasks relate: affinities before, in and after training, and what to do about them; arrays in, no torch.

Guide with examples that run: ``docs/relatedness.md``.
"""

from jointset.relatedness.affinity import Affinity
from jointset.relatedness.association import association
from jointset.relatedness.fisher import fisher
from jointset.relatedness.h_score import h_score
from jointset.relatedness.information import information
from jointset.relatedness.leep import leep
from jointset.relatedness.logme import logme
from jointset.relatedness.mmd import mmd
from jointset.relatedness.ngrams import ngrams
from jointset.relatedness.probes import probed
from jointset.relatedness.proxy_a import proxy_a
from jointset.relatedness.table import MEASURES, Material, affinity

__all__ = [
    "MEASURES",
    "Affinity",
    "Material",
    "affinity",
    "association",
    "fisher",
    "h_score",
    "information",
    "leep",
    "logme",
    "mmd",
    "ngrams",
    "probed",
    "proxy_a",
]

"""One dataset parted into sites, and how much the sites differ; arrays in, arrays out, no torch."""

from jointset.data.sites.classes import classes
from jointset.data.sites.clusters import clusters
from jointset.data.sites.column import column
from jointset.data.sites.dirichlet import dirichlet
from jointset.data.sites.expected import dirichlet_share, gini_of_dirichlet, gini_of_lognormal
from jointset.data.sites.heterogeneity import Heterogeneity, heterogeneity
from jointset.data.sites.iid import iid
from jointset.data.sites.lognormal import lognormal
from jointset.data.sites.mixture import mixture
from jointset.data.sites.quantity import quantity
from jointset.data.sites.shards import shards

METHODS = {
    "by": column,
    "iid": iid,
    "dirichlet": dirichlet,
    "mixture": mixture,
    "quantity": quantity,
    "lognormal": lognormal,
    "shards": shards,
    "classes": classes,
    "clusters": clusters,
    "noise": iid,  # the rows are drawn evenly; what they measure changes when they are written
}

__all__ = [
    "METHODS",
    "Heterogeneity",
    "classes",
    "clusters",
    "column",
    "dirichlet",
    "dirichlet_share",
    "gini_of_dirichlet",
    "gini_of_lognormal",
    "heterogeneity",
    "iid",
    "lognormal",
    "mixture",
    "quantity",
    "shards",
]

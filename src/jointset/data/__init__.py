"""The data room: sources, datasets, the pool of all rows, splits and folds, mixing, and edits as a view."""

from jointset.data.dataset import Dataset, load_dataset
from jointset.data.folds import make_folds
from jointset.data.held_out import HeldOutLabels, held_out_labels
from jointset.data.mixing import Sampler, mixing_shares
from jointset.data.overlay import SOURCES, Overlay, apply
from jointset.data.pool import Pool, build_pool

__all__ = [
    "SOURCES",
    "Dataset",
    "HeldOutLabels",
    "Overlay",
    "Pool",
    "Sampler",
    "apply",
    "build_pool",
    "held_out_labels",
    "load_dataset",
    "make_folds",
    "mixing_shares",
]

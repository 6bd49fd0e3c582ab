"""Copies and near-copies: of texts, of images, of table rows, and of any embedding."""

from jointset.audit.duplicates.base import Pairs
from jointset.audit.duplicates.images import near_images
from jointset.audit.duplicates.points import near_points
from jointset.audit.duplicates.run import Duplicates, find_duplicates
from jointset.audit.duplicates.tables import near_tables
from jointset.audit.duplicates.texts import near_texts

__all__ = [
    "Duplicates",
    "Pairs",
    "find_duplicates",
    "near_images",
    "near_points",
    "near_tables",
    "near_texts",
]

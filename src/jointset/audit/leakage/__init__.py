"""Leakage: copies across splits, copies that contradict each other, labels that are given away, and orders."""

from jointset.audit.leakage.conflicts import Conflicts, find_conflicts
from jointset.audit.leakage.order import Order, find_order
from jointset.audit.leakage.shortcuts import Shortcuts, find_shortcuts
from jointset.audit.leakage.simple import simple_images, simple_sounds, simple_texts
from jointset.audit.leakage.splits import Leaks, find_leaks

__all__ = [
    "Conflicts",
    "Leaks",
    "Order",
    "Shortcuts",
    "find_conflicts",
    "find_leaks",
    "find_order",
    "find_shortcuts",
    "simple_images",
    "simple_sounds",
    "simple_texts",
]

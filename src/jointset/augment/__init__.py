"""Augmentation that knows the tasks: policies and recipes; what needs torch stands in the modules of modalities."""

from jointset.augment.policy import Draws, Policy, Step
from jointset.augment.recipes import Recipe

__all__ = ["Draws", "Policy", "Recipe", "Step"]

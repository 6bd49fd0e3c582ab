"""Searches for an augmentation policy, one file each."""

from jointset.augment.search.base import PolicySearch, PolicyTrial, Space
from jointset.augment.search.bayes import Bayes
from jointset.augment.search.policy_gradient import PolicyGradient
from jointset.augment.search.population import Population
from jointset.augment.search.randaugment import RandAugment
from jointset.augment.search.trivial import Trivial

POLICY_SEARCHES: dict[str, type[PolicySearch]] = {
    "trivial": Trivial,
    "randaugment": RandAugment,
    "bayes": Bayes,
    "population": Population,
    "policy_gradient": PolicyGradient,
}

__all__ = [
    "POLICY_SEARCHES",
    "Bayes",
    "PolicyGradient",
    "PolicySearch",
    "PolicyTrial",
    "Population",
    "RandAugment",
    "Space",
    "Trivial",
]

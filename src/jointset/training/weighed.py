"""The weighting of a training, and what it is told of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from jointset.records import Ints, Task
from jointset.training.settings import TrainSettings
from jointset.weighting import GramianWeighting, Weighting, make_weighting


def weighting_of(tasks: Sequence[Task], settings: TrainSettings, seed: int) -> Weighting:
    """The method that the settings name, with the weights of the tasks."""
    given = settings.weighting
    options = {"method": given} if isinstance(given, str) else dict(given)
    weights = {t.name: t.weight for t in tasks}
    return make_weighting(options.pop("method"), options, list(weights), weights=weights, seed=seed)


def one_pass(weighting: Weighting, way: str) -> bool:
    """Whether the Gramian is to be had from one pass, where every row is one task's.

    >>> from jointset.weighting import Equal, UPGrad
    >>> one_pass(UPGrad(), "auto"), one_pass(UPGrad(), "layers"), one_pass(Equal(), "auto")
    (True, False, False)
    """
    exact = isinstance(weighting, GramianWeighting) and not weighting.at_features
    return exact and way in ("auto", "rows")


def whose(owner: Ints, present: Sequence[str], tasks: Sequence[Task]) -> Tensor:
    """The position among the tasks that are ``present`` of each row's ``owner``, its number among all ``tasks``.

    >>> import numpy as np
    >>> tasks = [Task(n, "regression") for n in "abc"]
    >>> whose(np.array([0, 2, -1, 1]), ["a", "c"], tasks)
    tensor([ 0,  1, -1, -1])
    """
    place = [present.index(t.name) if t.name in present else -1 for t in tasks]
    return torch.tensor([*place, -1])[torch.from_numpy(owner)]

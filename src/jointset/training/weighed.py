"""The weighting of a training, and what it is told of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
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
    if not isinstance(weighting, GramianWeighting) or weighting.at_features:
        return False
    return weighting.samples == 1 and way in ("auto", "rows")


def two_batches(weighting: Weighting) -> bool:
    """Whether the method is derived for two batches: a run gives it the halves of one."""
    return isinstance(weighting, GramianWeighting) and weighting.samples == 2


def half_of(known: Mapping[str, Tensor]) -> Ints:
    """0 or 1 for each row of a batch, by turns among rows labelled for the same tasks, ``(b,)``.

    ``known`` ``(b,)`` or ``(b, C)`` says by task what is labelled; of two rows that are alike, either half has one.

    >>> half_of({"a": torch.tensor([True, True, False, False]), "b": torch.tensor([False, False, True, True])}).tolist()
    [0, 1, 0, 1]
    """
    of_task = np.stack([(k.any(1) if k.ndim == 2 else k).numpy() for k in known.values()], 1)  # (b, K)
    order = np.argsort(np.unique(of_task, axis=0, return_inverse=True)[1].ravel(), kind="stable")
    half = np.empty(len(order), np.int64)
    half[order] = np.arange(len(order)) % 2
    return half


def in_half(known: Mapping[str, tuple[Tensor, Tensor]], rows: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Labels and weights by task with those ``rows`` (b,) alone; tasks that have none there are left out.

    >>> known = {"a": (torch.tensor([1, 0]), torch.tensor([1.0, 0.0])), "b": (torch.tensor([1, 0]), torch.ones(2))}
    >>> in_half(known, torch.tensor([False, True]))
    {'b': (tensor([1, 0]), tensor([0., 1.]))}
    """
    found = {n: (y, w * (rows if w.ndim == 1 else rows[:, None])) for n, (y, w) in known.items()}
    return {n: (y, w) for n, (y, w) in found.items() if bool((w > 0).any())}


def mean_of(halves: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The losses of either half, each task's over those halves that have it.

    >>> mean_of([{"a": torch.tensor(1.0)}, {"a": torch.tensor(3.0), "b": torch.tensor(1.0)}])
    {'a': tensor(2.), 'b': tensor(1.)}
    """
    names = dict.fromkeys(n for losses in halves for n in losses)
    return {n: torch.stack([losses[n] for losses in halves if n in losses]).mean() for n in names}


def whose(owner: Ints, present: Sequence[str], tasks: Sequence[Task]) -> Tensor:
    """The position among the tasks that are ``present`` of each row's ``owner``, its number among all ``tasks``.

    >>> import numpy as np
    >>> tasks = [Task(n, "regression") for n in "abc"]
    >>> whose(np.array([0, 2, -1, 1]), ["a", "c"], tasks)
    tensor([ 0,  1, -1, -1])
    """
    place = [present.index(t.name) if t.name in present else -1 for t in tasks]
    return torch.tensor([*place, -1])[torch.from_numpy(owner)]

"""Where training starts: at what the shares of the classes say, before any input is looked at."""

import numpy as np
import pytest
import torch

from jointset.records import Task
from jointset.tasks import KINDS
from jointset.tasks.losses.base import Seen

CLASSES = ("a", "b", "c")
OVER = {"mode": "over", "power": 0.5, "most": 10.0}


def started(task, counts):
    kind, seen = KINDS[task.kind], Seen(torch.tensor(counts))
    return kind.outputs(task, kind.start(task, seen).expand(1, -1), seen)[0]


@pytest.mark.parametrize("sampling", [{}, OVER])
def test_classes_start_at_their_shares_however_rows_are_drawn(sampling):
    task = Task("t", "multiclass", CLASSES, sampling=sampling)
    torch.testing.assert_close(started(task, [60, 30, 10]), torch.tensor([0.6, 0.3, 0.1]))


@pytest.mark.parametrize("sampling", [{}, OVER])
def test_each_label_of_a_set_starts_at_its_own_share(sampling):
    task = Task("t", "multilabel", CLASSES, sampling=sampling)
    torch.testing.assert_close(
        started(task, [[90, 10], [50, 50], [99, 1]]), torch.tensor([0.1, 0.5, 0.01]), rtol=1e-4, atol=1e-6
    )


def test_a_class_without_a_label_starts_low_but_possible():
    found = started(Task("t", "multiclass", CLASSES), [900, 99, 0])
    assert found[2] == pytest.approx(0.001, rel=0.01) and torch.isfinite(found).all()


@pytest.mark.parametrize("loss", ["class_balanced", "logit_adjustment", "ldam"])
def test_losses_that_draw_classes_level_start_level(loss):
    task = Task("t", "multiclass", CLASSES, loss={"name": loss})
    start = KINDS[task.kind].start(task, Seen(torch.tensor([60, 30, 10])))
    assert start.tolist() == [0.0, 0.0, 0.0]


def test_numbers_start_at_their_mean():
    task = Task("t", "regression", scale=(5.0, 2.0))
    assert started(task, np.zeros(0, int)).tolist() == [5.0]

"""Features by layer and task under several ways of sharing."""

import dataclasses

import numpy as np
import pytest

from jointset.errors import ArrayError
from jointset.interpret import against, alignment, task_features
from jointset.records import TRAIN
from jointset.training.loop import fit


def trained(bench, problem, method):
    plan = dataclasses.replace(problem.plan, sharing=method, depth=2, options={})
    own = dataclasses.replace(problem, plan=plan)
    rows = np.flatnonzero(own.usable() & (bench.work.pool.split == TRAIN))
    return fit(own, rows, rows[:0], bench.settings, seed=0, epochs=2).model, rows


@pytest.mark.parametrize("method", ["hard", "soft", "cross_stitch", "mtan", "mmoe"])
def test_layers_come_by_task(bench, problem, method):
    model, rows = trained(bench, problem, method)
    features = task_features(model, problem.inputs, rows[:120])
    tasks = [t.name for t in problem.tasks]
    assert all(list(by) == tasks for by in features.values()) and list(features)[-1] == "heads' input"
    assert all(x.shape[0] == 120 for by in features.values() for x in by.values())
    found = alignment(features)
    last = found.shared()[-1]
    assert (np.abs(found.value) <= 1 + 1e-9).all()
    np.testing.assert_allclose(found.value, found.value.transpose(0, 2, 1))
    if method == "hard":
        np.testing.assert_allclose(found.value, 1.0)
    else:
        assert last < 1 - 1e-6
    if method in ("soft", "cross_stitch"):
        columns = [n for n in features if "*" in n]
        assert len(columns) == 2  # a layer of all columns at each depth
    with np.errstate(all="raise"):
        same = against(features, features, "level")
    assert same["heads' input"] == pytest.approx(1)


def test_models_without_a_common_layer():
    with pytest.raises(ArrayError, match="no layer in common"):
        against({"a": {"t": np.ones((4, 1))}}, {"b": {"t": np.ones((4, 1))}}, "t")

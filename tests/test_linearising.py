"""Linearised gains of a small configuration, through the library and the command."""

import json

import numpy as np
import pytest

from jointset.cli.relate import render
from jointset.data import apply
from jointset.errors import ConfigError
from jointset.linearising import linearise, linearised
from jointset.records import HOLDOUT, TRAIN, Edits
from jointset.relating import relate


@pytest.fixture(scope="module")
def found(bench):
    work = bench.work
    return linearise(bench, apply(work.given, Edits.empty(), work.by_name, work.pool), rows=100, seed=0)


def test_every_pair_has_an_estimate_on_held_out_rows_and_the_same_twice(bench, found):
    work = bench.work
    again = linearise(bench, apply(work.given, Edits.empty(), work.by_name, work.pool), rows=100, seed=0)
    np.testing.assert_array_equal(found.affinity.values, again.affinity.values)
    assert found.affinity.tasks == tuple(t.name for t in work.tasks)
    known = np.isfinite(found.affinity.values)
    assert known.any() and (found.affinity.low <= found.affinity.high)[known].all()
    held = int((work.pool.split == HOLDOUT).sum())
    assert 0 < found.affinity.support.max() <= held


def test_training_rows_and_test_rows_are_not_looked_at(bench, problem, found):
    split = bench.work.pool.split
    held = np.flatnonzero(problem.usable() & (split == HOLDOUT))
    train = problem.trained_on(split == TRAIN)
    own = linearised(problem, train, held, bench.settings, groups=bench.work.pool.component, seed=0)
    np.testing.assert_array_equal(own.affinity.values, found.affinity.values)
    with pytest.raises(ConfigError, match="no task has 10 held-out labels in either half"):
        linearised(problem, train, held[:15], bench.settings, groups=bench.work.pool.component, seed=0)


def test_relate_shows_them_and_the_command_takes_the_option(bench, found, folder, cli):
    told = relate(bench.work, measures=["association"], targets=["level"], linear=found)
    assert any("linearised_gain +" in line or "linearised_gain -" in line for line in render(told))
    folder.settings["training"]["epochs"] = 2
    done = cli("relate", folder.write().config, "--measure", "association", "--linearise", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["affinity"]["linearised_gain"]["seconds"] > 0

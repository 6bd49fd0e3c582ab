"""Trainings of sets of tasks: the same held-out rows every time, and gains through the command."""

import json

import numpy as np

from jointset.data import apply
from jointset.records import Edits
from jointset.task_sets import trainer


def test_a_task_is_scored_on_the_same_rows_in_every_set(bench):
    work = bench.work
    train = trainer(bench, apply(work.given, Edits.empty(), work.by_name, work.pool), seed=0)
    alone, both = train(("level",)), train(("level", "price"))
    assert set(alone) == {"level"} and set(both) == {"level", "price"}
    assert alone["level"][1].shape == both["level"][1].shape
    for score, rows in both.values():
        assert np.isclose(score, rows.mean()) and score < 1
    again = trainer(bench, apply(work.given, Edits.empty(), work.by_name, work.pool), seed=0)(("level",))
    assert again["level"][0] == alone["level"][0]


def test_the_command_measures_gains_within_a_budget(folder, cli):
    folder.settings["training"]["epochs"] = 2
    done = cli("relate", folder.write().config, "--measure", "leep", "--budget", 6, "--groups", 2, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    gain = found["affinity"]["transfer_gain"]
    assert np.array(gain["support"]).max() >= 2 and gain["seconds"] > 0
    assert sorted(t for g in found["groups"]["groups"] for t in g["serves"]) == sorted(gain["tasks"])

"""The benchmark of relatedness: agreement with gains, noise of a seed, groupings, and that it goes on where it was."""

import numpy as np
import pandas as pd
import pytest
import yaml
from bench.relating import auxiliaries, groups, pairs, running, sets, trainings

from bench import relatedness as bench


def test_ranks_agree_over_pairs_and_within_targets():
    rng = np.random.default_rng(0)
    gain = rng.normal(size=(6, 6))
    shifted = gain + 10 * np.arange(6)  # by target: the order within targets stays, over pairs it does not
    same, moved = pairs.agreement(gain, gain), pairs.agreement(shifted, gain)
    assert same.overall == same.within == moved.within == 1 and moved.overall < 0.9
    assert pairs.agreement(-gain, gain).within == -1
    assert pairs.agreement(np.ones((6, 6)), gain).overall == 0


def test_the_noise_is_the_agreement_of_seeds_and_their_mean_is_less_noisy():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(40, 40))
    by_seed = {s: truth + rng.normal(size=truth.shape) for s in range(2)}
    found, reach = pairs.noise(by_seed)
    assert 0.4 < found.overall < 0.55  # half of the variance is noise
    mean = pairs.agreement(truth, np.mean(list(by_seed.values()), axis=0)).overall
    assert abs(reach - mean) < 0.03


def test_drawn_pairs_are_balanced_and_repeat():
    tasks = [f"t{i}" for i in range(27)]
    drawn = pairs.drawn("sider", tasks, 0)
    met = [sum(t in p for p in drawn) for t in tasks]
    assert drawn == pairs.drawn("sider", tasks, 0) and len(set(drawn)) == pairs.MOST["sider"]
    assert sum(m > 0 for m in met) == pairs.TASKS["sider"] and max(met) - min(m for m in met if m) <= 1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Four tasks on one small table, of which the last follows nothing."""
    folder, rng, n = tmp_path_factory.mktemp("set"), np.random.default_rng(0), 240
    x = rng.normal(size=(n, 3))
    frame = pd.DataFrame(x, columns=["p", "q", "r"])
    frame["split"] = np.repeat(["train", "holdout", "test"], n // 3)
    score = {"a": x[:, 0], "b": x[:, 0] + x[:, 1], "c": x[:, 2], "d": rng.normal(size=n)}
    for name, values in score.items():
        frame[name] = np.where(values > 0, "yes", "no")
    frame.to_parquet(folder / "people.parquet", index=False)
    dataset = {"path": "people.parquet", "inputs": {"tabular": ["p", "q", "r"]}, "split": {"column": "split"}}
    tasks = {n: {"kind": "binary", "labels": {"people": n}, "metric": "auc"} for n in score}
    settings = {"name": "small", "datasets": {"people": dataset}, "tasks": tasks, "seed": 0}
    (folder / "jointset.yaml").write_text(yaml.safe_dump(settings))
    return folder


def test_gains_are_read_off_rows_that_stopping_does_not_watch_and_are_kept(made):
    own = trainings.Trainings(made, ["training.epochs=2"])
    found = own.scores(("a", "b"), 0)
    assert set(found["tasks"]) == {"a", "b"} and len(found["tasks"]["a"]["judge"]) == 2
    assert len(own.judge) == 40 and (own.work.pool.split[own.judge] == 1).all()
    file = next((made / "scores" / "0").glob("a+b.json"))
    file.write_text(file.read_text().replace('"epochs": 2', '"epochs": 99'))
    assert trainings.Trainings(made, ["training.epochs=2"]).scores(("b", "a"), 0)["epochs"] == 99
    gain = pairs.gains(own, [("a", "b"), ("a", "c")], 0, wait=False)
    assert not np.isfinite(gain).any()  # no task was trained alone


def test_a_share_of_the_labels_is_left_and_the_rows_to_judge_keep_theirs(made):
    whole, few = trainings.Trainings(made), trainings.Trainings(made, (), {"a": 0.1})
    known = (few.work.given["a"] >= 0) & (few.work.pool.split == 0)
    assert 2 <= known.sum() <= 20 and (few.work.given["b"] == whole.work.given["b"]).all()
    assert (few.work.given["a"][few.judge] == whole.work.given["a"][whole.judge]).all()
    assert (few.work.given["a"] >= 0)[few.work.pool.split == 2].all()


def test_every_measure_has_a_cost_and_shared_parts_count_once_for_the_consensus(made):
    found, cost = pairs.measured(trainings.Trainings(made))
    assert set(found) == set(cost) and "consensus" in cost and min(cost.values()) >= 0
    assert cost["consensus"] <= sum(v for n, v in cost.items() if n != "consensus") + 1e-6


def test_measures_in_training_are_averaged_over_seeds_and_kept(made):
    own = trainings.Trainings(made, ["training.epochs=2"])
    gain = np.random.default_rng(0).normal(size=(4, 4))
    told, cost = running.compared(own, [0, 1], gain)
    assert {"gradient_cosine", "conflict_rate", "lookahead", "linearised_gain"} <= set(told) == set(cost)
    assert cost["lookahead"] == 1 and cost["linearised_gain"] > 0
    each = [running.kept(own, s)[0] for s in (0, 1)]
    linear = [pairs.agreement(a["linearised_gain"].values, gain).overall for a in each]
    against = [pairs.agreement(-a["conflict_rate"].values, gain).within for a in each]
    assert np.isclose(told["linearised_gain"].overall, np.mean(linear))
    assert np.isclose(told["conflict_rate"].within, np.mean(against))
    assert (made / "running-0.json").is_file()
    assert repr(running.compared(own, [0, 1], gain)) == repr((told, cost))  # some are NaN: two epochs are few


def test_groupings_part_the_tasks():
    for blocks in (*groups.partitions("abcde", 3), groups.random("abcde", 3, 1)):
        assert len(blocks) == 3 and sorted(t for b in blocks for t in b) == list("abcde")


def test_where_every_set_is_trained_no_grouping_is_better_than_the_best(made):
    own = trainings.Trainings(made, ["training.epochs=2"])
    found = groups.every_set(own, own.names[:3], 2, 0)
    assert max(v for way, v in found.items() if way != "alone") == found["best on the test rows"]
    text = groups.table({("small", 2): [found]})
    assert text.count("\n") == 1 + len(found) and f"| alone | {found['alone']:.4f} |" in text


def test_the_table_of_auxiliaries_has_a_line_per_target():
    scores = {w: [[0.1 * i, 0.5], [0.1 * i + 0.1, 0.6]] for i, w in enumerate(auxiliaries.WAYS)}
    beside = {w: ("b",) if w == "chosen" else () for w in auxiliaries.WAYS}
    text = auxiliaries.table([{"set": "s", "target": "a", "beside": beside, "scores": scores}])
    assert "| s: a | 0.050 (0.000 to 0.100); 0.550 |" in text and text.endswith("0.3500 | |")


def test_the_table_of_pairs_ends_with_what_is_within_reach():
    gain = np.random.default_rng(0).normal(size=(5, 5))
    one = {
        "gain": gain,
        "noise": pairs.noise({0: gain, 1: gain}),
        "by_measure": {"logme": pairs.agreement(gain, gain)},
        "cost": {"logme": 0.25},
    }
    text = bench.pairs_table({"set": one})
    assert "| logme | +1.00 / +1.00 | +1.00 / +1.00 | 0.25 |" in text
    assert bench.CEILING in text and "| within reach, over pairs | 1.00 | 1.00 | |" in text


def test_every_set_has_a_size():
    assert set(auxiliaries.SETS) <= set(sets.SETS)

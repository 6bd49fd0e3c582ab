"""What a run foresees of its tasks, what it does about it, and that it only acts when it is sure."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset import apart, relating
from jointset.config import load
from jointset.console.foreseen import lines
from jointset.data import apply
from jointset.foresight import Foresight, foresee, missing_signals, pooling_gains
from jointset.ledger import Ledger
from jointset.prepare import prepare
from jointset.records import TRAIN, Edits, Task
from jointset.relatedness import says_nothing
from jointset.rundir import RunDirectory
from jointset.workbench import set_up

N = 1500


def odd_tasks(seed: int = 0) -> pd.DataFrame:
    """Columns that tell a label, a tenth of it wrong, with a copy of it by other names, random labels, and labels that
    no linear model sees."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, N))
    real = np.where(rng.random(N) < 0.1, a <= 0, a > 0)
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "c": c,
            "real": np.where(real, "yes", "no"),
            "again": np.where(real, "left", "right"),
            "coin": rng.choice(["heads", "tails"], N),
            "crossed": np.where((b > 0) ^ (c > 0), "odd", "even"),
            "split": np.array(["train", "train", "train", "holdout", "test"])[np.arange(N) % 5],
            "wrong": real != (a > 0),
        }
    )


@pytest.fixture
def odd(folder):
    folder.frames = {"people": odd_tasks()}
    source = {"path": "people.csv", "inputs": {"tabular": ["a", "b", "c"]}, "split": "split"}
    folder.settings["datasets"] = {"people": source}
    tasks = {n: {"kind": "binary", "labels": {"people": n}} for n in ("real", "again", "coin", "crossed")}
    folder.settings["tasks"] = tasks
    folder.settings["training"] |= {"epochs": 14, "patience": 5}
    folder.settings["improve"] = {"rounds": 1, "fixes": ["relabel", "drop"]}
    folder.settings["relatedness"] = {"mode": "auto", "budget": 10}
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_folder):
    """A run of the four tasks, and the events that it told; read it, do not change it."""
    events = []
    return odd.__wrapped__(make_folder(tmp_path_factory.mktemp("odd"))).write().execute(
        emit=events.append
    ), events


def test_random_labels_are_dropped_and_a_relation_that_a_linear_model_misses_is_kept(run):
    found = json.loads(run[0].directory.relatedness.read_text())
    assert set(found["foreseen"]["no_signal"]) == {"coin", "crossed"}
    assert list(found["set_apart"]) == ["coin"] and "no nearer to the inputs" in found["set_apart"]["coin"]
    assert {"serves": ["coin"], "along": []} in found["groups"]
    assert not any("coin" in g["serves"] + g["along"] for g in found["groups"] if g["serves"] != ["coin"])
    assert set(found["tasks"]) == {"real", "again", "crossed"} and found["not_compared"] == []


def test_copies_are_found_told_and_bear_no_witness(run):
    finished, _ = run
    tasks = finished.summary["tasks"]
    assert tasks["real"]["copies"] == ["again"] and tasks["again"]["copies"] == ["real"]
    assert "copies" not in tasks["crossed"] and "set_apart" in tasks["coin"]
    wrong = odd_tasks()["wrong"].to_numpy()
    with Ledger(finished.directory.ledger) as ledger:
        edits = ledger.edits()
    rows = {str(r): i for i, r in enumerate(finished.work.pool.row_ids)}
    for task in ("real", "again"):
        places = [rows[str(r)] for r in edits.row[edits.task == task]]
        assert len(places) > 15 and wrong[places].mean() > 0.8


def test_what_was_foreseen_is_told_everywhere_and_nothing_is_lost(run):
    finished, events = run
    event = next(e for e in events if e["event"] == "relatedness")
    assert event["foreseen"]["copies"] == [["real", "again"]] and "coin" in event["set_apart"]
    page = finished.report().read_text(encoding="utf-8")
    assert "real and again are copies" in page and "so it is trained apart" in page
    assert "Cosine of the tasks" in page
    table = finished.datasets["people"].to_pandas()
    assert (table["coin__given"] == odd_tasks()["coin"]).all(), "its labels are handed over"
    assert set(finished.model.predict(odd_tasks().head())) >= {"coin", "real", "again", "crossed"}


def test_the_first_joint_training_is_watched(run):
    cosine = run[0].affinity["gradient_cosine"]
    assert cosine.tasks == ("real", "again", "crossed")
    assert run[0].affinity["conflict_rate"]["real", "again"] <= 0.5
    assert abs(cosine["real", "again"]) > abs(cosine["real", "crossed"])


def begun(folder, path):
    work = prepare(load(folder.write().config), folder.path / "data")
    bench = set_up(RunDirectory(folder.path / path), work, lambda event: None)
    return bench, apply(work.given, Edits.empty(), work.by_name, work.pool)


def test_an_interrupted_run_ends_the_same(odd, monkeypatch):
    odd.settings["training"]["epochs"] = 3
    del odd.settings["tasks"]["crossed"]
    bench, overlay = begun(odd, "whole")
    whole = apart.settled(bench, overlay)
    bench, overlay = begun(odd, "broken")
    with monkeypatch.context() as patch:
        patch.setattr(apart, "compared", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            apart.settled(bench, overlay)
    assert not bench.run.relatedness.is_file() and bench.run.affinity.is_file()
    again = apart.settled(bench, overlay)
    assert again.groups == whole.groups and again.copies == whole.copies
    first, second = (json.loads(b.run.affinity.read_text()) for b in (whole, again))
    assert first == second
    first, second = (apart.train(b, overlay, b.start).held_out for b in (whole, again))
    for task in first:
        np.testing.assert_array_equal(first[task], second[task])


@pytest.mark.parametrize("mode", ["verdict", "off"])
def test_other_modes_foresee_nothing(odd, monkeypatch, mode):
    odd.settings["relatedness"] = mode
    odd.settings["training"]["epochs"] = 2
    monkeypatch.setattr(apart, "foresee", lambda work: 1 / 0)
    bench, overlay = begun(odd, "run")
    settled = apart.settled(bench, overlay)
    assert settled.groups == () and settled.copies == ()
    if mode == "verdict":
        assert "foreseen" not in json.loads(bench.run.relatedness.read_text())


def test_with_joint_inference_nothing_is_dropped(odd):
    odd.settings["model"]["joint_inference"] = "labels"
    odd.settings["training"]["epochs"] = 2
    bench, overlay = begun(odd, "run")
    assert apart.settled(bench, overlay).groups == ()
    told = json.loads(bench.run.relatedness.read_text())
    assert told["set_apart"] == {} and "coin" in told["foreseen"]["no_signal"]


def test_one_learnable_task_beside_a_random_one_is_trained_alone(odd):
    odd.settings["training"]["epochs"] = 3
    odd.settings["tasks"] = {n: odd.settings["tasks"][n] for n in ("real", "coin")}
    bench, overlay = begun(odd, "run")
    settled = apart.settled(bench, overlay)
    assert [g.serves for g in settled.groups] == [("real",), ("coin",)]
    first = apart.train(settled, overlay, settled.start)
    assert set(first.held_out) == {"real", "coin"}


def test_a_copy_of_the_sample_that_others_contradict_is_none(odd, monkeypatch):
    frame = odd.frames["people"]
    frame["again"] = np.where(np.arange(N) % 11 == 0, "left", frame["again"])
    work = prepare(load(odd.write().config), odd.path / "data")
    assert foresee(work).copies == ()
    monkeypatch.setattr("jointset.foresight.ROWS", 40)
    frame["again"] = odd_tasks()["again"]
    sample = np.flatnonzero(work.pool.split == TRAIN)
    frame.loc[sample[::50], "again"] = "left"
    work = prepare(load(odd.write().config), odd.path / "again")
    assert foresee(work).copies == (), "few rows may agree by chance; all of them do not"


@pytest.mark.parametrize("rows", [700, 900])
def test_few_labels_are_no_ground_for_suspicion(rows):
    rng = np.random.default_rng(1)
    x, coin = rng.normal(size=(rows, 3)), rng.integers(2, size=rows)
    assert list(missing_signals({"coin": coin}, x)) == ([] if rows < 800 else ["coin"])
    rare = (rng.random(rows) < 0.05).astype(int)
    assert missing_signals({"rare": rare}, x) == {}


def test_weak_signals_are_heard():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 20))
    weak = (x[:, 0] + 4 * rng.normal(size=2000) > 0).astype(int)  # right in 58 of 100
    numbers = x[:, 1] + 5 * rng.normal(size=2000)
    tags = np.stack([weak, rng.integers(0, 2, 2000)], axis=1)
    assert missing_signals({"weak": weak, "numbers": numbers, "tags": tags}, x) == {}


@pytest.mark.parametrize("kind", ["binary", "regression", "multilabel"])
def test_own_models_that_say_nothing(kind):
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(300, 2))
    y = {
        "binary": (draws[:, 0] > 0).astype(int),
        "regression": draws[:, 0],
        "multilabel": (draws > 0).astype(np.int8),
    }[kind]
    good = draws + rng.normal(size=draws.shape)
    assert not says_nothing(y, good) and says_nothing(y, rng.normal(size=(300, 2)))
    assert says_nothing(y, np.full((300, 2), 0.5)), "a constant says nothing"
    assert not says_nothing(y[:30], rng.normal(size=(30, 2))), "too few to be sure"


def test_a_task_that_nothing_helps_has_the_benefit_of_the_doubt(folder, monkeypatch):
    from jointset.records import TaskVerdict

    def verdict(low, high, outcome="same"):
        return TaskVerdict("a", "r2", 0.4, 0.39, low, high, outcome, 50)

    assert apart._doubted(verdict(-0.02, 0.01), {"a": -0.01})
    assert not apart._doubted(verdict(-0.01, 0.02), {"a": -0.01}), "it gains on held-out rows"
    assert not apart._doubted(verdict(-0.02, 0.01), {"a": 0.1}), "help is foreseen"
    assert not apart._doubted(verdict(-0.02, 0.01), {}), "nothing is foreseen"
    assert not apart._doubted(verdict(float("nan"), float("nan"), "not judged"), {"a": -0.01})


def test_pooling_gains_are_of_tasks_with_the_same_labels_on_other_rows():
    rng = np.random.default_rng(0)
    x, site = rng.normal(size=(900, 4)), np.repeat([0, 1, 2], 300)
    y = (x[:, 0] > 0).astype(int)
    y[site == 2] = 1 - y[site == 2]
    kinds = {"a": ("no", "yes"), "b": ("no", "yes"), "c": ("no", "yes"), "d": ("one", "two")}
    tasks = [Task(n, "binary", classes) for n, classes in kinds.items()]
    labels = {n: np.where(site == i, y, -1) for i, n in enumerate("abc")} | {"d": y}
    found = pooling_gains(tasks, labels, x).best
    assert set(found) == {"a", "b", "c"} and found["c"] < -0.2 < found["a"]
    same = dict.fromkeys("ab", y)
    same = pooling_gains(tasks[:2], same, x)
    assert same.best == same.partners == same.not_told == {}, "tasks of the same rows are not pooled"


@pytest.mark.parametrize("seed", range(3))
def test_a_rare_class_is_looked_at_too(seed):
    rng = np.random.default_rng(seed)
    site = np.repeat(np.arange(8), 2000)
    y = (rng.random(len(site)) < 0.002).astype(int)
    tasks = [Task(f"t{i}", "binary", ("no", "yes")) for i in range(8)]
    labels = {t.name: np.where(site == i, y, -1) for i, t in enumerate(tasks)}
    found = pooling_gains(tasks, labels, rng.normal(size=(len(site), 3)), seed=seed)
    rare = {n for n, own in labels.items() if (own == 1).any()}
    assert set(found.best) == rare and set(found.not_told) == set(labels) - rare


@settings(max_examples=8)
@given(st.permutations(["like", "alike", "against", "rare", "rarer"]), st.integers(0, 99))
def test_gains_of_one_task_are_never_those_of_another(order, seed):
    """Whatever else is there, and in whatever order: only one of them says the opposite of all others."""
    rng = np.random.default_rng(seed)
    site, x = np.repeat(np.arange(5), 400), rng.normal(size=(2000, 2))
    at = order.index("against")
    y = np.where(site == at, x[:, 0] < 0, x[:, 0] > 0).astype(int)
    for name, positives in (("rare", 4), ("rarer", 1)):
        here = site == order.index(name)
        y[here] = x[here, 0] >= np.sort(x[here, 0])[-positives]
    tasks = [Task(n, "binary", ("no", "yes")) for n in order]
    labels = {n: np.where(site == i, y, -1) for i, n in enumerate(order)}
    found = pooling_gains(tasks, labels, x, seed=seed).best
    assert set(found) == set(order)
    assert found["against"] < -0.02 < min(found["like"], found["alike"])


def test_of_many_tasks_the_likeliest_partners_are_tried():
    """Sixteen tasks, of which two say what no other does, in two directions: each is helped by its like alone."""
    rng = np.random.default_rng(0)
    site, x = np.repeat(np.arange(16), 60), rng.normal(size=(960, 6))
    y = (x[:, 0] > 0).astype(int)
    for pair, axis in (((3, 12), 1), ((5, 9), 2)):
        own = np.isin(site, pair)
        y[own] = x[own, axis] > 0
    tasks = [Task(f"t{i}", "binary", ("no", "yes")) for i in range(16)] + [
        Task("bare", "binary", ("no", "yes"))
    ]
    labels = {f"t{i}": np.where(site == i, y, -1) for i in range(16)} | {"bare": np.full(960, -1)}
    found = pooling_gains(tasks, labels, x)
    assert set(found.best) == {f"t{i}" for i in range(16)} and set(found.not_told) == {"bare"}
    assert min(found.best.values()) > 0
    assert {(len(p.tried), p.of) for p in found.partners.values()} == {(8, 15)}
    assert found.partners["t3"].tried[0] == "t12" and found.partners["t9"].tried[0] == "t5"
    told = list(lines({"foreseen": Foresight(gains=found).record()}))
    assert "bare: what rows of tasks of the same labels add was not looked at" in told[0]
    assert "16 tasks have the same labels in more than 8 other datasets" in told[1]


def test_relate_advises_by_the_thresholds_of_a_run(odd, monkeypatch):
    del odd.settings["tasks"]["crossed"]
    work = prepare(load(odd.write().config), odd.path / "data")
    told = {rows: relating.relate(work, measures=["association"], rows=rows) for rows in (2000, 600)}
    suspects = {
        rows: {t.task for t in found.treatments if t.action == "suspect"} for rows, found in told.items()
    }
    assert suspects == {2000: set(foresee(work).signals), 600: set()} and suspects[2000] == {"coin"}
    assert "too few labels to tell" in told[600].signals["coin"].reason
    named = {step.source for step in told[600].choices["real"].steps}
    assert "coin" in named, "it stays among the candidates"


def test_tasks_whose_rows_have_one_input_are_no_mistake():
    site, y = np.repeat([0, 1, 2], 100), np.tile([0, 1], 150)
    tasks = [Task(n, "binary", ("no", "yes")) for n in "ab"]
    labels = {n: np.where(site == i, y, -1) for i, n in enumerate("ab")}
    found = pooling_gains(tasks, labels, np.where(site == 2, 5.0, 1.0)[:, None])
    assert found.best == {} and set(found.not_told) == {"a", "b"} and "same inputs" in found.not_told["a"]

"""The search in a run: its records, what a kill leaves, what is kept, and what each mistake says."""

import json

import numpy as np
import pytest
import yaml

from jointset.errors import DataError
from jointset.project import execute
from jointset.search import Trial, Worth
from jointset.weight_choice import outcome

SEARCH = {"search": "grid", "budget": 5}
BAYES = {"search": "bayes", "budget": 5}


@pytest.fixture
def searched(folder):
    """A run of two tasks with a search; ``searched(target=…)`` bends it, ``emit`` may cut it short."""
    del (
        folder.settings["datasets"]["posts"],
        folder.settings["tasks"]["kinds"],
        folder.settings["tasks"]["price"],
    )
    folder.settings["tasks"]["level"]["labels"] = {"people": "grade"}
    folder.settings["improve"]["rounds"] = 0
    folder.settings["training"] |= {"epochs": 4, "checkpoint_seconds": 0.0}

    def run(emit=None, *, root="runs", **search):
        from jointset import config

        folder.settings["training"]["weighting"] = {**SEARCH, **search}
        folder.write()
        return execute(config.load(folder.config), folder.path / root, emit=emit)

    run.folder = folder
    return run


def content(path):
    """Every record of a search but its seconds."""
    files = [*sorted((path / "search").iterdir()), path / "weights.json"]
    found = {f.name: json.loads(f.read_text(encoding="utf-8")) for f in files}
    return {name: {k: v for k, v in record.items() if k != "seconds"} for name, record in found.items()}


def cut(event, count):
    """An ``emit`` that ends the process, so to speak, at the ``count``-th event of this name."""
    seen = []

    def emit(news):
        if news["event"] == event:
            seen.append(news)
            if len(seen) == count:
                raise KeyboardInterrupt

    return emit


def test_a_search_through_the_command(searched, cli):
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    folder = searched.folder
    folder.settings["training"]["weighting"] = {**BAYES, "confirm": 1}
    folder.settings["improve"]["rounds"] = 1
    folder.write()
    done = cli("run", folder.config, "--runs", folder.runs)
    assert done.code in (0, 1), done.err
    lines = [line.strip() for line in done.err.splitlines()]
    assert sum(line.startswith("trial ") for line in lines) == 5
    assert any(line.startswith("trial 1 of 5: level 1.00, risky 1.00: held-out skill ") for line in lines)
    found = json.loads((folder.runs / "small" / "weights.json").read_text(encoding="utf-8"))
    assert found["best"]["score"] >= found["equal"]
    summary = json.loads((folder.runs / "small" / "summary.json").read_text(encoding="utf-8"))
    assert summary["weights"] == found
    model = json.loads((folder.runs / "small" / "model" / "config.json").read_text(encoding="utf-8"))
    assert {t["name"]: t["weight"] for t in model["tasks"]} == found["weights"]
    said = cli("status", folder.runs / "small").out
    assert "weights: 5 trials (bayes)" in said and said == done.out.partition("\n\nreport: ")[0] + "\n"
    again = cli("run", folder.config, "--runs", folder.runs)
    assert again.code == done.code and "trial" not in again.err


def test_a_search_that_is_killed_again_and_again_comes_to_the_same_trials(searched, cli):
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    calm = searched(root="calm", **BAYES, confirm=1)
    path = searched.folder.runs / "small"
    for event, count, done in (
        ("epoch", 2, 0),
        ("epoch", 6, 1),
        ("trial", 4, 4),
        ("epoch", 7, 5),
        ("again", 1, 5),
    ):
        with pytest.raises(KeyboardInterrupt):
            searched(cut(event, count), **BAYES, confirm=1)
        assert not (path / "weights.json").is_file()
        assert f"search of weights: {done} of at most 5 trials done" in cli("status", path).out
    told = []
    run = searched(told.append, **BAYES, confirm=1)
    assert content(run.path) == content(calm.path)
    assert run.summary["tasks"] == calm.summary["tasks"]
    assert [e["number"] for e in told if e["event"] == "trial"] == [0, 1, 2, 3, 4]


def test_another_search_does_not_take_over_the_trials(searched, cli):
    with pytest.raises(KeyboardInterrupt):
        searched(cut("trial", 2))
    searched.folder.settings["training"]["weighting"]["span"] = 20
    searched.folder.write()
    done = cli("run", searched.folder.config, "--runs", searched.folder.runs)
    assert done.code == 2
    assert "training.weighting.span differs from the configuration this run began with" in done.err


def test_the_first_trial_is_the_training_with_equal_weights(searched):
    run = searched(budget=3, confirm=0)
    first = content(run.path)["trial-000.json"]
    assert set(first["weights"].values()) == {1.0}
    searched.folder.settings["name"] = "plain"
    searched.folder.settings["training"]["weighting"] = "equal"
    searched.folder.write()
    told = []
    searched.folder.execute(emit=told.append)
    plain = next(e for e in told if e["event"] == "trained")
    assert first["score"] == pytest.approx(plain["skill"], abs=1e-6)
    assert first["epochs"] == plain["epochs"]


def test_a_target_is_scored_and_watched_alone(searched):
    told = []
    run = searched(told.append, target="risky", budget=3)
    trials = [e for e in told if e["event"] == "trial"]
    assert all(t["score"] == t["scores"]["risky"] for t in trials)
    assert all(t["score"] == max(t["curve"]) for t in trials)
    assert run.summary["weights"]["searched"] == "risky"
    kept = yaml.safe_load((run.path / "config.yaml").read_text(encoding="utf-8"))["training"]["weighting"]
    assert (kept["search"], kept["target"]) == ("grid", "risky")
    best = max(t["score"] for t in trials)
    assert run.summary["weights"]["best"]["score"] == best
    mean = searched(root="mean", budget=3)
    assert mean.summary["weights"]["best"]["score"] == max(
        round(float(np.mean(list(t["scores"].values()))), 6)
        for n, t in content(mean.path).items()
        if n.startswith("trial")
    )


def test_pruning_saves_epochs_and_loses_next_to_nothing(searched):
    searched.folder.settings["training"]["epochs"] = 8
    whole, pruned = searched(budget=9, confirm=0), searched(root="pruned", budget=9, confirm=0, prune=True)
    records = content(whole.path), content(pruned.path)
    ended = [n for n, r in records[1].items() if r.get("pruned") and n.startswith("trial")]
    assert ended
    for name, record in records[1].items():
        if name not in ended and name.startswith("trial"):
            assert record == records[0][name]
        elif name in ended:
            n = len(record["curve"])
            assert n < len(records[0][name]["curve"])
            assert record["curve"] == records[0][name]["curve"][:n]
    best = [r.summary["weights"]["best"]["score"] for r in (whole, pruned)]
    assert best[0] - 0.002 < best[1] <= best[0]
    assert pruned.summary["weights"]["pruned"] == len(ended)


def test_models_of_their_own_are_not_ended_by_the_curve_of_another(searched, cli, monkeypatch):
    pytest.importorskip("optuna")
    monkeypatch.setattr("jointset.weight_search.hopeless", lambda best, epoch, before: bool(before))
    searched.folder.settings["training"]["epochs"] = 3
    ended = [t["pruned"] for t in trials_of(searched(confirm=0, **BAYES))]
    assert any(ended), "else nothing is tested"
    searched.folder.settings["model"]["groups"] = [["level"], ["risky"]]
    apart = trials_of(searched(root="apart", confirm=0, **BAYES))
    assert len(apart) == BAYES["budget"] and not any(t["pruned"] for t in apart)
    searched.folder.settings["training"]["weighting"] = {**BAYES, "prune": True}
    searched.folder.write()
    done = cli("check", searched.folder.config)
    assert done.code == 2 and "training.weighting.prune: the groups of model.groups" in done.err


def trials_of(run):
    return [r for n, r in content(run.path).items() if n.startswith("trial")]


def test_a_front_is_saved_printed_and_not_dominated(searched, cli):
    run = searched(objective="front", confirm=0)
    points = run.summary["weights"]["front"]
    scores = [t["scores"] for n, t in content(run.path).items() if n.startswith("trial")]
    for point in points:
        assert point["scores"] in scores
        assert not any(
            all(other[t] >= v for t, v in point["scores"].items()) and other != point["scores"]
            for other in scores
        )
    assert any(p["weights"] == run.summary["weights"]["best"]["weights"] for p in points)
    said = cli("status", run.path).out
    assert f"front: {len(points)} trials that no other beats on every task" in said
    assert said.count(": skill level ") == len(points)


def trials(*scores, pruned=()):
    return [
        Trial(i, {"a": 1.0 + i, "b": 1.0}, {"a": s, "b": s}, s, 1, (s,), i in pruned, 1.0)
        for i, s in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("scores", "expected", "again", "confirm", "kept"),
    [
        ((0.1, 0.3, 0.2), 0.1, [0.1, 0.05], 2, 1),
        ((0.1, 0.3, 0.2), -0.1, [0.1, 0.05], 2, 0),
        ((0.1, 0.3, 0.2), 0.1, [0.1, -0.15], 2, 0),
        ((0.1, 0.3, 0.2), -0.1, [], 0, 1),
        ((0.3, 0.3, 0.2), 0.0, [], 2, 0),
        ((0.3, 0.1, 0.2), 0.0, [], 0, 0),
    ],
)
def test_what_is_kept(searched, scores, expected, again, confirm, kept):
    from jointset.config import SearchSettings

    settings = SearchSettings(search="grid", confirm=confirm)
    found = outcome(trials(*scores), Worth(0.2, expected, -0.1, 0.3), again, settings)
    assert found["kept"] == kept
    assert found["weights"] == {"a": 1.0 + kept, "b": 1.0}


def test_a_pruned_trial_is_never_the_best():
    from jointset.config import SearchSettings

    settings = SearchSettings(search="bayes", confirm=0)
    found = outcome(trials(0.1, 0.9, 0.2, pruned=(1,)), Worth(0.1, 0.1, 0.0, 0.2), [], settings)
    assert (found["kept"], found["pruned"]) == (2, 1)


def test_without_held_out_labels_there_is_nothing_to_search_by(searched, cli):
    frame = searched.folder.frames["people"]
    frame.loc[frame["split"] == "holdout", "risk"] = None
    with pytest.raises(
        DataError, match=r"risky: no two different held-out labels to compare weights by; give"
    ):
        searched(target="risky")
    assert not (searched.folder.runs / "small").exists()


def test_a_task_without_held_out_labels_is_left_out_of_the_mean(searched):
    frame = searched.folder.frames["people"]
    frame.loc[frame["split"] == "holdout", "risk"] = None
    run = searched(budget=3, confirm=0)
    assert all(set(t["scores"]) == {"level"} for n, t in content(run.path).items() if n.startswith("trial"))


@pytest.mark.parametrize(
    ("search", "parts"),
    [
        ({"budget": 0}, ["training.weighting.budget", "greater than or equal to 2", "found 0"]),
        (
            {"target": "levle"},
            ["training.weighting.target", "no task is called 'levle'", "did you mean 'level'"],
        ),
        ({"search": "random"}, ["training.weighting.search", "'grid' or 'bayes'", "found 'random'"]),
        ({"budget": 2}, ["a grid over 2 tasks has at least 3 points, found 2", "search: bayes"]),
        ({"objective": "front", "prune": True}, ["training.weighting.prune", "may lie on the front"]),
        ({"trials": 9}, ["unknown key training.weighting.trials", "known here: search, budget"]),
    ],
)
def test_a_bad_search_is_one_line(searched, cli, search, parts):
    searched.folder.settings["training"]["weighting"] = {**SEARCH, **search}
    searched.folder.write()
    done = cli("run", searched.folder.config, "--runs", searched.folder.runs)
    assert done.code == 2 and len(done.err.strip().splitlines()) == 1
    for part in parts:
        assert part in done.err
    assert not searched.folder.runs.exists()


def test_one_task_has_no_weights_to_search_for(searched, cli):
    del searched.folder.settings["tasks"]["risky"]
    searched.folder.settings["training"]["weighting"] = BAYES
    searched.folder.write()
    done = cli("check", searched.folder.config)
    assert done.code == 2
    assert "training.weighting.search: there is a single task" in done.err


def test_the_estimate_counts_the_trials(searched, cli, monkeypatch):
    from jointset.training import loop

    monkeypatch.setattr(loop, "time_steps", lambda *_, **__: 1000.0)
    seconds = {}
    for name, weighting in (("equal", "equal"), ("search", {**SEARCH, "budget": 9, "confirm": 2})):
        searched.folder.settings["training"]["weighting"] = weighting
        searched.folder.write()
        done = cli("check", searched.folder.config, "--json")
        seconds[name] = json.loads(done.out)["estimate_seconds"]
    assert seconds["search"] - seconds["equal"] == pytest.approx(13 * 4 * 1000, rel=0.01)
    assert "a run of 13 trials of weights and 0 rounds takes" in cli("check", searched.folder.config).out

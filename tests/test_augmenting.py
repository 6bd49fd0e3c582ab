"""The augmentation of a whole run: found before the first round, kept only if it pays, resumed as it was."""

import json

import numpy as np
import pytest

from jointset import augmenting
from jointset.augment import Policy, Step
from jointset.augment_trial import Scored, gains_of
from jointset.config import load
from jointset.prepare import prepare
from jointset.rundir import RunDirectory
from jointset.workbench import set_up


def begun(folder, augment):
    """The bench of the small configuration with a section ``augment``, and its labels as they are."""
    from jointset.data import apply
    from jointset.records import Edits

    folder.settings["augment"] = augment
    folder.settings["training"] |= {"epochs": 3}
    folder.write()
    work = prepare(load(folder.config), folder.path / "data")
    bench = set_up(RunDirectory(folder.path / "run"), work, lambda event: None)
    return bench, apply(work.given, Edits.empty(), work.by_name, work.pool)


def test_usual_operations_fill_in_where_nothing_is_said(folder):
    bench, _ = begun(folder, "on")
    stated = augmenting.stated(bench.work)
    assert set(stated.steps) == {"text.synonym", "text.delete", "text.swap", "tabular.swap", "tabular.noise"}


def test_what_a_task_says_of_its_labels_outranks_what_is_measured(folder):
    bench, overlay = begun(
        folder, {"mode": "on", "tabular": ["noise"], "tasks": {"level": {"mask": ["tabular.noise"]}}}
    )
    policy, table = augmenting.checked(bench, overlay)
    assert {e.task for e in table} == {"level", "risky", "kinds", "price"}
    assert all(e.outcome in ("keep", "mask", "unknown", "transform") for e in table)
    assert not policy.keeps("level", "tabular.noise")
    again, _ = augmenting.checked(bench, overlay)
    assert again == policy, "read back"


def test_models_of_their_own_are_asked_whether_features_keep_their_labels(folder):
    folder.settings["model"]["groups"] = [
        ["level", "price"],
        {"tasks": ["risky"], "along": ["level"]},
        ["kinds"],
    ]
    bench, overlay = begun(folder, {"mode": "on", "text": ["swap"], "features": ["noise"]})
    _, table = augmenting.checked(bench, overlay)
    told = {(e.operation, e.task): e for e in table}
    assert {t for o, t in told if o == "text.swap"} == {"level", "risky", "kinds", "price"}
    assert {t for o, t in told if o == "features.noise"} == {"level", "risky", "kinds", "price"}
    assert told["features.noise", "level"].rows > 50
    assert told["features.noise", "level"].outcome in ("keep", "mask")


def scripted(monkeypatch, gains):
    """Trainings whose scores are known: the harm of each policy on each task."""
    calls = []

    def scored(bench, overlay, policy, seed):
        calls.append((policy, seed))
        of = {t: 0.5 + (gains(policy, t) if policy else 0.0) for t in bench.work.by_name}
        return Scored(of, of)

    monkeypatch.setattr(augmenting, "scored", scored)
    return calls


@pytest.mark.parametrize(
    ("gains", "kept"),
    [
        (lambda policy, task: 0.02, "all"),
        (lambda policy, task: -0.02, "none"),
        (lambda policy, task: 0.0, "none"),
        (
            lambda policy, task: -0.02 if task == "risky" and policy.keeps(task, "text.swap") else 0.02,
            "without the harmed",
        ),
        (lambda policy, task: -0.02 if task == "risky" else 0.02, "none"),
    ],
)
def test_it_is_switched_off_where_it_does_not_help(folder, monkeypatch, gains, kept):
    calls = scripted(monkeypatch, gains)
    bench, overlay = begun(folder, {"text": ["swap"], "preserve": False})
    settled = augmenting.settled(bench, overlay)
    found = json.loads(bench.run.augmentation.read_text())
    assert found["kept"] == kept and (settled.augmentation is None) == (kept == "none")
    if kept == "without the harmed":
        assert not settled.augmentation.policy.keeps("risky", "text.swap")
        assert settled.augmentation.policy.keeps("level", "text.swap")
    assert len({seed for _, seed in calls}) == 2
    done = len(calls)
    augmenting.settled(bench, overlay)
    assert len(calls) == done, "a decision is read back"


def test_a_harmful_family_is_left_out_and_a_good_one_stays(folder, monkeypatch):
    def gains(policy, task):
        return 0.03 * ("tabular" in policy.families()) - 0.05 * ("text" in policy.families())

    calls = scripted(monkeypatch, gains)
    bench, overlay = begun(folder, {"text": ["swap"], "tabular": ["noise"], "preserve": False})
    settled = augmenting.settled(bench, overlay)
    found = json.loads(bench.run.augmentation.read_text())
    assert found["kept"] == "without text" and [t["name"] for t in found["tried"]] == ["all", "without text"]
    assert settled.augmentation.policy.operations() == ["tabular.noise"]
    counted = {(json.dumps(p.record()) if p else None, s) for p, s in calls}
    assert len(counted) <= 3 * 2 + bench.work.config.augment.families
    seeds = {s for p, s in calls if p and p.operations() == ["text.swap"]}
    assert len(seeds) == 1, "a family that was not the worst to lose is not confirmed"


def test_without_a_budget_no_family_is_left_out(folder, monkeypatch):
    calls = scripted(monkeypatch, lambda policy, task: 0.03 - 0.05 * ("text" in policy.families()))
    bench, overlay = begun(folder, {"text": ["swap"], "tabular": ["noise"], "preserve": False, "families": 0})
    assert augmenting.settled(bench, overlay).augmentation is None and len(calls) == 4


def test_gains_are_means_over_seeds(bench):
    before, after = ([Scored({"level": s}, {}) for s in scores] for scores in ((0.5, 0.6), (0.6, 0.5)))
    assert gains_of(bench, before, after) == {"level": {"skill": 0.0}}


@pytest.mark.parametrize("search", ["trivial", "randaugment", "policy_gradient", "population"])
def test_a_search_ends_in_a_policy_and_is_read_back(folder, search):
    bench, overlay = begun(
        folder,
        {
            "mode": "on",
            "tabular": True,
            "text": False,
            "preserve": False,
            "search": {"method": search, "budget": 3},
        },
    )
    first = augmenting.settled(bench, overlay)
    found = json.loads(bench.run.augmentation.read_text())
    trials = sorted((bench.run.path / "augment").glob("trial-*.json"))
    assert len(trials) == (5 if search == "population" else 3) == found["search"]["trials"]
    bench.run.augmentation.unlink()
    times = [t.stat().st_mtime_ns for t in trials]
    again = augmenting.settled(bench, overlay)
    assert [t.stat().st_mtime_ns for t in trials] == times, "finished trials are not trained again"
    policies = [b.augmentation.policy if b.augmentation else None for b in (first, again)]
    assert policies[0] == policies[1]


def test_a_differentiable_search_needs_images(folder):
    from jointset.errors import ConfigError

    bench, overlay = begun(folder, {"mode": "on", "preserve": False, "search": {"method": "differentiable"}})
    with pytest.raises(ConfigError, match="learns the strength of image operations"):
        augmenting.settled(bench, overlay)


def test_strengths_that_can_be_learnt_grow_where_nothing_resists(digits):
    import pyarrow as pa

    from jointset.training.differentiable import learnt_strengths
    from jointset.training.settings import TrainSettings

    images, digit = (a[:300] for a in digits)
    field = pa.field("image", pa.list_(pa.uint8(), 64), metadata={"jointset.shape": "8,8"})
    pixels = pa.FixedSizeListArray.from_arrays(pa.array(images.reshape(-1)), 64)
    table = pa.table(
        [pixels, digit.astype(str).tolist()], schema=pa.schema([field, pa.field("digit", pa.string())])
    )
    problem, rows = image_problem(table)
    stated = Policy({"image.rotate": Step(15.0), "image.brightness": Step(0.2)})
    found = learnt_strengths(problem, rows, TrainSettings(epochs=8, batch_size=32), stated, seed=0)
    assert set(found.steps) == set(stated.steps)
    again = learnt_strengths(problem, rows, TrainSettings(epochs=8, batch_size=32), stated, seed=0)
    assert found == again and found.steps["image.brightness"].magnitude != 0.2


def image_problem(table):
    import tempfile
    from pathlib import Path

    from jointset.config import parse
    from jointset.data import apply
    from jointset.records import TRAIN, Edits

    config = parse(
        {
            "datasets": {"d": {"inputs": {"image": "image"}}},
            "tasks": {"digit": {"kind": "multiclass", "labels": {"d": "digit"}}},
            "model": {"width": 16, "image": {"widths": [4, 8]}},
        }
    )
    path = Path(tempfile.mkdtemp())
    work = prepare(config, path / "data", {"d": table})
    bench = set_up(RunDirectory(path), work, lambda event: None)
    problem = bench.problem(apply(work.given, Edits.empty(), work.by_name, work.pool))
    return problem, np.flatnonzero(work.pool.split == TRAIN)


def test_the_command_draws_the_table(folder, cli):
    folder.settings["augment"] = {"tabular": ["noise"], "text": ["delete"]}
    folder.settings["training"] |= {"epochs": 2}
    folder.write()
    done = cli("augment", folder.config, "--json")
    assert done.code == 0
    table = json.loads(done.out)
    assert {(e["operation"], e["task"]) for e in table} >= {
        ("tabular.noise", "risky"),
        ("text.delete", "level"),
    }
    folder.settings["augment"] = {"tabular": ["nois"]}
    folder.write()
    done = cli("augment", folder.config)
    assert done.code == 2 and "did you mean 'noise'?" in done.err and done.err.count("\n") == 1


def test_a_run_trains_with_it_and_says_so(folder, cli):
    folder.settings["augment"] = {"mode": "on", "tabular": ["noise"], "preserve": False}
    folder.settings["improve"]["rounds"] = 0
    folder.write()
    done = cli("run", folder.config, "--runs", folder.runs)
    assert "augmentation: tabular.noise 0.1" in done.out
    summary = json.loads((folder.runs / "small" / "summary.json").read_text())
    assert summary["augmentation"]["kept"] == "as told"


def test_rows_are_added_to_rare_classes_exported_and_undone(folder, tmp_path):
    import pyarrow.parquet as pq

    folder.settings["augment"] = {"mode": "on", "preserve": False}
    folder.settings["improve"] |= {"rounds": 1, "fixes": ["add"], "margin": 1.0}
    folder.settings["training"] |= {"epochs": 3}
    run = folder.write().execute()
    edits = run.edits(status="accepted")
    assert len(edits) > 10 and set(edits.action) == {"add"}
    addresses = list(zip(edits.dataset, edits.row, edits.task, edits.position, strict=True))
    assert len(set(addresses)) == len(addresses)
    level, given = edits.take(edits.task == "level"), run.work.given["level"]
    trained = given[run.work.editable() & (given >= 0)]
    commonest = int(np.bincount(trained).argmax())
    assert len(level) and commonest not in given[run.work.pool.positions(level.dataset, level.row)]
    written = run.export(tmp_path / "out")
    tables = {p.stem: pq.read_table(p) for p in (written / "derived").glob("*.parquet")}
    assert sum(t.num_rows for t in tables.values()) == len(edits)
    sources = set(tables["people"].column("jointset_source_row").to_pylist())
    assert sources <= set(run.datasets["people"].to_pandas()["jointset_row"])
    assert run.undo(action="add") == len(edits)
    assert not (run.export(tmp_path / "out") / "derived").exists()

"""The whole loop on small data: what a run leaves, how it resumes, and what it never touches."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import jointset as js
from jointset import stages
from jointset.config import FIXES
from jointset.data import apply
from jointset.errors import ConfigError, DataError, RunError
from jointset.export.columns import PARTS
from jointset.ledger import Ledger
from jointset.records import HOLDOUT, TEST, TRAIN, is_labelled

FAST = {
    "model": {"width": 16, "tabular": {"hidden": 16}, "image": {"widths": [4, 8]}},
    "training": {"epochs": 4, "folds": 2, "batch_size": 64},
}


def steady(summary):
    return {k: v for k, v in summary.items() if k not in ("seconds", "peak_memory_bytes")}


# What a run leaves


def test_the_summary_has_the_documented_keys(finished):
    summary = json.loads((finished.path / "summary.json").read_text(encoding="utf-8"))
    assert {"tasks", "edits", "rounds", "seconds", "peak_memory_bytes", "seed", "version"} <= set(summary)
    assert set(summary["tasks"]) == {"level", "risky", "kinds", "price"}
    for task in summary["tasks"].values():
        assert {"metric", "before", "after", "interval", "verdict"} <= set(task)
        assert task["verdict"] in ("better", "same", "worse", "not judged")
        assert len(task["interval"]) == 2
    edits = summary["edits"]
    counts = {"proposed", "accepted", "rejected", "undone"}
    assert counts <= set(edits)
    for dataset, tasks in edits["by"].items():
        assert dataset in ("people", "posts")
        for actions in tasks.values():
            assert set(actions) <= set(FIXES)
            assert all(set(c) == counts for c in actions.values())
    total = {
        c: sum(a[c] for t in edits["by"].values() for acts in t.values() for a in acts.values())
        for c in counts
    }
    assert total == {c: edits[c] for c in counts}
    assert edits["accepted"] > 0


def test_the_run_directory_holds_what_the_design_lists(finished):
    for name in (
        "config.yaml",
        "environment.json",
        "data.lock",
        "summary.json",
        "metrics.jsonl",
        "ledger.db",
        "log.txt",
    ):
        assert (finished.path / name).is_file(), name
    for name in ("model.safetensors", "config.json", "README.md"):
        assert (finished.path / "model" / name).is_file(), name
    for n in range(1, finished.summary["rounds"] + 1):
        for name in ("issues.parquet", "edits.parquet"):
            assert (finished.path / "rounds" / f"{n:02d}" / name).is_file()
    assert not list(finished.path.rglob("*.tmp*"))
    assert not (finished.path / "checkpoints").exists()


def test_every_line_of_the_metrics_is_strict_json(finished):
    def no_nan(constant):
        raise AssertionError(constant)

    lines = (finished.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line, parse_constant=no_nan)["event"] for line in lines]
    assert events[0] == "prepared"
    assert events[-1] == "finished"
    assert {"epoch", "trained", "round"} <= set(events)
    trained = next(e for e in map(json.loads, lines) if e["event"] == "trained")
    assert trained["steps"]["ways"].keys() == {"losses"} and trained["notes"] == []
    assert finished.summary["steps"]["ways"]["losses"] > 0


def test_replaying_the_ledger_gives_the_labels(finished):
    work = finished.work
    with Ledger(finished.directory.ledger) as ledger:
        replay = apply(work.given, ledger.accepted(), work.by_name, work.pool)
    final = finished.overlay()
    for task in work.tasks:
        np.testing.assert_array_equal(replay.labels[task.name], final.labels[task.name])
        np.testing.assert_array_equal(replay.weights[task.name], final.weights[task.name])
    changed = finished.datasets["posts"].to_pandas()
    edits = finished.edits(status="accepted").to_pandas()
    labels = edits[(edits.dataset == "posts") & (edits.action != "weight")].drop_duplicates(
        "row", keep="last"
    )
    assert len(labels)
    for e in labels[labels.action != "drop"].itertuples():
        assert changed.set_index("jointset_row").loc[e.row, "level"] == e.new


def test_held_out_and_test_labels_are_never_edited(finished):
    work = finished.work
    edits = finished.edits()
    position = work.pool.positions(edits.dataset, edits.row)
    assert (work.pool.split[position] == TRAIN).all()
    assert {HOLDOUT, TEST} <= set(work.pool.split.tolist())
    for task in work.tasks:
        rows = work.pool.split != TRAIN
        np.testing.assert_array_equal(finished.overlay().labels[task.name][rows], work.given[task.name][rows])


def test_tasks_are_filled_only_where_their_dataset_labels_them(finished):
    edits = finished.edits()
    assert set(edits.task[edits.dataset == "posts"]) <= {"level"}


def test_an_export_table_has_the_documented_columns(finished):
    table = finished.datasets["people"].to_arrow()
    originals = ["id", "age", "job", "note", "split", "grade", "risk", "tags", "amount"]
    added = [task + part for task in ("level", "risky", "kinds", "price") for part in PARTS]
    assert table.column_names == [*originals, *added, "jointset_row", "jointset_keep"]
    frame = table.to_pandas()
    assert frame.jointset_row.tolist() == frame.id.tolist()
    assert set(frame.level__source.dropna()) <= {"given", "relabelled", "filled", "reviewed", "augmented"}
    given = frame.level__given.notna()
    assert (frame.loc[given, "level__given"] == frame.loc[given, "grade"]).all()
    assert frame.level__quality.isna().equals(frame.level__given.isna() | (frame.split == "test"))
    assert frame.level__quality.dropna().between(0, 1).all()
    assert (frame.loc[frame.level.notna(), "level__weight"] > 0).all()


def test_an_exported_folder_reads_back(finished, tmp_path):
    folder = finished.export(tmp_path / "out")
    frame = pq.read_table(next(folder.rglob("people*.parquet"))).to_pandas()
    assert len(frame) == 240
    assert frame.level.tolist() == finished.datasets["people"].to_pandas().level.tolist()


def test_the_model_predicts_rows_of_either_dataset(finished):
    people = finished.work.pool.datasets[0].table.to_pandas()
    found = finished.model.predict(people[["age", "job", "note"]])
    assert list(found) == [
        "level",
        "level__confidence",
        "risky",
        "risky__confidence",
        "kinds",
        "kinds__confidence",
        "price",
    ]
    assert set(found.level) <= {"low", "mid", "high"}
    assert found.level__confidence.between(1 / 3 - 1e-6, 1).all()
    assert found.price.dtype == np.float64
    texts = finished.model.predict(pd.DataFrame({"body": ["loud wild fast", "calm quiet slow", None]}))
    assert len(texts) == 3
    assert len(finished.model.predict(people[["age", "job", "note"]].head(0))) == 0
    with pytest.raises(DataError, match="input column 'age' is missing"):
        finished.model.predict(pd.DataFrame({"bod": ["x"]}))
    with pytest.raises(DataError, match=r"no dataset 'poosts' \(did you mean 'posts'\?\)"):
        finished.model.predict(pd.DataFrame({"body": ["x"]}), dataset="poosts")


def test_a_run_knows_its_datasets_by_name(finished):
    assert list(finished.datasets) == ["people", "posts"]
    with pytest.raises(KeyError, match="did you mean 'posts'"):
        _ = finished.datasets["post"]


def test_undo_restores_the_given_labels(folder):
    run = folder.write().execute()
    accepted = run.summary["edits"]["accepted"]
    with pytest.raises(DataError, match="did you mean 'relabel'"):
        run.undo(action="relable")
    filled = run.undo(action="fill", note="looked wrong")
    assert filled == sum(
        a.get("fill", {}).get("undone", 0) for t in run.summary["edits"]["by"].values() for a in t.values()
    )
    assert run.undo(action="fill") == 0
    with pytest.raises(js.JointsetError, match="say which edits"):
        run.undo()
    assert filled + run.undo(everything=True) == accepted
    assert run.summary["edits"]["accepted"] == 0
    for task in run.work.tasks:
        np.testing.assert_array_equal(run.overlay().labels[task.name], run.work.given[task.name])
    frame = run.datasets["people"].to_pandas()
    assert frame.level.fillna("").tolist() == frame.level__given.fillna("").tolist()
    assert set(frame.level__source.dropna()) == {"given"}


# Resuming and repeating


def test_two_runs_are_alike(folder, finished, fingerprint):
    again = folder.write().execute()
    assert fingerprint(again) == fingerprint(finished)
    assert steady(again.summary) == steady(finished.summary)


def test_a_finished_run_is_not_trained_again(folder, monkeypatch):
    run = folder.write().execute()
    before = (run.path / "summary.json").read_bytes()
    monkeypatch.setattr(stages, "train", None)
    assert (folder.execute().path / "summary.json").read_bytes() == before


BOUNDARIES = [
    ("jointset.running", "prepare", "after"),
    ("jointset.workbench", "set_up", "after"),
    ("jointset.stages", "train", "after"),
    ("jointset.stages", "cross_fitted", "after"),
    ("jointset.stages", "audited", "after"),
    ("jointset.proposals", "proposed", "after"),
    ("jointset.stages", "decide", "after"),
    ("jointset.stages", "commit", "after"),
    ("jointset.summary", "write_model", "before"),
    ("jointset.summary", "write_model", "after"),
    ("jointset.summary", "write_json", "before"),
    ("jointset.summary", "write_json", "after"),
]


@pytest.mark.parametrize(("module", "name", "when"), BOUNDARIES)
def test_a_run_that_dies_at_a_boundary_goes_on_to_the_same_end(
    folder, finished, monkeypatch, module, name, when, fingerprint
):
    from importlib import import_module

    place = import_module(module)
    whole, calls = getattr(place, name), []

    def dies_once(*args, **kwargs):
        if when == "after":
            whole(*args, **kwargs)
        calls.append(name)
        raise KeyboardInterrupt

    folder.write()
    monkeypatch.setattr(place, name, dies_once)
    with pytest.raises(KeyboardInterrupt):
        folder.execute()
    monkeypatch.setattr(place, name, whole)
    run = folder.execute()
    assert calls == [name]
    assert fingerprint(run) == fingerprint(finished)
    assert steady(run.summary) == steady(finished.summary)
    assert not (run.path / "checkpoints").exists()


def test_a_run_that_dies_in_the_second_round_goes_on_to_the_same_end(
    folder, finished, monkeypatch, fingerprint
):
    if finished.summary["rounds"] < 2:
        pytest.skip("the loop ended after one round")
    whole = stages.commit

    def dies(bench, ledger, round, *rest):
        if round == 2:
            raise KeyboardInterrupt
        whole(bench, ledger, round, *rest)

    folder.write()
    monkeypatch.setattr(stages, "commit", dies)
    with pytest.raises(KeyboardInterrupt):
        folder.execute()
    monkeypatch.setattr(stages, "commit", whole)
    assert fingerprint(folder.execute()) == fingerprint(finished)


# What never has a say


def ledger_of(folder, fingerprint):
    run = folder.write().execute()
    return fingerprint(run), {t.name: t.scale for t in run.work.tasks}


def test_test_labels_never_have_a_say(folder, finished, fingerprint):
    frame = folder.frames["people"]
    test = frame.split == "test"
    rng = np.random.default_rng(9)
    frame.loc[test, "grade"] = rng.choice(["low", "mid", "high"], test.sum())
    frame.loc[test, "risk"] = rng.integers(0, 2, test.sum())
    frame.loc[test, "tags"] = rng.choice(["a", "b; c"], test.sum())
    frame.loc[test, "amount"] = rng.normal(1000, 300, test.sum())
    found, scales = ledger_of(folder, fingerprint)
    assert found == fingerprint(finished)
    assert scales == {t.name: t.scale for t in finished.work.tasks}


def test_training_labels_have_a_say(folder, finished, fingerprint):
    frame = folder.frames["people"]
    train = frame.index[frame.split == "train"][:30]
    frame.loc[train, "grade"] = "low"
    assert ledger_of(folder, fingerprint)[0] != fingerprint(finished)


def test_trusted_rows_are_never_edited(folder):
    frame = folder.frames["people"]
    frame["sure"] = np.arange(len(frame)) % 2
    folder.settings["datasets"]["people"]["trusted"] = "sure"
    run = folder.write().execute()
    edits = run.edits().to_pandas()
    touched = edits[edits.dataset == "people"].row.unique()
    assert len(touched)
    assert not set(touched) & set(frame.id[frame.sure == 1])


@pytest.mark.parametrize(("most", "bound"), [(0, 0), (7, 7), (0.02, None)])
def test_no_more_labels_change_than_allowed(folder, most, bound):
    folder.settings["improve"]["max_changes"] = most
    run = folder.write().execute()
    labelled = sum(
        int((y >= 0).sum() if y.dtype.kind != "f" else (~np.isnan(y)).sum()) for y in run.work.given.values()
    )
    changed = run.edits(status="accepted")
    assert (changed.action != "weight").sum() <= (int(most * labelled) if bound is None else bound)


def test_without_rounds_a_model_is_trained_and_nothing_else(folder):
    folder.settings["improve"]["rounds"] = 0
    run = folder.write().execute()
    assert run.summary["rounds"] == 0
    assert run.summary["edits"]["proposed"] == 0
    assert len(run.edits()) == 0
    frame = run.datasets["people"].to_pandas()
    assert frame.level.fillna("").tolist() == frame.level__given.fillna("").tolist()
    assert frame.level__quality.isna().all()
    assert len(run.model.predict(pd.DataFrame({"body": ["loud"]}))) == 1


# Sources and regimes


def test_images_as_arrays(digits, tmp_path):
    images, target = digits
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(target))[:500]
    given = np.where(rng.random(500) < 0.1, rng.integers(0, 10, 500), target[rows])
    project = js.Project("digits", root=tmp_path, seed=1)
    project.add_dataset(
        "scans",
        {"image": images[rows], "digit": given, "loop": np.isin(given, [0, 6, 8, 9])},
        inputs={"image": "image"},
        split={"holdout": 0.2, "test": 0.2},
    )
    project.add_task("number", "multiclass", labels={"scans": "digit"})
    project.add_task("round", "binary", labels={"scans": "loop"})
    project.configure(model={"width": 32, "image": {"widths": [8, 16]}}, training={"epochs": 5, "folds": 2})
    run = project.run(rounds=1, precision=0.8)
    assert run.summary["tasks"]["number"]["on"] == "test"
    assert run.summary["tasks"]["number"]["after"] > 0.3
    assert len(run.datasets["scans"]) == 500
    held = run.work.pool.split == TEST
    table = run.work.pool.datasets[0].table.filter(pa.array(held))
    outputs = run.model.outputs(table)["number"]
    labels = run.work.given["number"][held]
    score = (outputs.argmax(1) == labels)[is_labelled(labels)].mean()
    assert score == pytest.approx(run.summary["tasks"]["number"]["metrics_after"]["accuracy"])


def test_images_as_files(digits, tmp_path):
    from PIL import Image

    images, target = digits
    for i in range(120):
        path = tmp_path / "pictures" / str(target[i] % 2) / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i]).save(path)
    project = js.Project("files", root=tmp_path / "runs")
    project.add_dataset("pictures", tmp_path / "pictures", inputs={"image": "image"}, split={"holdout": 0.3})
    project.add_task("odd", "binary", labels={"pictures": "label"})
    project.configure(**FAST)
    run = project.run(rounds=1)
    assert len(run.datasets["pictures"]) == 120
    assert (run.export(tmp_path / "out")).is_dir()


def test_real_tables_of_different_tasks(tmp_path, capsys):
    cancer, wine, diabetes = load_breast_cancer(), load_wine(), load_diabetes()
    project = js.Project("tables", root=tmp_path)
    for name, data in (("cancer", cancer), ("wine", wine), ("diabetes", diabetes)):
        frame = pd.DataFrame(data.data, columns=[f"{name} {c}" for c in data.feature_names])
        frame["target"] = data.target
        project.add_dataset(name, frame, inputs={"tabular": "*"}, split={"holdout": 0.2, "test": 0.2})
    project.add_task("benign", "binary", labels={"cancer": "target"}, class_weights="balanced")
    project.add_task("cultivar", "multiclass", labels={"wine": "target"}, metric="log_loss")
    project.add_task("progress", "regression", labels={"diabetes": "target"}, weight=0.5)
    project.configure(
        model={"width": 32}, training={"epochs": 12, "folds": 2, "temperature": 2.0, "batch_size": 32}
    )
    checked = project.check(estimate=False)
    assert checked.facts["grid"]["wine"] == {"cultivar": 178} and "cultivar: multiclass" in repr(checked)
    run = project.run(rounds=1)
    err = capsys.readouterr().err
    assert "1,189 rows in 3 datasets, 3 tasks" in err and "round 1 benign" in err
    changed = run.diff(task="benign")
    assert set(changed.task) <= {"benign"} and len(run.diff()) >= len(changed)
    assert "cancer: 569 rows" in repr(run.datasets) and "569" in run.datasets._repr_html_()
    assert "parameters" in repr(run.model) and run.model._repr_html_().startswith("<pre>")
    tasks = run.summary["tasks"]
    assert tasks["benign"]["metrics_after"]["accuracy"] > 0.9
    assert tasks["cultivar"]["metrics_after"]["accuracy"] > 0.85
    assert tasks["cultivar"]["metric"] == "log_loss"
    assert tasks["progress"]["metrics_after"]["r2"] > 0.25


def test_sources_in_memory_resume_from_the_same_objects(tmp_path, fingerprint):
    frame = pd.DataFrame({"x": np.arange(60.0), "y": ["a", "b"] * 30})

    def project(frame):
        made = js.Project("memory", root=tmp_path)
        made.add_dataset("d", frame, inputs={"tabular": "x"})
        made.add_task("t", "binary", labels={"d": "y"})
        made.configure(**FAST)
        return made

    first = project(frame).run(rounds=1)
    assert fingerprint(project(frame).run(rounds=1)) == fingerprint(first)
    with pytest.raises(RunError, match=r"the data changed since the run began \(datasets\.d"):
        project(frame.assign(x=frame.x + 1)).run(rounds=1)
    with pytest.raises(RunError, match=r"improve\.rounds differs from the configuration"):
        project(frame).run(rounds=2)
    other = project(frame).run(rounds=2, new_run=True)
    assert other.path.name == "memory-2"
    assert list(js.Run(first.path).datasets) == ["d"]


def test_a_project_says_what_is_wrong_with_it(tmp_path):
    project = js.Project("p", root=tmp_path)
    with pytest.raises(ConfigError, match="datasets is empty"):
        project.config()
    project.add_dataset("d", {"x": [1.0]}, inputs={"tabular": "x"}, grup="x")
    project.add_task("t", "binary", labels={"d": "y"})
    with pytest.raises(ConfigError, match="did you mean 'group'"):
        project.config()
    with pytest.raises(ConfigError, match="unknown section 'improv'"):
        project.configure(improv={})
    assert not list(tmp_path.iterdir())
    assert "datasets=['d']" in repr(project)

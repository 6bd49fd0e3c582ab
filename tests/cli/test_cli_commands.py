"""The commands when all is well: exit codes, what stands on stdout, and what on stderr."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml


def test_a_run_prints_a_line_per_round_and_task_and_a_summary(folder, cli):
    folder.write()
    done = cli("run", folder.config, "--runs", folder.runs)
    assert done.code == 0, done.err
    for task in folder.settings["tasks"]:
        assert re.search(rf"^round 1 {task}: .*proposed", done.err, re.M)
        assert re.search(rf"^{task}: ", done.out, re.M)
    assert "360 rows in 2 datasets, 4 tasks" in done.err
    assert re.search(r"^edits: [\d,]+ proposed", done.out, re.M)
    again = cli("run", folder.config, "--runs", folder.runs)
    assert again.code == 0
    assert again.out == done.out


def test_json_is_alone_on_stdout(folder, cli, finished):
    folder.write()
    done = cli("run", folder.config, "--runs", folder.runs, "--json")
    found, expected = json.loads(done.out), finished.summary
    assert set(found) == set(expected)
    assert found["edits"] == expected["edits"]
    assert "round 1" in done.err


def test_a_refusal_exits_with_1(folder, cli, monkeypatch):
    from jointset import stages
    from jointset.records import Verdict

    refuse = Verdict(False, False, "rejected: no", ())
    monkeypatch.setattr(stages, "compare", lambda *a, **k: refuse)
    folder.write()
    done = cli("run", folder.config, "--runs", folder.runs)
    assert done.code == 1
    assert "the gate refused: rejected: no" in done.out


def test_status_says_where_a_run_stands(finished, cli):
    done = cli("status", finished.path)
    assert (done.code, done.err) == (0, "")
    assert "level: accuracy on" in done.out
    assert json.loads(cli("status", finished.path, "--json").out)["rounds"] == finished.summary["rounds"]


def test_diff_shows_what_changed(finished, cli):
    done = cli("diff", finished.path, "--limit", 3)
    assert done.code == 0
    assert len(done.out.splitlines()) == 4
    assert re.match(r"(people|posts) \S+ \w+(\[\w\])?: (relabel|fill|drop|weight) ", done.out)
    every = json.loads(cli("diff", finished.path, "--json").out)
    fills = json.loads(cli("diff", finished.path, "--action", "fill", "--task", "level", "--json").out)
    assert fills == [e for e in every if (e["action"], e["task"]) == ("fill", "level")]
    assert cli("diff", finished.path, "--to", 0).out.strip() == "no label differs"


def test_undo_takes_back_and_says_how_many(folder, cli):
    run = folder.write().execute()
    before = run.summary["edits"]["accepted"]
    done = cli("undo", run.path, "--task", "level", "--json")
    undone = json.loads(done.out)["undone"]
    assert 0 < undone < before
    assert cli("undo", run.path, "--task", "level").out.startswith("0 edits undone")
    assert cli("undo", run.path, "--all", "--note", "start over").code == 0
    assert run.summary["edits"] | {"by": 0} == run.summary["edits"] | {
        "accepted": 0,
        "undone": before,
        "by": 0,
    }


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_predictions_stand_beside_the_columns(finished, folder, cli, tmp_path, suffix):
    folder.write()
    out = tmp_path / f"out.{suffix}"
    done = cli("predict", finished.path, folder.path / "posts.csv", "--out", out)
    assert (done.code, done.err) == (0, "")
    assert "120 rows predicted for 4 tasks" in done.out
    reader = {"parquet": pd.read_parquet, "csv": pd.read_csv, "jsonl": lambda p: pd.read_json(p, lines=True)}
    frame = reader[suffix](out)
    assert len(frame) == 120
    assert list(frame)[:2] == ["body", "mood"]
    assert {"level", "level__confidence", "price", "kinds", "risky"} <= set(frame)


def test_evaluation_agrees_with_the_summary_and_works_on_files(finished, folder, cli):
    done = cli("evaluate", finished.path, "--json")
    scores = json.loads(done.out)
    for task, summary in finished.summary["tasks"].items():
        assert scores[task]["metric"] == summary["metric"]
        assert scores[task]["rows"] == summary["rows"]
        for metric, value in summary["metrics_after"].items():
            assert scores[task]["metrics"][metric] == pytest.approx(value, abs=1e-4)
    folder.write()
    on_file = json.loads(cli("evaluate", finished.path, folder.path / "posts.csv", "--json").out)
    assert list(on_file) == ["level"]
    assert on_file["level"]["rows"] == int(folder.frames["posts"].mood.notna().sum())
    assert "level on" in cli("evaluate", finished.path).out


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl", "arrow"])
def test_an_export_has_every_dataset_and_a_card(finished, cli, tmp_path, format):
    done = cli("export", finished.path, "--out", tmp_path / "out", "--format", format)
    assert (done.code, done.err) == (0, "")
    names = [str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert "README.md" in names
    for name in ("people", "posts", "level"):
        assert any(name in n and n.endswith(format) for n in names), names
    if format == "parquet":
        file = next(p for p in (tmp_path / "out").rglob("people*.parquet"))
        assert "level__quality" in pq.read_table(file).column_names


def test_check_draws_the_grid_and_keeps_nothing(folder, cli):
    folder.write()
    before = sorted(folder.path.rglob("*"))
    done = cli("check", folder.config)
    assert (done.code, done.err) == (0, "")
    assert "regime: mixture" in done.out
    assert re.search(r"^people +240 ", done.out, re.M)
    assert "every file, column and label can be read" in done.out
    assert "a run of 2 rounds takes at most about" in done.out
    facts = json.loads(cli("check", folder.config, "--no-estimate", "--json").out)
    assert facts["grid"]["posts"] == {"level": int(folder.frames["posts"].mood.notna().sum())}
    assert sorted(folder.path.rglob("*")) == before


def test_init_knows_sounds_and_images_by_name_and_by_their_first_bytes(wav):
    from jointset.cli.init import guess_columns

    clip, png = wav(np.zeros(8)), b"\x89PNG\r\n\x1a\n"
    forms = {
        "audio": [
            pa.array(["a/1.wav", "b/2.FLAC"]),
            pa.array([clip, None]),
            pa.array([clip], pa.large_binary()),
            pa.array([{"bytes": b"fLaC", "path": "x"}]),
            pa.array([{"array": [0.0], "sampling_rate": 8000}]),
        ],
        "image": [pa.array(["1.png"]), pa.array([png]), pa.array([{"bytes": png, "path": None}])],
        None: [pa.array([b"\0\1"], pa.large_binary()), pa.array([{"x": 1}])],
    }
    for modality, columns in forms.items():
        for column in columns:
            found = guess_columns(pa.table({"c": column}))["inputs"]
            assert found == ({modality: "c"} if modality else {}), column.type


def test_init_writes_a_configuration_that_runs(folder, cli, tmp_path):
    folder.write()
    frame = folder.frames["people"].rename(columns={"grade": "sentiment", "risk": "is_risky"})
    frame["note"] = frame.note + " and some more words to make it long"
    frame.to_csv(folder.path / "people.csv", index=False)
    out = tmp_path / "made.yaml"
    done = cli("init", folder.path / "people.csv", "--out", out)
    assert (done.code, done.err) == (0, "")
    made = yaml.safe_load(out.read_text(encoding="utf-8"))
    assert made["datasets"]["people"]["id"] == "id"
    assert made["datasets"]["people"]["inputs"]["text"] == ["note"]
    assert made["tasks"]["sentiment"]["kind"] == "multiclass"
    assert made["tasks"]["is_risky"]["kind"] == "binary"
    assert cli("check", out, "--no-estimate").code == 0


def test_the_version_is_the_packages(cli):
    from importlib.metadata import version

    assert cli("--version").out.strip() == f"jointset {version('jointset')}"


def test_a_failure_of_ours_exits_with_3_and_says_how_to_see_more(folder, cli, monkeypatch):
    folder.write()
    monkeypatch.setattr("jointset.cli.run.execute", lambda *a, **k: 1 / 0)
    done = cli("run", folder.config)
    assert (done.code, done.out) == (3, "")
    assert done.err == "internal error: ZeroDivisionError: division by zero; JOINTSET_DEBUG=1 shows where\n"
    monkeypatch.setenv("JOINTSET_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli("run", folder.config)


def test_the_demo_writes_real_images_with_known_damage(tmp_path):
    from jointset.cli.demo import LABELS, NOISE, WITHHELD, write_files

    write_files(tmp_path, 0)
    truth = pq.read_table(tmp_path / "truth.parquet").to_pandas()
    for name, tasks in LABELS.items():
        frame = pq.read_table(tmp_path / f"{name}.parquet").to_pandas()
        for task in tasks:
            right = frame.id.map(truth[(truth.dataset == name) & (truth.task == task)].set_index("id").truth)
            train = frame.split == "train"
            assert frame.loc[train, task].isna().mean() == pytest.approx(WITHHELD, abs=0.07)
            wrong = (frame[task] != right) & frame[task].notna()
            assert wrong[train].sum() / frame.loc[train, task].notna().sum() == pytest.approx(NOISE, abs=0.07)
            assert (frame.loc[~train, task] == right[~train]).all()


def test_init_keeps_label_columns_of_like_names_apart(cli, tmp_path):
    rng = np.random.default_rng(0)
    for file in ("one", "two"):
        frame = pd.DataFrame({"age": rng.normal(size=60).round(3)})
        for column in ("label a", "label_a", "Label-A"):
            frame[column] = rng.choice(["yes", "no"], 60)
        frame.to_csv(tmp_path / f"{file}.csv", index=False)
    done = cli("init", tmp_path / "one.csv", tmp_path / "two.csv", "--out", tmp_path / "made.yaml")
    assert done.code == 0, done.err
    tasks = yaml.safe_load((tmp_path / "made.yaml").read_text())["tasks"]
    assert {n: t["labels"] for n, t in tasks.items()} == {
        f"label_a{suffix}": {"one": column, "two": column}
        for suffix, column in (("_2", "label a"), ("", "label_a"), ("_3", "Label-A"))
    }
    assert cli("check", tmp_path / "made.yaml", "--no-estimate").code == 0

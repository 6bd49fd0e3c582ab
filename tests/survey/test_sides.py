"""Shift of labels between sides, between sites and groups of a dataset, and over time: found where it was planted, and
nowhere else."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from jointset import config as configs
from jointset.prepare import prepare
from jointset.survey import survey
from jointset.survey.times import times_of

DATA = Path(os.environ.get("JOINTSET_DATA", Path(__file__).parents[3] / "shared" / "data"))
INPUTS = [f"x{i}" for i in range(5)]


def table(n, share, seed):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < share
    x = rng.normal(size=(n, 5))
    x[:, 0] += 2 * y
    rows = pd.DataFrame({f"x{i}": x[:, i].round(6) for i in range(5)})
    return rows.assign(y=np.where(y, "p", "n"), cost=(x[:, 1] + rng.normal(size=n)).round(6))


def surveyed(folder, frames, tasks=None, **roles):
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    datasets = {n: {"path": str(folder / f"{n}.csv"), "inputs": {"tabular": INPUTS}, **roles} for n in frames}
    tasks = tasks or {"y": {"kind": "binary", "labels": dict.fromkeys(frames, "y")}}
    settings = {"name": "sides", "datasets": datasets, "tasks": tasks}
    return survey(prepare(configs.parse(settings, "test"), folder / "cache", folds=False))


def codes(found):
    issues = found.issues.to_pandas()
    return {c: sorted(set(issues.loc[issues["code"] == c, "position"])) for c in set(issues["code"])}


def test_labelled_datasets_are_compared_by_their_labels(tmp_path):
    found = codes(
        surveyed(tmp_path, {"a": table(500, 0.5, 1), "b": table(500, 0.1, 2), "c": table(500, 0.5, 3)})
    )
    assert found["label_shift"] == ["a × b", "b × c"]
    numbers = {"cost": {"kind": "regression", "labels": {"a": "cost", "b": "dear"}}}
    dear = table(500, 0.5, 2).rename(columns={"cost": "dear"})
    dear["dear"] += 1
    (tmp_path / "n").mkdir()
    assert codes(surveyed(tmp_path / "n", {"a": table(500, 0.5, 1), "b": dear}, numbers))["label_shift"] == [
        "a × b"
    ]


def test_training_labels_are_compared_with_held_out_ones(tmp_path):
    a = table(600, 0.5, 1)
    a["split"] = np.where(np.arange(600) % 3 > 0, "train", np.where(a["y"] == "p", "test", "holdout"))
    found = surveyed(tmp_path, {"a": a}, split={"column": "split"})
    issues = found.issues.to_pandas()
    shifted = issues[issues["code"] == "label_shift"]
    assert set(shifted["position"]) == {"train × holdout", "train × test"} and set(shifted["dataset"]) == {
        "a"
    }
    assert json.loads(shifted.iloc[0]["evidence"])["moved"].endswith("→ 100.0%")


def hospitals(seed, planted):
    rows = table(900, 0.5, seed)
    rng = np.random.default_rng(seed)
    rows["hospital"] = rng.permutation(np.repeat(["north", "south", "east"], 300))
    rows["day"] = pd.date_range("2020-01-01", periods=900, freq="D").astype(str)[rng.permutation(900)]
    if planted:
        south = rows["hospital"] == "south"
        rows.loc[south, "x1"] += 1.5
        rows.loc[south, "y"] = np.where(rng.random(300) < 0.8, "p", "n")
        rows["x2"] += rows["day"].rank() / 300
    return rows


def test_a_shifted_site_and_a_drift_are_found(tmp_path):
    found = codes(surveyed(tmp_path, {"d": hospitals(1, True)}, site="hospital", time="day"))
    pairs = ["east × south", "north × south"]
    assert found["covariate_shift"] == found["label_shift"] == pairs
    assert found["column_shift"] == [f"{p}: x1" for p in pairs]
    assert found["non_iid"] == ["over day"]


def test_labels_that_drift_are_found(tmp_path):
    rows = hospitals(1, False)
    late = rows["day"] > "2021-03-15"
    rows.loc[late, "y"] = "p"
    assert "period 1 × period 4" in codes(surveyed(tmp_path, {"d": rows}, time="day"))["label_shift"]


ZONES = ("Z", "+01:00", " +0100", ".123456789", ".123456789Z")


@pytest.mark.parametrize("suffix", ZONES)
def test_dates_with_a_zone_are_times(tmp_path, suffix):
    rows = hospitals(1, True)
    rows["day"] += "T10:00:00" + suffix.strip()
    assert codes(surveyed(tmp_path, {"d": rows}, time="day"))["non_iid"] == ["over day"]
    whole = rows.assign(day=" " + rows["day"] + " ")  # as a table of texts, which no reader has looked into
    table = pa.Table.from_pandas(whole, preserve_index=False)
    place = SimpleNamespace(time="day", table=table)
    order = np.argsort(rows["day"].to_numpy(), kind="stable")
    assert (np.diff(times_of(place)[order]) > 0).all()


def test_zones_are_counted_in():
    day = ["2024-01-05T10:00:00+01:00", "2024-01-05T09:30:00Z", None, ""]
    first, second, *gone = times_of(SimpleNamespace(time="day", table=pa.table({"day": day})))
    assert second - first == 1800e6 and np.isnan(gone).all()


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (["05.01.2024", "2024-01-05"], "'05.01.2024' is no date (ISO 8601, such as"),
        (["2024-01-05", "soon"], "'soon' is no date (ISO 8601, such as"),
        (
            ["2024-01-05", "2024-01-05T10:00:00Z"],
            "dates with a zone, dates without one and numbers are mixed",
        ),
        ([None, ""], "no row has a time"),
    ],
)
def test_a_column_that_holds_no_times_says_so(tmp_path, day, why):
    rows = pa.Table.from_pandas(table(60, 0.5, 0), preserve_index=False)
    for n, column in enumerate((pa.array(day * 30), pa.array([[1.0, 2.0]] * 60), pa.nulls(60))):
        pq.write_table(rows.append_column("day", column), tmp_path / f"{n}.parquet")
        dataset = {"path": str(tmp_path / f"{n}.parquet"), "inputs": {"tabular": INPUTS}, "time": "day"}
        tasks = {"y": {"kind": "binary", "labels": {"d": "y"}}}
        found = survey(
            prepare(configs.parse({"datasets": {"d": dataset}, "tasks": tasks}), tmp_path / "c", folds=False)
        )
        (told,) = [s.checked for s in found.sections if s.check == "drift"]
        said = (why, "a column of list<", "no row has a time")[n]
        assert told.outcome == "not applicable" and told.reason.startswith(f"over day: {said}")


def test_nothing_is_invented_on_a_random_division(tmp_path):
    alarms = 0
    for seed in range(10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found = codes(surveyed(folder, {"d": hospitals(10 + seed, False)}, site="hospital", time="day"))
        alarms += bool({"covariate_shift", "column_shift", "label_shift", "non_iid"} & set(found))
    assert alarms <= 1  # about eight checks at 0.01 each


def test_three_hospitals_as_groups_can_be_audited(tmp_path, cli, monkeypatch):
    hospitals(0, True).to_csv(tmp_path / "d.csv", index=False)
    dataset = {"path": "d.csv", "inputs": {"tabular": INPUTS}, "group": "hospital"}
    tasks = {"y": {"kind": "binary", "labels": {"d": "y"}}}
    settings = {"name": "grouped", "datasets": {"d": dataset}, "tasks": tasks}
    (tmp_path / "jointset.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.chdir(tmp_path)
    done = cli("audit", "jointset.yaml")
    assert done.code == 1, done.err
    assert "shift between sites (d): by hospital: inputs differ in 2 of 3 pairs of 3 sites" in done.out
    assert cli("run", "jointset.yaml").code == 2  # which does need folds


def test_a_column_that_is_not_there_is_one_line(tmp_path, cli, monkeypatch):
    table(60, 0.5, 0).to_csv(tmp_path / "d.csv", index=False)
    dataset = {"path": "d.csv", "inputs": {"tabular": "*"}, "site": "hospitl"}
    settings = {
        "name": "x",
        "datasets": {"d": dataset},
        "tasks": {"y": {"kind": "binary", "labels": {"d": "y"}}},
    }
    (tmp_path / "jointset.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.chdir(tmp_path)
    done = cli("audit", "jointset.yaml")
    assert done.code == 2 and done.err.count("\n") == 1 and "no site column 'hospitl'" in done.err


def test_series_of_writers_differ_and_a_random_division_does_not(tmp_path, cli, monkeypatch):
    file = DATA / "mnist10k" / "mnist10k.parquet"
    if not file.is_file():
        pytest.skip(f"no real data in {file.parent}; JOINTSET_DATA names another folder")
    rows = pq.read_table(file, columns=["px28", "digit", "hsf_series"]).to_pandas()
    rows = rows.sample(2000, random_state=0)
    pixels = np.stack([np.frombuffer(p, np.uint8).reshape(28, 28) for p in rows["px28"]]).astype(float)
    cells = pixels.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49)
    data = pd.DataFrame(cells, columns=[f"c{i}" for i in range(49)]).assign(
        digit=rows["digit"].to_numpy(),
        series=rows["hsf_series"].to_numpy(),
        random=np.random.default_rng(0).permutation(rows["hsf_series"].to_numpy()),
    )
    data.to_parquet(tmp_path / "digits.parquet")
    tasks = {"digit": {"kind": "multiclass", "labels": {"d": "digit"}}}
    monkeypatch.chdir(tmp_path)
    told = {}
    for site in ("series", "random"):
        dataset = {"path": "digits.parquet", "inputs": {"tabular": list(data.columns[:49])}, "site": site}
        settings = {"name": site, "datasets": {"d": dataset}, "tasks": tasks}
        (tmp_path / "jointset.yaml").write_text(yaml.safe_dump(settings))
        assert cli("audit", "jointset.yaml", "--out", site).code in (0, 1)
        sections = json.loads((tmp_path / site / "audit.json").read_text())["sections"]
        told[site] = next(s for s in sections if s["check"] == "shift between sites")
    assert told["series"]["findings"]["covariate_shift"] > 0, told["series"]["reason"]
    assert told["random"]["outcome"] == "passed", told["random"]["reason"]

"""Trackers hear a run and cannot harm it."""

import json
import sys
import time
from types import SimpleNamespace
from typing import ClassVar

import pytest

from jointset import config as configs
from jointset.errors import ConfigError, MissingExtra
from jointset.options import TRACKERS as NAMES
from jointset.project import Run
from jointset.tracking import TRACKERS, Facts, Tracker, Tracking, ready
from jointset.tracking.events import measured

CONFIG = {"name": "small", "model": {"width": 16}, "tasks": {"level, of noise": {"weight": 1.0}}, "seed": 0}
EVENTS = [
    {"event": "prepared", "rows": 3, "notes": []},
    {"event": "stage", "stage": "train", "name": "round-00"},
    {"event": "epoch", "name": "round-00", "epoch": 1, "of": 2, "loss": 1.5, "skill": 0.1, "skills": {"a": 0.1}},
    {"event": "epoch", "name": "round-00", "epoch": 2, "of": 2, "loss": 1.0, "skill": float("nan"), "skills": {}},
    {"event": "epoch", "round": 1, "fold": 0, "epoch": 1, "of": 2, "loss": 0.5, "skill": 0.3, "skills": {"a": 0.3}},
    {
        "event": "round", "round": 1, "task": "a", "noise_rate": None, "proposed": 4, "relabel": 3, "fill": 1,
        "drop": 0, "weight": 0, "verdict": {"metric": "accuracy", "before": 0.5, "after": 0.75, "outcome": "better"},
    },
    {
        "event": "finished", "tasks": {"a": {"metric": "accuracy", "before": 0.5, "after": None}}, "rounds": 1,
        "edits": {"proposed": 4, "accepted": 4, "rejected": 0}, "seconds": 2.0,
    },
]  # fmt: skip


@pytest.fixture
def facts(tmp_path):
    (tmp_path / "runs" / "small" / "model").mkdir(parents=True)
    (tmp_path / "runs" / "small" / "model" / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "runs" / "small" / "report.html").write_text("<p>", encoding="utf-8")
    return Facts("small", tmp_path / "runs" / "small", CONFIG)


def told(names, facts, events=EVENTS, summary=EVENTS[-1]):
    """Tell the trackers of a run; the lines of its log."""
    lines: list[str] = []
    tracking = Tracking(names, facts, lines.append)
    for event in events:
        tracking(event)
    tracking.finish([facts.path / "report.html", facts.path / "model", facts.path / "absent"], summary)
    return lines


def test_the_configuration_and_the_table_name_the_same():
    assert tuple(TRACKERS) == NAMES


def test_numbers_of_events():
    found = [m for m in map(measured, EVENTS) if m]
    assert found[0] == ("round-00", {"loss": 1.5, "skill": 0.1, "skill/a": 0.1}, 1)
    assert found[1] == ("round-00", {"loss": 1.0}, 2)
    assert found[2] == ("round-01/fold-0", {"loss": 0.5, "skill": 0.3, "skill/a": 0.3}, 1)
    assert found[3][0] == "rounds" and found[3][2] == 1
    assert found[3][1] == {
        "a/proposed": 4, "a/relabel": 3, "a/fill": 1, "a/drop": 0, "a/weight": 0,
        "a/accuracy/before": 0.5, "a/accuracy/after": 0.75,
    }  # fmt: skip
    assert found[4][1]["a/accuracy/before"] == 0.5 and "a/accuracy/after" not in found[4][1]


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {t: [(e.step, round(e.value, 6)) for e in read.Scalars(t)] for t in read.Tags()["scalars"]}


def test_tensorboard(facts):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install tensorboard")
    assert told(["tensorboard"], facts) == []
    found = scalars(facts.folder / "tensorboard")
    assert found["round-00/loss"] == [(1, 1.5), (2, 1.0)]
    assert found["round-01/fold-0/skill/a"] == [(1, 0.3)]
    assert found["rounds/a/accuracy/after"] == [(1, 0.75)]


def test_mlflow(facts, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed: pip install mlflow-skinny")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert told(["mlflow"], facts) == []
    from mlflow.tracking import MlflowClient

    client = MlflowClient((facts.path.parent / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("jointset").experiment_id])
    assert run.info.status == "FINISHED" and run.info.run_name == "small"
    assert run.data.params == {
        "name": "small",
        "model.width": "16",
        "tasks.level_ of noise.weight": "1.0",
        "seed": "0",
    }
    steps = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "round-00/loss")]
    assert steps == [(1, 1.5), (2, 1.0)]
    assert {"round-00/skill", "round-00/skill.a", "rounds/a.accuracy.after"} <= set(run.data.metrics)
    assert {f.path for f in client.list_artifacts(run.info.run_id)} == {"model", "report.html"}
    assert told(["mlflow"], facts, summary=None) == []
    (again,) = client.search_runs([run.info.experiment_id])
    assert again.info.run_id == run.info.run_id and again.info.status == "FAILED"


def test_wandb_offline(facts, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install wandb")
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    assert told(["wandb"], facts) == []
    (file,) = facts.folder.glob("wandb/offline-run-*/run-*.wandb")
    words = {b"round-00/loss", b"rounds/a/accuracy/after", b'{"width":16}', b"report.html"}
    until = time.monotonic() + 30  # its own process writes the last of it
    while missing := {w for w in words if w not in file.read_bytes()}:
        assert time.monotonic() < until, missing
        time.sleep(0.1)
    assert (facts.folder / "wandb-id").read_text(encoding="utf-8") in file.name


class Broken(Tracker):
    """Fails at a step of its life."""

    package = "json"
    at = "metrics"
    calls: ClassVar[list[str]] = []

    def start(self, facts):
        self._fail("start")

    def metrics(self, of, values, step):
        self._fail("metrics")

    def finish(self, files, summary):
        self._fail("finish")

    def _fail(self, at):
        self.calls.append(at)
        if at == self.at:
            raise OSError("the server is gone\nand this is the second line")


@pytest.mark.parametrize("at", ["start", "metrics", "finish"])
def test_one_that_fails_is_one_line_and_is_left_out(facts, monkeypatch, at):
    monkeypatch.setitem(TRACKERS, "wandb", Broken)
    monkeypatch.setattr(Broken, "at", at)
    monkeypatch.setattr(Broken, "calls", [])
    assert told(["wandb"], facts) == ["warning: tracking by wandb stopped: OSError: the server is gone"]
    assert Broken.calls.count(at) == 1 and Broken.calls[-1] == at


def test_a_run_with_a_broken_tracker_ends_as_one_without(folder, monkeypatch):
    monkeypatch.setitem(TRACKERS, "wandb", Broken)
    folder.settings |= {"tracking": ["wandb", "tensorboard"], "improve": {"rounds": 1}}
    run = folder.write().execute()
    assert "report" in str(run.report())
    log = (run.path / "log.txt").read_text(encoding="utf-8")
    assert log.count("warning: tracking by wandb stopped: OSError: the server is gone") == 1
    found = scalars(run.path / "tracking" / "tensorboard")
    assert {"round-00/skill/level", "round-01/fold-0/loss", "rounds/price/proposed"} <= set(found)
    assert any(name.startswith("summary/level/") for name in found)
    epochs = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    epochs = [e for e in epochs if e["event"] == "epoch" and e.get("name") == "round-00"]
    assert [s for s, _ in found["round-00/loss"]] == [e["epoch"] for e in epochs]
    assert set(epochs[0]["skills"]) == {"level", "risky", "kinds", "price"}
    assert Run(run.path).summary == run.summary


def test_a_mistake_before_training_leaves_nothing(folder, tmp_path):
    folder.settings |= {"tracking": "tensorboard"}
    folder.settings["model"]["sharing"] = "hrad"
    with pytest.raises(ConfigError, match="hrad"):
        folder.write().execute()
    assert not folder.runs.exists()


def test_an_unknown_tracker_is_one_line_with_the_nearest():
    data = {
        "datasets": {"a": {"path": "a.csv", "inputs": {"text": "body"}}},
        "tasks": {"stars": {"kind": "multiclass", "labels": {"a": "stars"}}},
    }
    with pytest.raises(
        ConfigError, match=r"no tracker 'wandbb' \(did you mean 'wandb'\?\); one of tensorboard, mlflow"
    ):
        configs.parse({**data, "tracking": ["wandbb"]})
    assert configs.parse({**data, "tracking": "mlflow"}).tracking == ["mlflow"]
    assert configs.parse({**data, "tracking": None}).tracking == []


def test_one_that_is_not_installed_is_told_before_anything_is_read(folder, monkeypatch):
    monkeypatch.setitem(TRACKERS, "mlflow", SimpleNamespace(package="mlflow_that_nobody_has"))
    with pytest.raises(
        MissingExtra, match=r'tracking: mlflow needs mlflow_that.*pip install "jointset\[tracking\]"'
    ):
        ready(["mlflow"])
    folder.settings |= {"tracking": ["mlflow"]}
    with pytest.raises(MissingExtra):
        folder.write().execute()
    assert not folder.runs.exists()
    assert "mlflow_that_nobody_has" not in sys.modules

"""``jointset export`` of the model: ONNX, a task for transformers, and what a mistake says."""

import re

import numpy as np
import pytest


def one_line(done, *parts):
    assert done.code == 2 and done.out == "" and done.err.count("\n") == 1
    assert all(part in done.err for part in parts), done.err


def test_onnx_of_a_run_predicts_its_rows(finished, cli, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from jointset.models.convert.onnx import feeds

    done = cli("export", finished.path, "--format", "onnx", "--out", tmp_path / "onnx")
    assert done.code == 0, done.err
    assert done.out == f"model: {tmp_path / 'onnx'}\n"
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"))
    names = [o.name for o in session.get_outputs()]
    for dataset in finished.work.pool.datasets:
        fed = feeds(finished.model, tmp_path / "onnx", dataset.table, dataset=dataset.name)
        said = dict(zip(names, session.run(None, fed), strict=True))
        for task, expected in finished.model.outputs(dataset.table, dataset=dataset.name).items():
            scale = max(float(np.abs(expected).max()), 1.0)
            assert np.abs(said[task] - expected).max() < 1e-4 * scale


def test_a_task_of_a_run_with_a_backbone(folder, cli, backbone, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from jointset.models.convert.huggingface import outputs

    folder.settings["datasets"] = {"posts": folder.settings["datasets"]["posts"]}
    folder.settings["tasks"] = {"level": {"kind": "multiclass", "labels": {"posts": "mood"}}}
    folder.settings["model"] = {"width": 16, "text": {"encoder": "huggingface", "path": str(backbone)}}
    folder.settings["training"]["epochs"] = 2
    folder.settings["improve"] = {"rounds": 0}
    run = folder.write().execute()
    done = cli("export", run.path, "--task", "level", "--out", tmp_path / "level")
    assert done.code == 0, done.err
    model = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "level", trust_remote_code=True
    ).eval()
    table = run.work.pool.datasets[0].table
    found = outputs(model, AutoTokenizer.from_pretrained(tmp_path / "level"), table["body"].to_pylist())
    assert np.abs(found - run.model.outputs(table)["level"]).max() < 1e-4
    assert set(model.config.label2id) == {"low", "mid", "high"}
    card = (tmp_path / "level" / "README.md").read_text(encoding="utf-8")
    assert re.search(r"On \d+ test rows of the run its \w+ is 0\.\d{3}\.", card)
    one_line(cli("export", run.path, "--task", "levl"), "the run has no task 'levl' (did you mean 'level'?)")


def test_mistakes_are_one_line(finished, cli, tmp_path):
    out = ["--out", tmp_path / "out"]
    one_line(
        cli("export", finished.path, "--format", "huggingface", *out),
        "name it with --task, one of level, risky",
    )
    one_line(cli("export", finished.path, "--format", "onnx", "--task", "level", *out), "has all tasks")
    one_line(
        cli("export", finished.path, "--format", "csv", "--task", "level", *out), "chooses among open edits"
    )
    one_line(cli("export", finished.path, "--task", "level", *out), "needs model.text.encoder: huggingface")
    assert not (tmp_path / "out").exists()

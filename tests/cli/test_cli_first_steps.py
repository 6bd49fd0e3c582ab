"""What a new user meets: guesses of ``init``, advice of ``check``, ``audit`` and ``run``."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from jointset.cli.run import render


@pytest.fixture
def written(tmp_path, monkeypatch, cli):
    """Files out of frames, and the configuration that ``init`` writes for them."""
    monkeypatch.chdir(tmp_path)

    def write(**frames):
        for name, frame in frames.items():
            pd.DataFrame(frame).to_csv(f"{name}.csv", index=False)
        done = cli("init", *(f"{n}.csv" for n in frames))
        assert (done.code, done.err) == (0, "")
        text = (tmp_path / "jointset.yaml").read_text(encoding="utf-8")
        return done.out, text, yaml.safe_load(text)

    return write


def people(n=60):
    rng = np.random.default_rng(0)
    return {"age": rng.normal(40, 9, n).round(1), "workclass": ["private", "state"] * (n // 2)}


def test_a_word_within_a_word_is_no_label_and_the_last_column_is_one(written):
    out, _, made = written(east=people() | {"earned": ["<=50K", ">50K"] * 30})
    assert list(made["tasks"]) == ["earned"] and made["tasks"]["earned"]["kind"] == "binary"
    assert made["datasets"]["east"]["inputs"]["tabular"] == ["age", "workclass"]
    assert "1 dataset, 1 task guessed: earned (binary)" in out


def test_a_column_that_only_one_file_has_is_its_label(written):
    _, _, made = written(
        east=people() | {"earned": ["a", "b"] * 30}, west={"married": ["y", "n", "w"] * 20} | people()
    )
    assert {n: t["labels"] for n, t in made["tasks"].items()} == {
        "married": {"west": "married"},
        "earned": {"east": "earned"},
    }


@pytest.mark.parametrize(("values", "kind"), [(range(3, 9), "regression"), (range(1, 6), "multiclass")])
def test_a_scale_of_many_grades_is_a_number(written, values, kind):
    _, _, made = written(red={"ph": np.linspace(2, 4, 60), "quality": list(values) * (60 // len(values))})
    assert made["tasks"]["quality"]["kind"] == kind


def test_nothing_like_a_label_is_told(written):
    out, text, made = written(plain={"a": np.linspace(0, 1, 50), "b": np.linspace(3, 4, 50)})
    assert "no column looks like a label; name one under tasks" in out
    assert made["tasks"] is None and "# sentiment: {kind" in text


def test_paths_are_relative_to_the_configuration(written, tmp_path, cli):
    _, text, made = written(east=people() | {"label": ["a", "b"] * 30})
    assert made["datasets"]["east"]["path"] == "east.csv"
    assert "# id: COLUMN" in text and "# group: COLUMN" in text and "also: leaks, duplicates" in text
    (tmp_path / "other").mkdir()
    assert cli("init", "east.csv", "--out", "other/made.yaml").code == 0
    elsewhere = yaml.safe_load((tmp_path / "other" / "made.yaml").read_text(encoding="utf-8"))
    assert elsewhere["datasets"]["east"]["path"] == str(tmp_path / "east.csv")


def test_every_doubt_of_check_says_what_to_do(written, cli):
    rows = people(80) | {"grade": ["a", "b", "c", "d"] * 19 + ["e"] * 4}
    written(east={k: [*v, *v[:8]] for k, v in {n: list(c) for n, c in rows.items()}.items()})
    done = cli("check", "--no-estimate", "--set", "tasks.grade.missing=[d]")
    assert done.code == 0 and done.out.rstrip().endswith("next: jointset run")
    lines = done.out.splitlines()
    doubts = [i for i, line in enumerate(lines) if line.startswith("⚠")]
    assert len(doubts) >= 4 and all(lines[i + 1].startswith("  → ") for i in doubts)
    facts = json.loads(cli("check", "--no-estimate", "--json").out)
    assert all(f["todo"] for f in facts["findings"] if f["mark"] == "⚠")


def test_every_finding_of_audit_says_what_to_do(written, cli):
    from jointset.audit.codes import CODES

    written(east={k: [*v, *v] for k, v in (people() | {"label": ["a", "b"] * 30}).items()})
    done = cli("audit")
    assert done.code == 1
    assert f"    → exact_duplicate: {CODES['exact_duplicate'].todo}" in done.out
    assert "docs/reference/audit-codes.md" in done.out


def summary(verdict, accepted):
    task = {"metric": "accuracy", "rows": 90, "on": "test", "before": 0.9, "after": 0.8}
    by = {"east": {"earned": {"relabel": {"accepted": accepted}}}}
    return {
        "tasks": {"earned": task | {"interval": [-0.2, -0.05], "verdict": verdict}},
        "edits": {"proposed": 9, "accepted": accepted, "rejected": 0, "undone": 9 - accepted, "by": by},
        "rounds": 1,
        "seconds": 3.0,
        "peak_memory_bytes": 1e9,
        "stopped": "done",
    }


def test_a_task_that_got_worse_is_offered_its_labels_back_until_they_are():
    advice = "jointset undo RUN --task earned"
    assert advice in render(summary("worse", 9))
    assert advice not in render(summary("worse", 0)) and advice not in render(summary("same", 9))
    assert "1 round in 3 s" in render(summary("same", 9))

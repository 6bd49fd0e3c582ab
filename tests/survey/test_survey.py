"""Every check over a configuration: addresses, repairs, and both commands."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from scipy.stats import entropy

from jointset import config as configs
from jointset import repair
from jointset.prepare import prepare
from jointset.survey import questions, repairable, survey

WORDS = np.array("calm quiet slow plain even usual steady common loud wild fast rare".split())  # noqa: SIM905


def frame(n=240, seed=0):
    """Texts and a table; test rows 0–9 stand in train; one copy contradicts; a column repeats the label."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    texts = [
        " ".join(rng.choice(WORDS[6 * k : 6 * k + 6], 5)) + " " + " ".join(rng.choice(WORDS, 6)) for k in y
    ]
    split = np.where(
        np.arange(n) % 4 == 0, "test", np.where(np.arange(n) % 4 == 1, "holdout", "train")
    ).astype(object)
    data = pd.DataFrame(
        {
            "id": [f"r{i}" for i in range(n)],
            "text": texts,
            "mood": np.array(["sad", "glad"])[y],
            "split": split,
        }
    )
    data["age"] = rng.normal(40, 9, n).round(1)
    data.loc[rng.permutation(n)[:6], "age"] = 999.0
    data["code"] = y * 7.0 + rng.normal(0, 0.1, n)
    copies = data[data["split"] == "test"].head(10).assign(split="train")
    copies["id"] = [f"c{i}" for i in range(10)]
    again = data[data["split"] == "train"].head(1).assign(id="again")
    again["mood"] = again["mood"].map({"sad": "glad", "glad": "sad"})
    return pd.concat([data, copies, again], ignore_index=True)


@pytest.fixture
def folder(tmp_path):
    frame().to_csv(tmp_path / "rows.csv", index=False)
    dataset = {
        "path": str(tmp_path / "rows.csv"),
        "inputs": {"text": "text", "tabular": ["age", "code"]},
        "id": "id",
        "split": "split",
    }
    settings = {
        "name": "small",
        "datasets": {"d": dataset},
        "tasks": {"mood": {"kind": "binary", "labels": {"d": "mood"}}},
    }
    (tmp_path / "jointset.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


@pytest.fixture
def work(folder):
    return prepare(configs.load(folder / "jointset.yaml"), folder / "cache")


def test_findings_bear_the_addresses_of_their_rows(work):
    found = survey(work)
    frame = found.issues.to_pandas()
    leaked = frame[frame["code"] == "leaked_copy"]
    assert len(leaked) == 10 and set(leaked["dataset"]) == {"d"}
    assert set(frame.loc[frame["code"] == "leak_source", "row"]) == {f"c{i}" for i in range(10)}
    assert json.loads(leaked.iloc[0]["evidence"])["copy_of"].startswith("d/c")
    assert "code" in set(frame.loc[frame["code"] == "shortcut", "position"])
    assert set(frame.loc[frame["code"] == "conflicting_copies", "row"]) >= {"again"}
    assert "age" in set(frame.loc[frame["code"] == "disguised_missing", "position"])
    quality = found.quality["d"]
    assert (
        quality.parts["split_clean"] < 1 and quality.parts["not_given_away"] < 0.1 and 0 < quality.score < 1
    )
    assert found.facts()["quality"]["d"]["score"] == quality.score


def test_rows_without_any_tabular_value_are_nobodys_copies(tmp_path):
    rng = np.random.default_rng(0)
    vectors = pa.array(rng.normal(size=(200, 2)).tolist(), pa.list_(pa.float64(), 2))
    gone = pa.array(np.arange(200) % 10 == 0)
    columns = {
        "x": rng.normal(size=200).round(6),
        "k": pa.array(rng.choice(["u", "v"], 200)),
        "v": vectors,
    }
    columns = {n: pc.if_else(gone, None, c) for n, c in columns.items()}
    pq.write_table(pa.table({**columns, "y": rng.choice(["a", "b"], 200)}), tmp_path / "d.parquet")
    dataset = {"path": str(tmp_path / "d.parquet"), "inputs": {"tabular": ["x", "k", "v"]}}
    settings = {"datasets": {"d": dataset}, "tasks": {"y": {"kind": "binary", "labels": {"d": "y"}}}}
    found = survey(prepare(configs.parse(settings), tmp_path / "cache", folds=False))
    assert not {"near_duplicate", "exact_duplicate"} & set(found.issues.code)
    assert (~found.inputs.by_modality["tabular"].given).sum() == 20
    assert found.quality["d"].parts["distinct"] == 1.0
    (missing,) = [s.checked for s in found.sections if s.check == "missing values"]
    assert set(missing.facts["missing"].values()) == {0.1}


def test_checks_of_inputs_alone_are_taken_over(work):
    first = survey(work)
    again = survey(work, before=first)
    assert again.alone is first.alone
    assert again.issues.to_pandas().equals(first.issues.to_pandas())


def test_repairs_drop_leaked_rows_and_spare_copies_but_no_held_out_row(work):
    found = survey(work)
    issues = repairable(work, found, work.given, ["leaks", "duplicates", "tail", "shift"])
    edits = repair.run(issues, fixes=["leaks", "duplicates"], precision=0.9, round=1)
    assert set(edits.row[edits.reason == "leak_source"]) == {f"c{i}" for i in range(10)}
    assert set(edits.action) == {"drop"} and set(edits.task) == {"mood"}
    assert work.editable()[work.pool.positions(issues.dataset, issues.row)].all()
    spare = edits.take(edits.reason == "spare_copy")
    assert len(spare) <= 1  # the pair that contradicts itself: dropped only where one is surely wrong
    assert not len(repairable(work, found, work.given, ["relabel"]))


def test_weights_of_rare_classes_rise_and_stay_bounded():
    weights = repair.tail_weights(np.array([1000, 900, 90, 1, 0]))
    assert weights[0] == weights[4] == 1 and (np.diff(weights[:4]) >= 0).all() and weights.max() <= 10
    with pytest.raises(ValueError, match="power"):
        repair.tail_weights(np.array([1]), power=2)


def test_adjusted_logits_are_the_posterior_under_even_classes():
    # Menon et al. (2021): with τ = 1 the scores are those of a classifier for balanced classes
    rng = np.random.default_rng(0)
    prior = np.array([0.7, 0.2, 0.1])
    likelihood = rng.random((50, 3))
    p = likelihood * prior
    p /= p.sum(1, keepdims=True)
    assert np.allclose(repair.adjust_logits(p, prior), likelihood / likelihood.sum(1, keepdims=True))
    assert np.allclose(repair.adjust_logits(p, prior, tau=0), p)


def test_thresholds_of_a_rare_label_are_shrunk_to_the_common_one():
    rng = np.random.default_rng(0)
    y = (rng.random((4000, 2)) < [0.3, 0.002]).astype(int)
    p = 1 / (1 + np.exp(-(3 * y - 2 + rng.normal(size=y.shape))))
    cut = repair.choose_thresholds(p, y)
    pooled = repair.choose_thresholds(p.reshape(-1, 1), y.reshape(-1, 1), shrink=0)[0]
    alone = repair.choose_thresholds(p, y, shrink=0)
    assert abs(cut[1] - pooled) <= abs(alone[1] - pooled) + 1e-12
    assert cut[0] == pytest.approx(alone[0], abs=0.02)


def test_questions_go_where_no_label_is_near():
    rng = np.random.default_rng(0)
    x = np.vstack([rng.normal(0, 1, (200, 2)), rng.normal(12, 1, (200, 2)), rng.normal(-15, 0.1, (5, 2))])
    known = np.zeros(405, bool)
    known[:100] = True
    rows, uses = repair.rank_questions(x, known, n=5)
    assert (np.diff(uses) <= 1e-9).all() and 200 <= rows[0] < 400 and not known[rows].any()
    assert len(repair.rank_questions(x, np.ones(405, bool))[0]) == 0


def test_label_sets_are_as_uncertain_as_their_labels_are():
    x = np.vstack([np.full((10, 2), 9.0 * i) for i in range(4)])
    p = np.repeat([[0.5, 0.5], [0.9, 0.5], [0.37, 0.37], [1.0, 0.0]], 10, axis=0)
    none = np.zeros(40, bool)
    rows, uses = repair.rank_questions(x, none, probs=p, multilabel=True, n=4)
    surely = [entropy([q, 1 - q], base=2) for q in (0.5, 0.9, 0.37)]  # in bits, of one label
    assert (rows // 10).tolist() == [0, 2, 1]
    assert uses == pytest.approx([10.0, 10 * surely[2], 5 * (surely[0] + surely[1])], rel=1e-6)
    many = repair.rank_questions(x, none, probs=np.full((40, 20), 0.4), multilabel=True, n=9)[1]
    assert many == pytest.approx([10 * entropy([0.4, 0.6], base=2)] * 4, rel=1e-6)
    classes = np.repeat([[0.5, 0.5], [0.9, 0.1], [0.37, 0.63], [1.0, 0.0]], 10, axis=0)
    two = repair.rank_questions(x, none, probs=classes, n=4)
    one = repair.rank_questions(x, none, probs=classes[:, :1], multilabel=True, n=4)
    assert np.array_equal(one[0], two[0]) and one[1] == pytest.approx(two[1])


def test_a_multilabel_task_is_asked_about_by_its_labels(folder):
    data = pd.read_csv(folder / "rows.csv")
    data["tags"] = np.where(data["split"] == "train", None, "a")
    data.loc[data["mood"] == "sad", "tags"] = "a;b"
    data.loc[data.index % 3 > 0, "tags"] = None
    data.to_csv(folder / "rows.csv", index=False)
    settings = yaml.safe_load((folder / "jointset.yaml").read_text())
    settings["tasks"] = {"tags": {"kind": "multilabel", "labels": {"d": "tags"}, "separator": ";"}}
    work = prepare(configs.parse(settings), folder / "cache")
    found, n = survey(work), len(work.pool)
    asked = {p: questions(work, found, probs={"tags": np.full((n, 2), p)}) for p in (0.5, 0.1)}
    plain = questions(work, found).column("use").to_numpy()
    assert len(plain) and asked[0.5].column("use").to_numpy() == pytest.approx(plain)
    share = entropy([0.1, 0.9], base=2)
    assert asked[0.1].column("use").to_numpy() == pytest.approx(share * plain, rel=1e-5)


def test_the_command_tells_what_it_finds(folder, cli, monkeypatch):
    monkeypatch.chdir(folder)
    done = cli("audit", "jointset.yaml", "--out", "found")
    assert done.code == 1, done.err
    for told in ("✘ leaks", "shortcut code", "disguised", "quality"):
        assert told in done.out
    table = pq.read_table("found/issues.parquet").to_pandas()
    facts = json.loads((folder / "found" / "audit.json").read_text())
    assert len(table) == sum(sum(s["findings"].values()) for s in facts["sections"])
    done = cli("audit", "jointset.yaml", "--out", "found", "--json")
    assert done.code == 1 and json.loads(done.out)["name"] == "small"


def test_a_mistake_is_one_line(folder, cli, monkeypatch):
    monkeypatch.chdir(folder)
    assert cli("audit", "absent.yaml").code == 2
    done = cli("audit", "jointset.yaml", "--set", "datasets.d.path=absent.csv")
    assert done.code == 2 and done.err.count("\n") == 1 and "absent.csv" in done.err


def test_a_clean_set_passes(tmp_path, cli, monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    data = pd.DataFrame(
        {"x": rng.normal(y, 1).round(6), "z": rng.normal(size=400).round(6), "y": np.array(["a", "b"])[y]}
    )
    data.to_csv(tmp_path / "rows.csv", index=False)
    dataset = {"path": "rows.csv", "inputs": {"tabular": ["x", "z"]}, "split": {"test": 0.2}}
    settings = {
        "name": "clean",
        "datasets": {"d": dataset},
        "tasks": {"y": {"kind": "binary", "labels": {"d": "y"}}},
    }
    (tmp_path / "jointset.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.chdir(tmp_path)
    done = cli("audit", "jointset.yaml")
    assert done.code == 0, done.out


def test_a_round_keeps_its_findings_and_drops_leaks(folder):
    from jointset.ledger import Ledger
    from jointset.project import execute

    fast = {"model": {"width": 8, "text": {"bits": 8, "words": 1}, "tabular": {"hidden": 8}}}
    settings = yaml.safe_load((folder / "jointset.yaml").read_text()) | fast
    settings["training"] = {"epochs": 3, "folds": 2, "learning_rate": 0.01}
    settings["improve"] = {"rounds": 1, "fixes": ["leaks", "tail"]}
    run = execute(configs.parse(settings, "test"), folder / "runs", emit=lambda event: None)
    for name in ("data_issues", "ask"):
        assert (run.path / "rounds" / "01" / f"{name}.parquet").is_file()
    with Ledger(run.path / "ledger.db") as ledger:
        facts, edits = ledger.facts(1), ledger.edits(round=1)
    assert {"sections", "quality"} <= set(facts["data"]) and "labels_right" in facts["data"]["quality"]["d"][
        "parts"
    ]
    dropped = edits.take((edits.action == "drop") & (edits.status == "accepted"))
    assert set(dropped.row) == {f"c{i}" for i in range(10)}


def test_rows_without_a_label_are_asked_about(folder):
    data = pd.read_csv(folder / "rows.csv")
    data.loc[(data["split"] == "train") & (data.index % 3 > 0), "mood"] = None
    data.to_csv(folder / "rows.csv", index=False)
    work = prepare(configs.load(folder / "jointset.yaml"), folder / "cache")
    asked = questions(work, survey(work)).to_pandas()
    assert len(asked) and set(asked["task"]) == {"mood"} and asked["use"].is_monotonic_decreasing
    given = data.set_index("id").loc[asked["row"]]
    assert given["mood"].isna().all() and (given["split"] == "train").all()


def test_repairs_read_neither_labels_nor_inputs_of_test_rows(folder):
    every = ["leaks", "duplicates", "tail", "shift"]

    def proposed(change):
        data = frame()
        data = pd.concat(
            [data, data[data["id"] == "again"].assign(id="tested", split="test")], ignore_index=True
        )
        change(data, data["split"] == "test")
        data.to_csv(folder / "rows.csv", index=False)
        work = prepare(configs.load(folder / "jointset.yaml"), folder / "cache")
        found = repairable(work, survey(work), work.given, every).to_pandas()
        return found.drop(columns="evidence").sort_values(["row", "code"], ignore_index=True)

    def other_labels(data, test):
        data.loc[test, "mood"] = data.loc[test, "mood"].map({"sad": "glad", "glad": "sad"})

    def none(data, test):
        data.loc[test, "mood"] = None

    def moved(data, test):
        data.loc[test & ~data["text"].duplicated(keep=False), "age"] += 300.0

    plain = proposed(lambda data, test: None)
    assert "spare_copy" in set(plain["code"])
    for change in (other_labels, none):
        pd.testing.assert_frame_equal(proposed(change), plain)
    assert "shifted_row" not in set(proposed(moved)["code"])

"""``jointset partition``: files, configuration, statistics, and mistakes."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from jointset import config
from jointset.data.sources import read
from jointset.prepare import prepare, regime
from jointset.study import Plan, make_study
from jointset.study.assign import clean, label_codes

DATA = Path(os.environ.get("JOINTSET_DATA", Path(__file__).parents[3] / "shared" / "data"))


def frame(n=300, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return pd.DataFrame(
        {
            "age": (30 + 10 * y + rng.normal(0, 2, n)).round(3),
            "town": rng.choice(["Aarhus", "Bergen/N", "7"], n, p=[0.5, 0.3, 0.2]),
            "who": np.arange(n) // 3,
            "kind": np.array(["low", "mid", "high"])[y],
            "cost": rng.normal(size=n).round(3),
        }
    )


@pytest.fixture
def file(tmp_path):
    frame().to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def part(cli, file, *options, label="kind", inputs="tabular=age,cost", out=None):
    out = out or file.parent / "out"
    return cli("partition", file, *options, "--label", label, "--input", inputs, "--out", out), out


METHODS = [
    ("--by", "town"),
    ("--iid", "--sites", 4),
    ("--dirichlet", 0.5, "--sites", 4, "--least", 20),
    ("--mixture", 0.5, "--sites", 4),
    ("--quantity", 1, "--sites", 4),
    ("--lognormal", 1, "--sites", 4),
    ("--shards", 2, "--sites", 4),
    ("--classes", 2, "--sites", 3),
    ("--clusters", "age,cost", "--sites", 3),
    ("--clusters", "*", "--sites", 3),
    ("--noise", 0.5, "--sites", 3),
]


@pytest.mark.parametrize("options", METHODS, ids=lambda o: o[0][2:])
def test_every_way_writes_a_study_that_is_read_back_whole(cli, file, options, tmp_path):
    done, out = part(cli, file, *options)
    assert done.code == 0, done.err
    told = json.loads((out / "statistics.json").read_text())
    settings = config.load(out / "jointset.yaml")
    work = prepare(settings, tmp_path / "cache")
    assert regime(settings) == "different inputs, same loss (one task in several datasets)"
    source = frame()
    again = pd.concat([read(out / path, name=n).to_pandas() for n, path in told["files"].items()])
    again = again.set_index("source_row").sort_index()
    same = [c for c in source if not (options[0] == "--noise" and c in ("age", "cost"))]
    again["town"] = again["town"].astype(str)  # a site of the town 7 alone reads as a number
    pd.testing.assert_frame_equal(again[same].reset_index(drop=True), source[same], check_dtype=False)
    for d in work.pool.datasets:
        entry = told["sites"][d.name]
        assert entry["rows"] == len(d)
        counts = np.bincount(work.given["kind"][work.pool.rows_of(d.name)], minlength=3)
        assert dict(zip(work.tasks[0].classes, counts.tolist(), strict=True)) == entry["labels"]
    assert "Gini of the sizes" in done.out and all(n in done.out for n in told["sites"])


def test_natural_sites_have_names_that_files_and_configurations_take(cli, file):
    done, out = part(cli, file, "--by", "town")
    assert done.code == 0
    assert sorted(p.name for p in (out / "sites").iterdir()) == ["Aarhus.csv", "Bergen_N.csv", "town_7.csv"]
    assert clean("…", "x") == "site" and clean(" a__b. ", "x") == "a_b"


def test_the_study_runs(cli, file, tmp_path):
    _, out = part(cli, file, "--dirichlet", 1, "--sites", 3, "--least", 40)
    fast = [
        "model.width=16",
        "model.tabular.hidden=16",
        "training.epochs=3",
        "training.folds=2",
        "improve.rounds=1",
    ]
    sets = [x for s in fast for x in ("--set", s)]
    assert cli("check", out / "jointset.yaml", *sets, "--no-estimate").code == 0
    done = cli("run", out / "jointset.yaml", "--runs", tmp_path / "runs", *sets)
    assert done.code in (0, 1), done.err
    assert (tmp_path / "runs" / "people" / "summary.json").is_file()


def test_groups_and_copies_stay_on_one_site_when_asked(cli, file):
    doubled = pd.concat([frame(), frame()])
    doubled.to_csv(file, index=False)
    done, out = part(cli, file, "--iid", "--sites", 4)
    assert "--together keeps them on one site" in done.out
    apart = json.loads((out / "statistics.json").read_text())["copies_apart"]
    assert 150 < apart < 300  # three in four of the second copies
    for options, column in ((["--together"], "age"), (["--group", "who"], "who")):
        done, out = part(cli, file, "--iid", "--sites", 4, *options, out=file.parent / column)
        folder = file.parent / column
        told = json.loads((folder / "statistics.json").read_text())
        assert "copies_apart" not in told
        values = [set(read(folder / p, name=n)[column].to_pylist()) for n, p in told["files"].items()]
        assert sum(map(len, values)) == len(set.union(*values))
    assert config.load(file.parent / "who" / "jointset.yaml").datasets["site_1"].group == "who"


def test_json_is_the_file_and_the_seed_decides(cli, file, tmp_path):
    found = []
    for i, seed in enumerate((1, 1, 2)):
        done, _ = part(
            cli, file, "--dirichlet", 1, "--sites", 3, "--seed", seed, "--json", out=tmp_path / str(i)
        )
        told = json.loads(done.out)
        assert told.pop("config") == str(tmp_path / str(i) / "jointset.yaml")
        assert told == json.loads((tmp_path / str(i) / "statistics.json").read_text())
        found.append({k: v for k, v in told.items() if k != "seed"})
    assert found[0] == found[1] != found[2]


def test_csv_that_would_lose_a_type_becomes_parquet(cli, tmp_path):
    data = frame(60)
    data["code"] = ["7" if t == "7" else "x" for t in data["town"]]  # numbers to a reader of that site alone
    data.to_csv(tmp_path / "people.csv", index=False)
    done, out = part(cli, tmp_path / "people.csv", "--by", "town", inputs="tabular=age,code")
    assert done.code == 0 and "Parquet is written instead" in done.out
    assert {p.suffix for p in (out / "sites").iterdir()} == {".parquet"}


def test_several_tasks_and_kinds_and_a_class_that_a_site_lacks(cli, file, tmp_path):
    done, out = part(
        cli, file, "--shards", 1, "--sites", 3, "--label", "cost:regression", inputs="tabular=age"
    )
    assert done.code == 0, done.err
    settings = yaml.safe_load((out / "jointset.yaml").read_text())
    assert settings["tasks"]["kind"]["classes"] == ["high", "low", "mid"]
    assert settings["tasks"]["cost"]["kind"] == "regression"
    prepare(config.load(out / "jointset.yaml"), tmp_path / "cache")


def test_a_regression_is_skewed_by_its_quintiles():
    codes, names = label_codes(pa.chunked_array([[*map(float, range(100)), None]]), "regression", "y")
    assert np.bincount(codes[:-1]).tolist() == [20] * 5 and codes[-1] == -1 and len(names) == 5


@pytest.mark.parametrize(
    ("options", "label", "message"),
    [
        (["--by", "twon"], "kind", "no site column 'twon' (did you mean 'town'?)"),
        (["--iid", "--sites", 3], "knd", "no label column 'knd' (did you mean 'kind'?)"),
        (["--iid", "--sites", 3, "--group", "whom"], "kind", "no group column 'whom' (did you mean 'who'?)"),
        (["--clusters", "agee", "--sites", 3], "kind", "no clustered column 'agee' (did you mean 'age'?)"),
        (["--dirichlet", 0, "--sites", 3], "kind", "alpha is 0; it must be above 0"),
        (["--dirichlet", "0.1"], "kind", "sites is 0; say how many"),
        (["--iid", "--sites", 301], "kind", "301 sites, and only 300 rows"),
        (["--iid", "--sites", 10, "--least", 40], "kind", "need 400 rows, found 300"),
        (["--dirichlet", 0.01, "--sites", 9, "--least", 30], "kind", "larger alpha"),
        (["--by", "town", "--least", 100], "kind", "fewer than 100 rows"),
        (["--iid", "--by", "town"], "kind", "one way of parting"),
        ([], "kind", "found none"),
        (["--iid", "--sites", 3, "--format", "parket"], "kind", "did you mean 'parquet'?"),
        (["--by", "age"], "kind", "column 'age' is the site and a tabular input"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_writes_nothing(cli, file, options, label, message):
    done, out = part(cli, file, *options, label=label)
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1
    assert not out.exists()


def test_a_study_is_not_written_over(cli, file):
    part(cli, file, "--iid", "--sites", 2)
    done, _ = part(cli, file, "--iid", "--sites", 2)
    assert done.code == 2 and "exists already" in done.err


def real(*parts):
    path = DATA.joinpath(*parts)
    if not path.is_file():
        pytest.skip(f"no data at {path}: set JOINTSET_DATA")
    return path


def test_adult_by_dirichlet(tmp_path):
    table = pq.read_table(real("adult", "adult.parquet"))
    plan = Plan("dirichlet", sites=8, strength=0.3, label="income", least=50)
    study = make_study(
        "adult", table, tmp_path, plan=plan, inputs={"tabular": ["age", "education_num", "workclass"]},
        tasks={"income": {"kind": "binary", "column": "income"}}, roles={"split": "split"},
    )  # fmt: skip
    told = study.statistics
    assert sum(s["rows"] for s in told["sites"].values()) == 48_842
    assert min(s["rows"] for s in told["sites"].values()) >= 50
    assert told["labels"]["p_value"] < 1e-9 and told["labels"]["cramers_v"] > 0.2
    law = told["expected"]["site's share of a class"]
    assert law["mean"] == 0.125 and law["deviation"] == pytest.approx(np.sqrt(0.125 * 0.875 / 3.4), abs=1e-6)
    work = prepare(config.load(study.config), tmp_path / "cache")
    assert len(work.pool) == 48_842 and work.tasks[0].classes == ("<=50K", ">50K")


def test_spoken_digits_by_speaker(tmp_path):
    table = pq.read_table(real("fsdd", "fsdd.parquet"), columns=["digit", "speaker", "n_samples"])
    study = make_study(
        "fsdd", table, tmp_path, plan=Plan("by", by="speaker"), inputs={"tabular": ["n_samples"]},
        tasks={"digit": {"kind": "multiclass", "column": "digit"}},
    )  # fmt: skip
    told = study.statistics
    assert {s["rows"] for s in told["sites"].values()} == {500} and told["gini"] == 0
    # every speaker said every digit fifty times: no label skew at all, and lengths that tell speakers apart
    assert told["labels"]["chi2"] == 0 and told["labels"]["cramers_v"] == 0
    assert max(abs(s["smd"]["n_samples"]) for s in told["sites"].values()) > 0.5


def test_handwritten_digits_by_writer(tmp_path):
    table = pq.read_table(real("mnist10k", "mnist10k.parquet"), columns=["px28", "digit", "writer"])
    table = table.slice(0, 3000)
    pixels = np.frombuffer(b"".join(table["px28"].to_pylist()), np.uint8).reshape(-1, 784)
    field = pa.field("image", pa.list_(pa.uint8(), 784), metadata={"jointset.shape": "(28, 28)"})
    flat = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), 784)
    table = table.select(["digit", "writer"]).append_column(field, flat)
    counts = table["writer"].value_counts().to_pylist()
    some = pa.array([c["values"] for c in counts if c["counts"] >= 20][:12], pa.int16())
    import pyarrow.compute as pc

    table = table.filter(pc.is_in(table["writer"], some))
    study = make_study(
        "mnist", table, tmp_path / "by", plan=Plan("by", by="writer"), inputs={"image": ["image"]},
        tasks={"digit": {"kind": "multiclass", "column": "digit"}},
    )  # fmt: skip
    told = study.statistics
    assert len(told["sites"]) == len(some) and all(n.startswith("writer_") for n in told["sites"])
    assert max(s["a_distance"] for s in told["sites"].values()) > 0.5  # hands differ
    prepare(config.load(study.config), tmp_path / "cache")
    plan = Plan("noise", sites=2, strength=0.2)
    study = make_study(
        "mnist", table, tmp_path / "noise", plan=plan, inputs={"image": ["image"]},
        tasks={"digit": {"kind": "multiclass", "column": "digit"}},
    )  # fmt: skip
    again = {n: pq.read_table(tmp_path / "noise" / p) for n, p in study.statistics["files"].items()}
    given = table["image"].to_pylist()
    clean_, dirty = again["site_1"], again["site_2"]
    assert all(
        given[i] == v
        for i, v in zip(clean_["source_row"].to_pylist(), clean_["image"].to_pylist(), strict=True)
    )
    gaps = [
        np.subtract(given[i], v, dtype=float)
        for i, v in zip(dirty["source_row"].to_pylist(), dirty["image"].to_pylist(), strict=True)
    ]
    assert 20 < np.std(gaps) < 0.2 * 255  # clipping at black takes about half of it

"""``jointset partition``: files, configuration, statistics, and mistakes."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jointset import config
from jointset.data.sites.clusters import standardised
from jointset.data.sites.heterogeneity import mean_differences
from jointset.data.sources import read
from jointset.prepare import prepare, regime
from jointset.study import Plan, make_study
from jointset.study.assign import clean, label_codes, site_values
from jointset.study.columns import telling, unfit

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


@pytest.mark.parametrize(("format", "kept"), [("jsonl", ".parquet"), ("parquet", ".parquet")])
def test_pixels_keep_their_shape(cli, tmp_path, format, kept):
    rng = np.random.default_rng(0)
    field = pa.field("image", pa.list_(pa.uint8(), 64), metadata={"jointset.shape": "8,8"})
    pixels = pa.array(rng.integers(0, 255, (90, 64)).tolist(), field.type)
    kind = pa.array(rng.choice(["a", "b"], 90))
    table = pa.table([pixels, kind], schema=pa.schema([field, pa.field("kind", pa.string())]))
    pq.write_table(table, tmp_path / "p.parquet")
    options = ("--iid", "--sites", 2, "--format", format)
    done, out = part(cli, tmp_path / "p.parquet", *options, inputs="image=image")
    assert done.code == 0, done.err
    assert ("Parquet is written instead" in done.out) == (format != "parquet")
    assert {p.suffix for p in (out / "sites").iterdir()} == {kept}
    work = prepare(config.load(out / "jointset.yaml"), tmp_path / "cache")
    assert all(d.table.field("image").metadata[b"jointset.shape"] == b"8,8" for d in work.pool.datasets)


def test_lines_of_json_stay_lines_where_nothing_is_lost(cli, file, tmp_path):
    done, out = part(cli, file, "--by", "town", "--format", "jsonl")
    assert done.code == 0 and "Parquet" not in done.out
    assert {p.suffix for p in (out / "sites").iterdir()} == {".jsonl"}
    prepare(config.load(out / "jointset.yaml"), tmp_path / "cache")


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
        (["--shards", 0, "--sites", 3], "kind", "each is 0; a site has 1 shard at least"),
        (["--iid", "--sites", 3, "--seed", -1], "kind", "seed is -1"),
        (["--by", "town", "--least", 0], "kind", "smallest size of a site is 0"),
        (["--by", "hole"], "kind", "site column 'hole': 150 of 300 rows have no site (first in row 1)"),
        (["--by", "none"], "kind", "site column 'none': the column is empty in every row"),
        (["--by", "one"], "kind", "site column 'one': the column has one value, 'k'"),
        (["--by", "town"], "one", "label column 'one' has one class, 'k'"),
        (["--by", "town"], "none", "label column 'none' is empty in every row"),
        (["--iid", "--sites", 3, "--split", "one"], "kind", "split column 'one' holds 'k'"),
        (["--iid", "--sites", 3, "--input", "text="], "kind", "expected MODALITY=COLUMN"),
        (["--iid", "--sites", 3, "--input", "image=px:0x4"], "kind", "no image input column 'px:0x4'"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_writes_nothing(cli, file, options, label, message):
    frame().assign(hole=["p", None] * 150, one="k", none=None).to_csv(file, index=False)
    done, out = part(cli, file, *options, label=label)
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1
    assert not out.exists()


def test_a_study_is_not_written_over(cli, file):
    part(cli, file, "--iid", "--sites", 2)
    done, _ = part(cli, file, "--iid", "--sites", 2)
    assert done.code == 2 and "exists already" in done.err


def test_inputs_are_not_guessed_where_they_name_rows_or_tell_the_site_or_the_label(cli, tmp_path):
    rng, n = np.random.default_rng(0), 400
    site, y = rng.integers(0, 4, n), rng.integers(0, 2, n)
    columns = {
        "no_of_row": np.arange(7, 7 + n),
        "index": np.tile(np.arange(40), 10),  # starts again, but its name says what it is
        "code": [f"c{i * 7919 % n}" for i in range(n)],
        "serial": np.r_[3 * rng.permutation(n)],
        "town": np.array(["Oslo", "Rome", "Bonn", "Lima"])[site],
        "nation": np.array(["no", "it", "de", "pe"])[site],
        "north": site % 2,
        "verdict": np.array(["fine", "bad"])[y],
        "age": rng.integers(20, 60, n),
        "size": rng.normal(size=n),
        "same": 1,
        "seen": [1] + [None] * (n - 1),
        "blob": [bytes(rng.integers(0, 255, 100, dtype=np.uint8)) for _ in range(n)],
        "quality": y,
        "user_id": rng.integers(0, 90, n),
        "fold": rng.integers(0, 5, n),
        "last": rng.integers(0, 3, n),  # would be taken for the label if none were named
        "y": y,
    }
    pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
    done = cli("partition", tmp_path / "t.parquet", "--by", "town", "--label", "y", "--out", tmp_path / "o")
    assert done.code == 0, done.err
    told = json.loads((tmp_path / "o" / "statistics.json").read_text())
    settings = config.load(tmp_path / "o" / "jointset.yaml")
    assert {tuple(d.inputs["tabular"]) for d in settings.datasets.values()} == {("age", "size", "last")}
    notes = "\n".join(told["notes"])
    for line in (
        "'no_of_row', 'index', 'serial': a running number",
        "'code': another text in every row",
        "'nation': tells the site: 400 of 400 rows",
        "'north': one value at each site: 400 of 400 rows",
        "'verdict': tells the label: 400 of 400 rows",
        "'same': the same in every row",
        "'seen': has a value in 1 of 400 rows",
        "'blob': raw bytes; if they are pixels of 10 × 10, name them with --input image=blob:10x10",
        "'quality': its name is that of a label",
        "'user_id', 'fold': its name is that of a group, an id or a split",
        "guessed are --input tabular=age,size,last; name all inputs so to have others",
    ):
        assert line in notes and line in done.out, line
    done = cli("partition", tmp_path / "t.parquet", "--by", "town", "--label", "y", "--input",
               "tabular=age,verdict", "--out", tmp_path / "p")  # fmt: skip
    assert "'verdict': named as input, though: tells the label: 400 of 400 rows" in done.out


def test_what_is_measured_stays_an_input_though_it_follows_site_and_label():
    rng, n = np.random.default_rng(1), 500
    site, y = rng.integers(0, 5, n), rng.integers(0, 2, n)
    near = np.where(rng.random(n) < 0.8, y, 1 - y)
    table = pa.table({"site": site, "y": y, "near": near, "age": np.sort(rng.integers(20, 60, n)),
                      "shifted": rng.normal(site), "rare": (np.arange(n) == 3).astype(int)})  # fmt: skip
    tasks = {"y": {"kind": "binary", "column": "y"}}
    assert unfit(table, ["near", "age", "shifted", "rare"], by="site", tasks=tasks) == {}


@given(
    given_=st.lists(st.integers(-1, 4), min_size=1, max_size=30),
    seed=st.integers(0, 99),
)
def test_telling_is_leave_one_out(given_, seed):
    told = np.random.default_rng(seed).integers(-1, 3, len(given_))
    key = np.array(given_)
    known = (key >= 0) & (told >= 0)
    right = rows = 0
    for i in np.flatnonzero(known):
        others = np.bincount(told[known & (key == key[i]) & (np.arange(len(key)) != i)], minlength=3)
        rows += others.sum() > 0
        right += others.sum() > 0 and others[told[i]] > np.delete(others, told[i]).max()
    found = telling(key, told)
    assert (found.right, found.rows) == (right, rows)


def test_raw_pixels_and_raw_samples_are_read_when_their_shape_is_said(cli, tmp_path):
    pytest.importorskip("soundfile")
    rng, n = np.random.default_rng(0), 60
    pixels = [bytes(rng.integers(0, 255, 64, dtype=np.uint8)) for _ in range(n)]
    sound = [rng.integers(-999, 999, 800).astype("<i2").tobytes() for _ in range(n)]
    frame = pd.DataFrame(
        {"px": pixels, "pcm": sound, "y": np.arange(n) % 2, "town": ["a", "b", "c"] * (n // 3)}
    )
    frame.loc[0, "px"] = None
    frame.to_parquet(tmp_path / "raw.parquet")
    said = ("partition", tmp_path / "raw.parquet", "--by", "town", "--label", "y", "--out", tmp_path / "o")
    done = cli(*said)
    assert done.code == 2 and "image=px:8x8" in done.err and done.err.count("\n") == 1
    done = cli(*said, "--input", "image=px")
    assert done.code == 2 and "no image of column 'px' can be read" in done.err and "image=px:8x8" in done.err
    for wrong, message in (("image=px:8x9", "has 64 bytes in row"), ("image=y:8x8", "not raw bytes"),
                           ("image=px:0x8", "sizes and rates are 1 or more")):  # fmt: skip
        done = cli(*said, "--input", wrong)
        assert done.code == 2 and message in done.err and done.err.count("\n") == 1
    done = cli(*said, "--input", "image=px:8x8", "--input", "audio=pcm:8000")
    assert done.code == 0, done.err
    work = prepare(config.load(tmp_path / "o" / "jointset.yaml"), tmp_path / "cache")
    assert len(work.pool) == n
    again = pq.read_table(tmp_path / "o" / "sites" / "b.parquet")
    assert bytes(again["px"][0].as_py()) == pixels[again["source_row"][0].as_py()]
    import soundfile

    heard, rate = soundfile.read(io.BytesIO(again["pcm"][0].as_py()), dtype="int16")
    assert rate == 8000 and heard.tobytes() == sound[again["source_row"][0].as_py()]


def test_an_input_that_a_site_lacks_is_none_there(cli, file, tmp_path):
    data = frame()
    data.loc[data["town"] == "Aarhus", "cost"] = None
    data.to_parquet(tmp_path / "people.parquet")
    done, out = part(cli, tmp_path / "people.parquet", "--by", "town")
    assert done.code == 0 and "'cost' is empty at 1 sites and no input there (Aarhus)" in done.out
    settings = config.load(out / "jointset.yaml")
    assert settings.datasets["Aarhus"].inputs["tabular"] == "age"
    prepare(settings, tmp_path / "cache")
    done, _ = part(
        cli, tmp_path / "people.parquet", "--by", "town", inputs="tabular=cost", out=tmp_path / "n"
    )
    assert done.code == 2 and "site 'Aarhus' has no value in any input column" in done.err
    assert not (tmp_path / "n").exists()


def test_small_sites_are_told_of(cli, file):
    data = frame()
    data["ward"] = ["lone"] + ["other"] * 299
    data.to_csv(file, index=False)
    done, _ = part(cli, file, "--by", "ward")
    assert done.code == 0 and "1 of 2 sites have fewer than 20 rows (least: lone, 1)" in done.out


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


def test_labels_and_sites_of_like_names_stay_apart(cli, tmp_path):
    rng = np.random.default_rng(0)
    people = pd.DataFrame(
        {"age": rng.normal(size=120).round(3), "ward": np.resize(["A/B", "A_B", "A B", "a b"], 120)}
    )
    labels = ["my label", "my_label", "my-label", "my_label_2"]
    for column in labels:
        people[column] = rng.choice(["yes", "no"], 120)
    people.to_csv(tmp_path / "d.csv", index=False)
    done, out = part(
        cli, tmp_path / "d.csv", "--by", "ward", *(s for c in labels[1:] for s in ("--label", c)), label=labels[0],
        inputs="tabular=age",
    )  # fmt: skip
    assert done.code == 0, done.err
    tasks = yaml.safe_load((out / "jointset.yaml").read_text())["tasks"]
    assert {n: next(iter(t["labels"].values())) for n, t in tasks.items()} == {
        "my_label": "my_label", "my_label_2": "my_label_2", "my_label_3": "my-label", "my_label_4": "my label"
    }  # fmt: skip
    sites = {f.stem: len(pd.read_csv(f)) for f in (out / "sites").iterdir()}
    assert sites == dict.fromkeys(sites, 30) and len({s.casefold() for s in sites}) == 4
    assert cli("check", out / "jointset.yaml", "--no-estimate").code == 0


def test_names_of_sites_do_not_meet_a_numbered_one():
    values = ["A B", "A_B", "A_B_1", "A_B_2"]
    names = site_values(pa.chunked_array([values]), "ward")[1]
    assert len(set(names)) == 4 and set(names) >= {"A_B", "A_B_1"}


@pytest.mark.parametrize("unit", [1e-14, 1e14])
def test_differences_between_sites_have_no_unit(unit):
    rng = np.random.default_rng(0)
    site, x = np.repeat([0, 1], 50), rng.normal(size=(100, 2)) + np.repeat([0, 1], 50)[:, None]
    np.testing.assert_allclose(mean_differences(site, x * unit, 2), mean_differences(site, x, 2))
    np.testing.assert_allclose(standardised(x * unit), standardised(x))
    assert not mean_differences(site, np.full((100, 1), 0.1 * unit), 2).any()
    assert not standardised(np.full((100, 1), 0.1 * unit)).any()

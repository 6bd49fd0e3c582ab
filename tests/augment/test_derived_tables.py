"""Derived rows as data: in the columns of an export, with the inputs that training makes of their recipes."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jointset.augment import Recipe
from jointset.config import parse
from jointset.data import apply
from jointset.derived import derived_tables
from jointset.export import write
from jointset.prepare import prepare
from jointset.records import TRAIN, Edits
from jointset.rundir import RunDirectory
from jointset.training.added import extended, prepared_row
from jointset.workbench import set_up


def added(work, recipes, task):
    """Edits that add one row for each recipe."""
    n = len(recipes)
    same = {
        "annotator": "",
        "action": "add",
        "old": "",
        "status": "accepted",
        "reason": "tail_label",
        "task": task,
    }
    columns = {k: np.full(n, v, object) for k, v in same.items()}
    return Edits(
        round=np.ones(n, np.int64), dataset=np.array([r.dataset for r in recipes], object),
        row=np.array([r.row for r in recipes], object), weight=np.full(n, 0.5), confidence=np.ones(n),
        position=np.array([f"copy {i + 1}" for i in range(n)], object), expected_precision=np.ones(n),
        new=np.array([r.text() for r in recipes], object), **columns,
    )  # fmt: skip


def tables_of(bench, recipes, task):
    overlay = apply(bench.work.given, added(bench.work, recipes, task), bench.work.by_name, bench.work.pool)
    return derived_tables(bench.run, bench.work, overlay), overlay


def test_texts_and_cells_are_changed_and_labels_carried(bench):
    work = bench.work
    row = str(work.pool.row_ids[np.flatnonzero(work.given["level"] >= 0)[0]])
    recipes = [
        Recipe("people", row, {"text.delete": 0.5}, 1, ("level",)),
        Recipe("people", row, {"tabular.noise": 0.5}, 2, ("level", "risky")),
        Recipe("people", row, {"tabular.hide": 1.0}, 3, ("level",)),
    ]
    tables, _ = tables_of(bench, recipes, "level")
    source = work.pool.datasets[0].table.to_pylist()[list(work.pool.datasets[0].row_ids).index(row)]
    text, noise, hidden = tables["people"].to_pylist()
    assert 0 < len(text["note"].split()) < len(source["note"].split()) and text["age"] == source["age"]
    assert noise["note"] == source["note"] and noise["job"] == source["job"]
    assert noise["age"] != source["age"] and abs(noise["age"] - source["age"]) < 50
    assert hidden["age"] is None and hidden["job"] is None and hidden["note"] == source["note"]
    for found, recipe in zip((text, noise, hidden), recipes, strict=True):
        assert found["level"] is not None and found["level__source"] == "augmented"
        assert found["level__given"] is None and found["level__weight"] == 0.5
        assert (found["jointset_source_row"], found["jointset_recipe"]) == (row, recipe.text())
        assert found["price"] is None and found["price__weight"] is None
    assert text["risky"] is None
    ids = tables["people"].column("jointset_row").to_pylist()
    assert len(set(ids)) == 3 and row not in ids


def test_without_added_rows_there_are_no_tables(bench):
    overlay = apply(bench.work.given, Edits.empty(), bench.work.by_name, bench.work.pool)
    assert derived_tables(bench.run, bench.work, overlay) == {}


def test_an_export_with_derived_rows_is_replaced_and_reads_back(bench, tmp_path):
    work = bench.work
    recipe = Recipe("posts", str(work.pool.datasets[1].row_ids[0]), {"text.swap": 0.5}, 1, ("level",))
    tables, _ = tables_of(bench, [recipe], "level")
    for _ in range(2):
        write(tmp_path / "out", {}, work.tasks, derived=tables)
    assert pq.read_table(tmp_path / "out" / "derived" / "posts.parquet").equals(tables["posts"])
    assert "derived-posts" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["bytes", "pixels", "files"])
def test_images_come_back_as_training_saw_them(tmp_path, digits, kind):
    from PIL import Image

    images, labels = digits[0][:40], digits[1][:40]
    names = [f"{i}.png" for i in range(40)]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(tmp_path / name)
    files = [(tmp_path / n).read_bytes() for n in names]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(images.reshape(-1), pa.uint8()), 64)
    shaped = pa.field("image", flat.type, metadata={"jointset.shape": "(8, 8)"})
    column = {"bytes": pa.array(files, pa.binary()), "pixels": flat, "files": pa.array(names)}[kind]
    field = shaped if kind == "pixels" else pa.field("image", column.type)
    table = pa.table(
        [column, pa.array([str(i) for i in labels])], schema=pa.schema([field, ("digit", pa.string())])
    )
    config = parse(
        {
            "datasets": {"d": {"inputs": {"image": "image"}}},
            "tasks": {"digit": {"kind": "multiclass", "labels": {"d": "digit"}}},
        }
    )
    source = table if kind != "files" else tmp_path / "d.parquet"
    if kind == "files":
        pq.write_table(table, source)
    work = prepare(config, tmp_path / "data", {"d": source})
    bench = set_up(RunDirectory(tmp_path), work, lambda event: None)
    row = str(work.pool.row_ids[5])
    recipe = Recipe("d", row, {"image.rotate": 20.0}, 3, ("digit",))
    tables, overlay = tables_of(bench, [recipe], "digit")
    cell = tables["d"].column("image")[0].as_py()
    found = np.asarray(Image.open(io.BytesIO(cell["bytes"])))
    problem = extended(bench.problem(overlay), work.pool, overlay.added)
    seen = problem.inputs.batch(np.array([len(work.pool)]))["image"][1]["pixels"]
    assert (found == seen.numpy()[0, 0]).all() and (found != images[5]).any()


def test_sounds_come_back_as_files_and_changed_spectra_do_not(tmp_path, wav, tone):
    import soundfile

    clips = pa.array([wav(tone(300 + 20 * i, seed=i)) for i in range(40)], pa.binary())
    table = pa.table({"clip": clips, "high": ["yes" if i > 20 else "no" for i in range(40)]})
    config = parse(
        {
            "datasets": {"d": {"inputs": {"audio": "clip"}}},
            "tasks": {"high": {"kind": "binary", "labels": {"d": "high"}}},
        }
    )
    work = prepare(config, tmp_path / "data", {"d": table})
    bench = set_up(RunDirectory(tmp_path), work, lambda event: None)
    row = str(work.pool.row_ids[0])
    recipes = [
        Recipe("d", row, {"audio.stretch": 0.3}, 1, ("high",)),
        Recipe("d", row, {"audio.time_mask": 0.3}, 2, ("high",)),
    ]
    tables, _ = tables_of(bench, recipes, "high")
    stretched, masked = tables["d"].column("clip").to_pylist()
    samples, rate = soundfile.read(io.BytesIO(stretched["bytes"]))
    plain, _ = soundfile.read(io.BytesIO(clips[0].as_py()))
    assert rate == 8000 and len(samples) != len(plain) and masked is None


def test_values_of_other_rows_are_those_of_training_rows(bench):
    work = bench.work
    pool, row = work.pool, bench.inputs.row["tabular"]
    given = np.flatnonzero((row >= 0) & (pool.split == TRAIN))
    numbers = bench.inputs.arrays["tabular"]["numbers"]
    allowed = {tuple(n) for n in np.round(numbers[row[given]], 5).tolist()}
    at = int(given[0])
    for seed in range(60):
        recipe = Recipe(
            pool.dataset_names[at], str(pool.row_ids[at]), {"tabular.swap": 1.0}, seed, ("level",)
        )
        made = prepared_row(bench.inputs, "tabular", pool, at, recipe, "zero")
        assert tuple(np.round(made["numbers"][0], 5).tolist()) in allowed

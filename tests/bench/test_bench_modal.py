"""The sets and the table of the benchmark of modalities."""

import numpy as np
import pyarrow as pa
import pytest
from bench.modal import claims, sections, sets
from bench.modal.arms import Arm, Data, score

SPLIT = ["train"] * 30 + ["holdout"] * 10 + ["test"] * 20


def rows():
    numbers = np.arange(60.0)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(120)), 2)
    field = pa.field("v", vectors.type, metadata={"jointset.shape": "2"})
    fields = [pa.field("x", pa.float64()), field, pa.field("y", pa.string()), pa.field("split", pa.string())]
    y = ["ab"[i % 2] for i in range(60)]
    return pa.table([numbers, vectors, y, SPLIT], schema=pa.schema(fields))


def test_few_keeps_every_test_row_and_holds_a_fifth_out():
    found = sets.few(rows(), 20, seed=1)
    split = np.array(found["split"].to_pylist())
    assert [(split == s).sum() for s in ("train", "holdout", "test")] == [16, 4, 20]
    assert set(found["x"].to_pylist()[-20:]) == set(np.arange(40.0, 60.0))
    assert sets.few(rows(), 20, seed=1).equals(found)


def test_lacking_takes_all_columns_of_a_row_away_and_keeps_their_types():
    found = sets.lacking(rows(), ["x", "v"], 0.5, seed=0)
    assert found.schema.equals(rows().schema, check_metadata=True)
    gone = found["x"].is_null().to_numpy()
    assert (gone == found["v"].is_null().to_numpy()).all() and 15 < gone.sum() < 45
    kept = np.flatnonzero(~gone)
    assert found.take(kept).equals(rows().take(kept))
    assert sets.lacking(rows(), ["x"], 1.0, seed=0)["x"].null_count == 60


def test_an_arm_is_trained_once_and_scored_on_test_rows(tmp_path):
    data = Data(rows(), {"tabular": "x"}, {"y": "y"})
    arm = Arm("arm", {"d": data}, {"y": "binary"}, training={"epochs": 1, "folds": 2})
    run = arm.run(tmp_path, 0)
    assert 0 <= score(run, "d", data.test(), "y", "y") <= 1
    assert run.summary["tasks"]["y"]["rows"] == 20
    before = (run.path / "summary.json").stat().st_mtime_ns
    assert (arm.run(tmp_path, 0).path / "summary.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", sections.SECTIONS)
def test_every_section_has_its_rows(name):
    class Anything(dict):
        """Figures under any name; a section of pairs lists its own."""

        def __missing__(self, key):
            return 0.5

    figures = Anything(dict.fromkeys(("both: full", "half text, dropout: half", "both: no text"), 0.5))
    table = claims.rows(name, [figures, figures])
    assert len(table) >= 4
    assert all("0.500 [0.500–0.500]" in line["measured"] or "seconds" in line["what"] for line in table)
    if name in sections.TWO:
        assert any("modality dropout 0.3; tested on half of them without" in line["what"] for line in table)


def test_spoken_digits_are_files_and_leave_a_speaker_out():
    try:
        table = sets.spoken(0, left_out="theo")
    except SystemExit as reason:
        pytest.skip(str(reason))
    test = np.array(table["split"].to_pylist()) == "test"
    assert (np.array(table["speaker"].to_pylist()) == "theo").tolist() == test.tolist()
    assert all(v.as_py()[:4] == b"RIFF" for v in table["audio"].slice(0, 5))

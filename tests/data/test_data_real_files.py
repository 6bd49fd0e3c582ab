"""Real files, read once; skipped where they are not at hand."""

import os
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from jointset.data import build_pool, load_dataset, sources
from jointset.records import HOLDOUT, TEST, TRAIN

ROOT = Path(os.environ.get("JOINTSET_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILES = sorted(ROOT.glob("*/*.parquet")) if ROOT.is_dir() else []
pytestmark = pytest.mark.skipif(not FILES, reason="no real data: name its folder with JOINTSET_DATA")


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_file_loads(path, tmp_path):
    columns = sources.read(path, name="x").column_names
    inputs = {"text": "text"} if "text" in columns else {"tabular": "*"}
    d = load_dataset("x", path, inputs=inputs, cache=tmp_path)
    assert d.table.column_names == columns
    assert len(set(d.row_ids)) == len(d) > 0


def test_sixteen_domains(tmp_path):
    path = ROOT / "fdu_mtl" / "labelled.parquet"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    table = sources.read(path, name="fdu")
    datasets = [
        load_dataset(
            d,
            table.filter(pc.equal(table["domain"], d)),
            inputs={"text": "text"},
            split="split",
            cache=tmp_path,
        )
        for d in table["domain"].unique().to_pylist()
    ]
    settings = {d.name: ("split", 0.15, 0.0) for d in datasets}
    pool = build_pool(datasets, strata=None, split_settings=settings, seed=0)
    copies = np.isin(pool.component[pool.split == TEST], pool.component[pool.split == TRAIN])
    assert 550 <= copies.sum() <= 570  # the README of the data counts 560 exact copies
    assert not np.isin(pool.component[pool.split == HOLDOUT], pool.component[pool.split == TEST]).any()
    assert not np.isin(pool.component[pool.split == HOLDOUT], pool.component[pool.split == TRAIN]).any()

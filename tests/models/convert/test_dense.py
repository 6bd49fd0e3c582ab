"""The model as a function of plain tensors, before any exporter sees it, says what ``jointset predict`` says."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from jointset.models.convert.dense import PRESENT, Dense, SumOfRows
from jointset.models.encoders import ENCODERS as ENCODER_TABLE
from jointset.models.sharing import SHARINGS

TABLES = {
    "people": pa.table(
        {
            "age": [20.0, None, 40.0, 31.0],
            "job": ["a", "b", None, "zz"],
            "note": ["loud wild", "calm", None, ""],
        }
    ),
    "posts": pa.table({"body": ["loud", "calm quiet", "wild wild", None]}),
}
INPUTS = {"people": {"tabular": ["age", "job"], "text": ["note"]}, "posts": {"text": ["body"]}}
ENCODERS = {"tabular": ("mlp", {"hidden": 8}), "text": ("bag", {"bits": 8, "words": 2})}


def said(model, table, dataset):
    inputs, n = model.prepared(table, dataset), table.num_rows
    feeds = {}
    for m in inputs.encoders:
        batch = model.encoders[m].batch(inputs.arrays[m], np.arange(n))
        feeds |= {f"{m}.{part}": tensor for part, tensor in batch.items()}
        feeds[f"{m}.{PRESENT}"] = torch.from_numpy(inputs.row[m] >= 0)
    with torch.inference_mode():
        return {k: v.numpy() for k, v in Dense(model.network).eval()(feeds).items()}


@pytest.mark.parametrize("sharing", [s for s in SHARINGS if s not in ("lora", "adapters")])
def test_every_way_of_sharing(saved, apart, sharing):
    model = saved(ENCODERS, TABLES, INPUTS, sharing=sharing, depth=2)
    for name, table in TABLES.items():
        assert apart(said(model, table, name), model.outputs(table, dataset=name)) < 1e-5


def test_every_encoder_names_what_varies():
    assert all(encoder.axes for table in ENCODER_TABLE.values() for encoder in table.values())


def test_sums_of_rows_are_those_of_an_embedding_bag():
    table = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    ids, offsets = torch.tensor([1, 5, 5, 0, 8], dtype=torch.int32), torch.tensor([0, 0, 2, 2, 5])
    bag = torch.nn.EmbeddingBag.from_pretrained(table, mode="sum", include_last_offset=True)
    assert torch.allclose(SumOfRows(table)(ids, offsets), bag(ids.long(), offsets))
    assert not SumOfRows(table)(torch.zeros(1, dtype=torch.int64), torch.zeros(4, dtype=torch.int64)).any()

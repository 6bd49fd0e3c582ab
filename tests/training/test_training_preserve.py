"""Real digits, turned: which operations keep which digit and which way up."""

import numpy as np
import pyarrow as pa
import pytest

from jointset import augmenting
from jointset.config import parse
from jointset.data import apply
from jointset.prepare import prepare
from jointset.records import Edits
from jointset.rundir import RunDirectory
from jointset.workbench import set_up


@pytest.fixture(scope="module")
def turned(tmp_path_factory, digits):
    """Six hundred digits, each turned by a quarter of the circle or more, with both labels."""
    images, digit = (a[:700] for a in digits)
    turns = np.random.default_rng(0).integers(0, 4, len(images))
    pixels = np.stack([np.rot90(x, k) for x, k in zip(images, turns, strict=True)])
    values = pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), 64)
    fields = [pa.field("image", values.type, metadata={"jointset.shape": "8,8"})]
    fields += [pa.field(n, pa.string()) for n in ("digit", "turn")]
    columns = [values, digit.astype(str).tolist(), (90 * turns).astype(str).tolist()]
    config = parse(
        {
            "datasets": {"d": {"inputs": {"image": "image"}}},
            "tasks": {t: {"kind": "multiclass", "labels": {"d": t}} for t in ("digit", "turn")},
            "model": {"width": 32, "image": {"widths": [8, 16]}},
            "training": {"epochs": 20, "learning_rate": 0.005},
            "augment": {"image": {"quarter": True, "noise": 0.05, "brightness": 0.1}},
        }
    )
    folder = tmp_path_factory.mktemp("turned")
    work = prepare(config, folder / "data", {"d": pa.table(columns, schema=pa.schema(fields))})
    bench = set_up(RunDirectory(folder), work, lambda event: None)
    return bench, apply(work.given, Edits.empty(), work.by_name, work.pool)


def test_a_quarter_turn_keeps_the_digit_and_not_which_way_up(turned):
    policy, table = augmenting.checked(*turned)
    outcome = {(e.operation.partition(".")[2], e.task): e.outcome for e in table}
    assert outcome["quarter", "digit"] == "keep"
    assert outcome["quarter", "turn"] in ("transform", "mask")
    assert outcome["noise", "digit"] == outcome["noise", "turn"] == "keep"
    if outcome["quarter", "turn"] == "transform":
        rule = policy.rules["turn"]["image.quarter"]
        classes = turned[0].work.by_name["turn"].classes
        assert [classes[c] for c in rule.classes] == [str((int(c) + 90) % 360) for c in classes]

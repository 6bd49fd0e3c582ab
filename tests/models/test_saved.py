"""A model on disk predicts as the one that was trained."""

import json

import pandas as pd
import pytest

from jointset.errors import RunError
from jointset.models.saved import SavedModel
from jointset.records import Task


def test_the_folder_holds_no_code(finished):
    names = sorted(p.name for p in finished.directory.model.iterdir())
    assert names == ["README.md", "config.json", "model.safetensors"]
    config = json.loads((finished.directory.model / "config.json").read_text(encoding="utf-8"))
    assert set(config["inputs"]) == {"people", "posts"}
    assert "level" in (finished.directory.model / "README.md").read_text(encoding="utf-8")


def test_tasks_come_back_as_they_were(finished):
    assert finished.model.tasks == finished.work.tasks
    assert all(isinstance(t, Task) for t in finished.model.tasks)


def test_loading_leaves_the_generator_alone_and_predicts_alike(finished):
    import torch

    torch.manual_seed(0)
    before = torch.get_rng_state()
    model = SavedModel(finished.directory.model)
    assert torch.equal(torch.get_rng_state(), before)
    rows = pd.DataFrame({"body": ["loud wild", "calm quiet", ""]})
    assert model.predict(rows).equals(finished.model.predict(rows))


def test_numbers_in_a_text_column_are_read_as_text(finished):
    found = finished.model.predict(pd.DataFrame({"body": [1, 2, 3]}))
    assert found.equals(finished.model.predict(pd.DataFrame({"body": ["1", "2", "3"]})))


def test_columns_may_stand_in_any_order_among_others(finished):
    rows = pd.DataFrame({"note": ["loud"], "job": ["smith"], "age": [50.0]})
    other = rows[["age", "job", "note"]].assign(more=1)
    assert finished.model.predict(rows).equals(finished.model.predict(other))


def test_a_folder_without_a_model_says_when_one_is_written(tmp_path):
    with pytest.raises(RunError, match="written at the end of jointset run"):
        SavedModel(tmp_path)

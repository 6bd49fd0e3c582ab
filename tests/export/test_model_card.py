"""The card of a joint model is read by the hub's own reader."""

import pytest

from jointset.export.model_card import model_card
from jointset.records import Task

TASKS = [
    Task("mood", "multiclass", ("bad | worse", "`good`")),
    Task("price", "regression"),
    Task("new", "binary", ("a", "b")),
]
SCORES = {
    "mood": {"metric": "accuracy", "rows": 1200, "on": "holdout", "before": 0.5, "after": 0.75,
             "metrics_after": {"accuracy": 0.75, "log_loss": 0.6, "auc": None}},
    "price": {"metric": "r2", "rows": 80, "on": "test", "before": 0.1, "after": None, "metrics_after": {"r2": 0.2}},
}  # fmt: skip


@pytest.fixture
def text():
    return model_card(
        "moods",
        TASKS,
        inputs={"d": {"text": ["body", "a`b"]}},
        scores=SCORES,
        edits={"accepted": 1500},
        seed=3,
        version="1.0",
    )


def test_people_read_scores_inputs_and_limits(text):
    assert "| `mood` | accuracy | 1,200 holdout | 0.500 | 0.750 |" in text
    assert "| `price` | r2 | 80 test | 0.100 | – |" in text
    assert "- `d`: text `body`, `a'b`" in text and "1,500 edits" in text and "Seed 3, jointset 1.0" in text
    assert "## Limits" in text and "`new`: binary" in text


def test_the_hub_reads_it(text, tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    path = tmp_path / "README.md"
    path.write_text(text, encoding="utf-8")
    data = hub.ModelCard.load(path).data
    told = data.to_dict()
    assert told["library_name"] == "jointset" and [m["name"] for m in told["model-index"]] == ["moods"]
    found = {(r.task_name, r.metric_type): (r.metric_value, r.dataset_split) for r in data.eval_results}
    assert found == {
        ("mood", "accuracy"): (0.75, "validation"),
        ("mood", "log_loss"): (0.6, "validation"),
        ("price", "r2"): (0.2, "test"),
    }

"""Rows that borrow from others: which labels stay by themselves, and which are masked or measured."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from jointset import augmenting
from jointset.config import parse
from jointset.data import apply
from jointset.errors import ConfigError
from jointset.prepare import prepare
from jointset.records import Edits
from jointset.rundir import RunDirectory
from jointset.training.featured import Features
from jointset.training.problem import LabelBatches
from jointset.workbench import set_up

TASKS = {
    "sort": {"kind": "binary", "labels": {"d": "sort"}},
    "tags": {"kind": "multilabel", "labels": {"d": "tags"}},
    "age": {"kind": "regression", "labels": {"d": "age"}},
}


@pytest.fixture
def begun(tmp_path):
    """A class, a label set and a number, each told by columns of its own, and a column that says nothing."""

    def make(augment, tasks=("sort", "tags", "age"), n=500):
        rng = np.random.default_rng(0)
        sort, a, b = (rng.random(n) < 0.5 for _ in range(3))
        age = rng.uniform(0, 10, n)
        columns = {"s": 3.0 * sort, "a": 3.0 * a, "b": 3.0 * b, "age_": age, "free": rng.normal(size=n)}
        table = {c: np.asarray(v, float) + 0.1 * rng.normal(size=n) for c, v in columns.items()}
        table |= {"sort": np.where(sort, "yes", "no").tolist(), "age": age.tolist()}
        table["tags"] = [
            ";".join(t for t, on in zip("ab", row, strict=True) if on) for row in zip(a, b, strict=True)
        ]
        config = parse(
            {
                "datasets": {"d": {"inputs": {"tabular": list(columns)}}},
                "tasks": {t: TASKS[t] for t in tasks},
                "model": {"width": 16, "tabular": {"hidden": 16}},
                "training": {"epochs": 15, "learning_rate": 0.01, "folds": 2, "mixup": 0, "batch_size": 32},
                "augment": augment,
            }
        )
        work = prepare(config, tmp_path / "data", {"d": pa.table(table)})
        bench = set_up(RunDirectory(tmp_path), work, lambda event: None)
        return bench, apply(work.given, Edits.empty(), work.by_name, work.pool)

    return make


def test_numbers_are_masked_where_rows_borrow_unless_the_user_says_they_are_kept(begun):
    bench, overlay = begun({"mode": "on", "features": {"noise": 0.5, "adversarial": 1.0}, "preserve": False})
    policy, table = augmenting.checked(bench, overlay)
    assert (
        not table
        and not policy.keeps("age", "features.noise")
        and policy.keeps("age", "features.adversarial")
    )
    assert policy.keeps("sort", "features.noise") and policy.keeps("tags", "features.noise")
    draws = policy.draw(("sort", "tags", "age"), np.ones((50, 3), bool), np.random.default_rng(0))
    assert (draws.factor["age"][draws.strength["features.noise"] != 0] == 0).all()
    assert (draws.factor["sort"] == 1).all()
    told = {"age": {"keep": ["features.noise"]}}
    bench, overlay = begun({"mode": "on", "features": {"noise": 0.5}, "preserve": False, "tasks": told})
    assert augmenting.checked(bench, overlay)[0].keeps("age", "features.noise")


def test_rows_borrow_from_rows_of_the_same_class_and_label_set(begun):
    bench, overlay = begun({"mode": "on", "features": {"noise": 1.0, "extrapolate": 1.0}, "preserve": False})
    settled = augmenting.settled(bench, overlay)
    problem = settled.problem(overlay)
    model, rows = problem.build(0), np.arange(400)
    model.eval()
    features = Features.of(problem, model, LabelBatches(problem))
    assert features.tasks == ("sort", "tags") and features.memory.classes == 1
    x = torch.zeros(len(rows), model.width)
    x[:, 0] = torch.from_numpy(overlay.labels["sort"][rows]).float()
    tags = torch.from_numpy(overlay.labels["tags"][rows]).float()
    x[:, 1 : 1 + tags.shape[1]] = tags
    x[:, 8] = torch.randn(len(rows), generator=torch.Generator().manual_seed(0))
    shown = settled.augmentation.policy.draw(
        ("sort", "tags", "age"), np.ones((len(rows), 3), bool), np.random.default_rng(0)
    )
    for _ in range(2):  # the second time there is something to borrow from
        changed = features.mix(torch.from_numpy(rows), shown, np.random.default_rng(1), None)(x)
    moved = (changed - x).abs().amax(0)
    assert moved[:8].max() == 0 and moved[8] > 0.1
    assert features.moved.sum() > 100


def test_the_label_check_looks_at_features_too(begun):
    bench, overlay = begun({"mode": "on", "features": {"noise": 2.0, "tail": 1.0, "adversarial": 1.0}})
    policy, table = augmenting.checked(bench, overlay)
    outcome = {(e.operation, e.task): e.outcome for e in table}
    assert outcome["features.noise", "sort"] == outcome["features.noise", "tags"] == "keep"
    assert outcome["features.noise", "age"] == "mask" and not policy.keeps("age", "features.noise")
    assert "features.adversarial" not in {e.operation for e in table}


def test_without_classes_there_is_nobody_to_borrow_from(begun):
    with pytest.raises(ConfigError, match=r"features\.noise needs a task with classes"):
        augmenting.stated(begun({"features": ["noise"]}, ("age",))[0].work)
    with pytest.raises(ConfigError, match=r"features\.tail needs a task with classes"):
        augmenting.stated(begun({"features": ["tail"]}, ("tags", "age"))[0].work)
    assert augmenting.stated(begun({"features": ["noise"]}, ("tags", "age"))[0].work)

"""The benchmark of gradient weightings: the same model on every side, and rows that say what was measured."""

import argparse

import pytest
import torch
from bench.speed import problems, sides, worker

from bench import weighting_speed


@pytest.fixture
def small(monkeypatch):
    """A trunk that takes no time."""

    def tiny():
        return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU()), torch.randn(12, 6), 5

    monkeypatch.setitem(problems.MODELS, "mlp", tiny)


def test_every_model_trains_on_every_task():
    for model in problems.MODELS:
        problem = problems.make(model, 2, disjoint=False)
        sides.plain(problem)()
        assert all(p.grad is not None for p in problem.parameters())
        again = problems.make(model, 2, disjoint=False)
        assert torch.equal(problem.labels, again.labels)
        assert all(torch.equal(a, b) for a, b in zip(problem.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("way", weighting_speed.WAYS)
@pytest.mark.parametrize("method", sides.METHODS)
def test_our_side_takes_the_way_it_is_asked_for(small, way, method):
    problem = problems.make("mlp", 3, disjoint=way == "rows")
    step = sides.ours(problem, way, method)
    for _ in range(2):
        step()
    assert all(torch.isfinite(p.grad).all() for p in problem.parameters())
    assert (problem.owners() is None) == (way != "rows")


def test_steps_take_turns_and_are_paired(small):
    given = argparse.Namespace(model="mlp", tasks=2, way="layers", repeat=4, peers=False)
    found = worker.timed(given)
    assert set(found["sides"]) == {f"ours {m}" for m in sides.METHODS}
    for side in found["sides"].values():
        assert len(side["wall"]) == len(side["processor"]) == 4
        assert min(side["wall"]) > 0
    assert len(found["plain"]) == 4 * len(sides.METHODS)


@pytest.mark.parametrize("way", weighting_speed.WAYS)
def test_our_error_is_that_of_single_precision(small, way):
    given = argparse.Namespace(model="mlp", tasks=3, way=way)
    found = worker.error(given)
    assert 0 < found["error"] < 1e-5


def test_a_side_that_fails_is_said(small):
    def broken(problem):
        raise ValueError("no such thing")

    given = argparse.Namespace(model="mlp", tasks=2, way="layers")
    assert worker.started(given, broken) == "ValueError: no such thing"


def measured(**ratios):
    return {"sides": {n: {"wall": [r], "processor": [r]} for n, r in ratios.items()}}


def test_the_slowest_method_decides():
    found = measured(**{"ours upgrad": 1.5, "ours mgda": 1.9, "TorchJD autojac UPGrad": 2.5})
    (row,) = weighting_speed.rows("mlp", 2, "layers", found, 1)
    assert (
        row["met"] is False
        and "mgda 1.90" in row["measured"]
        and row["baseline"] == "TorchJD autojac UPGrad 2.5"
    )
    found = measured(
        **{"ours upgrad": 3.0, "ours mgda": 4.0, "TorchJD autojac UPGrad": 10.0, "LibMTL MGDA": 3.5}
    )
    (row,) = weighting_speed.rows("resnet", 8, "layers", found, 1)
    assert row["met"] is True and row["target"] == "faster than TorchJD"
    row, lead = weighting_speed.rows("mlp", 40, "layers", found, 2)
    assert lead["value"] == pytest.approx(3.5 / 4.0) and lead["met"] is False


def test_what_could_not_be_run_is_a_row():
    (row,) = weighting_speed.rows("mlp", 2, "rows", {"failed": "killed"}, 1)
    assert row["met"] is None and "killed" in row["measured"]
    row = weighting_speed.memory_row("mlp", 2, {"ours upgrad": {"bytes": 5e6}, "plain": {"bytes": 4e6},
                                                "TorchJD autojac UPGrad": {"bytes": 9e6}})  # fmt: skip
    assert row["met"] is True and row["baseline"] == "TorchJD autojac UPGrad 9"

"""Margins of rows against the losses of their labels, and projected gradients against what a step does."""

import numpy as np
import pytest
import torch
from scipy import sparse

from jointset.interpret.gradients import covered, labelled_rows, row_gradients
from jointset.interpret.margins import row_margins
from jointset.interpret.projected import products, span
from jointset.records import TRAIN
from jointset.training.evaluate import predict
from jointset.training.loop import fit


@pytest.fixture(scope="module")
def model(bench, problem):
    train = np.flatnonzero(problem.usable() & (bench.work.pool.split == TRAIN))
    return fit(problem, train, train[:0], bench.settings, seed=0, epochs=3).model.eval()


def told(model, problem, task, rows):
    return row_margins(model, problem.inputs, rows, task, problem.labels[task][rows])


def test_the_loss_of_a_margin_is_the_log_loss_of_the_label(model, problem):
    outputs, _ = predict(model, problem.inputs, np.arange(problem.rows))
    for task in ("level", "risky", "kinds", "price"):
        rows = labelled_rows(problem, task, np.arange(problem.rows))
        y, p = problem.labels[task][rows], outputs[task][rows].astype(np.float64)
        loss = np.logaddexp(0, -told(model, problem, task, rows)[1])
        if task == "price":
            mean, std = next(t.scale for t in problem.tasks if t.name == task)
            np.testing.assert_allclose(told(model, problem, task, rows)[1], (p[:, 0] - mean) / std, atol=1e-5)
        elif task == "kinds":
            each = np.where(y == 1, -np.log(p), -np.log1p(-p)) * (y >= 0)
            np.testing.assert_allclose(loss, each.sum(1), rtol=1e-3, atol=1e-4)
        else:
            np.testing.assert_allclose(loss, -np.log(p[np.arange(len(y)), y]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("task", ["level", "risky", "kinds", "price"])
def test_gradients_tell_what_a_small_step_of_a_shared_layer_does(model, problem, task):
    rows = labelled_rows(problem, task, np.arange(problem.rows))[:40]
    gradients, before = told(model, problem, task, rows)
    name, layer = next((n, m) for n, m in covered(model, task).items() if n.startswith("trunk"))
    step = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    with torch.no_grad():
        layer.weight += step
    after = told(model, problem, task, rows)[1]
    with torch.no_grad():
        layer.weight -= step
    inputs = np.asarray(gradients.inputs[name])[:, : step.shape[1]]
    expected = np.einsum("no,ni,oi->n", gradients.deltas[name], inputs, step.numpy())
    np.testing.assert_allclose(after - before, expected, atol=3e-2 * np.abs(expected).max())


def test_projected_products_are_those_of_the_gradients_as_far_as_the_span_goes(model, problem):
    found = {}
    for task in ("level", "risky", "price"):
        rows = labelled_rows(problem, task, np.arange(problem.rows))[:30]
        found[task] = row_gradients(model, problem.inputs, rows, task, problem.labels[task][rows])
    whole, part = span(list(found.values()), size=90, seed=0), span(list(found.values()), size=30, seed=0)
    for a in found.values():
        for b in found.values():
            exact = products(a, b)
            np.testing.assert_allclose(whole(a) @ whole(b).T, exact, atol=1e-3 * np.abs(exact).max())
    level = found["level"]
    assert ((part(level) ** 2).sum(1) <= products(level, level).diagonal() * 1.001 + 1e-9).all()
    assert part.basis.shape[1] <= 30
    np.testing.assert_array_equal(part(level), span(list(found.values()), size=30, seed=0)(level))


def test_products_are_those_of_whole_gradients_without_heads():
    from jointset.interpret.gradients import RowGradients

    rng = np.random.default_rng(0)
    bag = sparse.random(5, 300, density=0.1, random_state=0, format="csr")
    deltas = {
        "trunk": rng.normal(size=(5, 4)),
        "text bag": rng.normal(size=(5, 3)),
        "head": rng.normal(size=(5, 2)),
    }
    one = RowGradients(deltas, {"trunk": rng.normal(size=(5, 6)), "text bag": bag, "head": np.ones((5, 4))})
    whole = np.concatenate(
        [
            np.einsum("no,ni->noi", deltas[n], x.toarray() if n == "text bag" else x).reshape(5, -1)
            for n, x in one.inputs.items()
            if n != "head"
        ],
        axis=1,
    )
    np.testing.assert_allclose(products(one, one), whole @ whole.T, rtol=1e-6)

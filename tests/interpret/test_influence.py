"""Influence against gradients that are written out, and against errors that were planted."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from jointset.errors import ArrayError
from jointset.interpret import influence
from jointset.interpret.gradients import covered, labelled_rows, row_gradients
from jointset.records import TEST, TRAIN
from jointset.tasks import KINDS
from jointset.training.loop import fit


@pytest.fixture(scope="module")
def model(bench, problem):
    train = np.flatnonzero(problem.usable() & (bench.work.pool.split == TRAIN))
    return fit(problem, train, train[:0], bench.settings, seed=0, epochs=3).model.eval()


def written_out(model, problem, row, task):
    """Layer → the gradient of one row's loss by autograd, weights and bias in one."""
    layers = covered(model, task)
    batch = problem.inputs.batch(np.array([row]))
    logits, _ = model(batch, 1)
    own, head = next((t, h) for t, h in model.headed() if t.name == task)
    y = torch.from_numpy(problem.labels[task][[row]])
    known = (~y.isnan() if y.is_floating_point() else y >= 0).sum()
    loss = KINDS[own.kind].loss(own, logits[task], y, torch.ones(y.shape), head.seen) * known
    found = {}
    for name, layer in layers.items():
        weight, bias = layer.weight, getattr(layer, "bias", None)
        grads = torch.autograd.grad(
            loss, [weight] if bias is None else [weight, bias], retain_graph=True, allow_unused=True
        )
        if grads[0] is None:
            found[name] = torch.zeros(weight.numel() + (0 if bias is None else bias.numel())).double()
            continue
        dense = grads[0].to_dense()
        parts = [dense if bias is None else torch.cat([dense, grads[1][:, None]], 1)]
        found[name] = parts[0].flatten().double()
    return found


@pytest.mark.parametrize("task", ["level", "risky", "kinds", "price"])
def test_factors_multiply_to_the_gradient(model, problem, task):
    rows = labelled_rows(problem, task, np.arange(problem.rows))[[0, 5, 9, -1]]
    found = row_gradients(model, problem.inputs, rows, task, problem.labels[task][rows])
    assert (
        "head" in found.deltas
        and any(n.startswith("trunk") for n in found.deltas)
        and "text bag" in found.deltas
    )
    for i, row in enumerate(rows):
        wanted = written_out(model, problem, int(row), task)
        for name, delta in found.deltas.items():
            x = found.inputs[name][i]
            if name == "text bag":  # rows of the table by features
                made = x.toarray().T @ delta[i][None, :]
            else:
                made = delta[i][:, None] @ np.asarray(x)[None, :]
            np.testing.assert_allclose(made.ravel(), wanted[name].numpy(), rtol=2e-3, atol=2e-5)


def test_influence_is_the_product_with_the_mean_held_out_gradient_summed_over_checkpoints(
    model, problem, bench
):
    split = bench.work.pool.split
    train, held = np.flatnonzero(split == TRAIN), np.flatnonzero(split == TEST)
    found = influence([model, model], problem, train, held, rates=[0.5, 0.25], damping=None)
    own = {t.name: labelled_rows(problem, t.name, held) for t in problem.tasks}
    for source, target in (("level", "level"), ("level", "price"), ("kinds", "risky")):
        row = int(labelled_rows(problem, source, train)[3])
        grad = written_out(model, problem, row, source)
        many = [written_out(model, problem, int(r), target) for r in own[target]]
        total = 0.0
        for name in grad:
            if name != "head" or source == target:
                mean = sum(m[name].double() for m in many) / len(many)
                total += float(grad[name].double() @ mean)
        score = found.scores[source, target][np.flatnonzero(train == row)[0]]
        assert score == pytest.approx(0.75 * total, rel=5e-3, abs=1e-6)
    unlabelled = np.setdiff1d(train, labelled_rows(problem, "level", train))
    assert np.isnan(found.scores["level", "level"][np.isin(train, unlabelled)]).all() and len(unlabelled)
    table = found.table(bench.work.pool.dataset_of, ["people", "posts"])
    assert {(e["dataset"], e["task"]) for e in table} >= {("people", "level"), ("posts", "level")}
    assert all(e["dataset"] == "people" for e in table if e["task"] == "price")
    one = next(e for e in table if (e["dataset"], e["task"], e["target"]) == ("posts", "level", "level"))
    assert one["total"] == pytest.approx(one["mean"] * one["rows"])


def test_a_step_along_helpful_rows_lowers_the_held_out_loss(model, problem, bench):
    """The definition: the held-out loss falls by η times its influence in a small step on a row's loss."""
    split = bench.work.pool.split
    train = labelled_rows(problem, "level", np.flatnonzero(split == TRAIN))[:4]
    held = np.flatnonzero(split == TEST)
    score = influence([model], problem, train, held, damping=None).scores["level", "level"]
    task, head = next((t, h) for t, h in model.headed() if t.name == "level")
    layers = covered(model, "level")
    judged = labelled_rows(problem, "level", held)
    y = torch.from_numpy(problem.labels["level"][judged])

    def loss_after(step, eta):
        """The held-out loss where every covered parameter has moved by −η times its gradient."""
        kept = {n: {k: v.clone() for k, v in m.state_dict().items()} for n, m in layers.items()}
        with torch.no_grad():
            for name, grad in step.items():
                whole = grad.reshape(len(layers[name].weight), -1).float()
                columns = layers[name].weight.shape[1]
                layers[name].weight -= eta * whole[:, :columns]
                if whole.shape[1] > columns:
                    layers[name].bias -= eta * whole[:, -1]
            logits, _ = model(problem.inputs.batch(judged), len(judged))
            found = KINDS[task.kind].loss(task, logits["level"], y, torch.ones(len(y)), head.seen).item()
        for name, state in kept.items():
            layers[name].load_state_dict(state)
        return found

    for i, row in enumerate(train):
        step = written_out(model, problem, int(row), "level")
        slope = (loss_after(step, -1e-3) - loss_after(step, 1e-3)) / 2e-3  # central: without the curvature
        assert slope == pytest.approx(score[i], rel=0.03, abs=2e-3)


def test_planted_wrong_labels_have_the_least_influence(digits):
    import tempfile
    from pathlib import Path

    from jointset import config
    from jointset.data import apply
    from jointset.prepare import prepare
    from jointset.records import Edits
    from jointset.rundir import RunDirectory
    from jointset.workbench import set_up

    images, labels = digits
    rng = np.random.default_rng(0)
    x = images.reshape(len(images), -1)[:900] / 255
    wrong = (rng.random(900) < 0.3) & (np.arange(900) % 3 == 1) & (np.arange(900) < 700)
    given = np.where(wrong, (labels[:900] + rng.integers(1, 10, 900)) % 10, labels[:900])
    sources = {
        n: {
            **{f"p{i}": x[j::3, i].astype(float) for i in range(64) if x[:, i].std() > 0},
            "digit": given[j::3],
            "split": np.where(np.arange(900)[j::3] < 700, "train", "test"),
        }
        for j, n in enumerate(("bank", "post", "school"))
    }
    columns = [c for c in sources["bank"] if c.startswith("p")]
    settings = {
        "datasets": {
            n: {"inputs": {"tabular": columns}, "split": {"column": "split", "holdout": 0.05}}
            for n in sources
        },
        "tasks": {"digit": {"kind": "multiclass", "labels": dict.fromkeys(sources, "digit")}},
        "model": {"width": 32, "tabular": {"hidden": 32}},
    }
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(config.parse(settings), Path(folder) / "data", sources)
        bench = set_up(RunDirectory(Path(folder)), work, lambda event: None)
        problem = bench.problem(apply(work.given, Edits.empty(), work.by_name, work.pool))
        train, held = np.flatnonzero(work.pool.split == TRAIN), np.flatnonzero(work.pool.split == TEST)
        models = [fit(problem, train, train[:0], bench.settings, seed=0, epochs=e).model for e in (3, 8)]
        found = influence(models, problem, train, held)
    order = np.concatenate([wrong[j::3] for j in range(3)])[train]
    assert roc_auc_score(order, -found.scores["digit", "digit"]) > 0.9
    means = {e["dataset"]: e["mean"] for e in found.table(work.pool.dataset_of, list(sources))}
    assert min(means, key=means.get) == "post"


def test_no_checkpoint_no_influence(problem):
    with pytest.raises(ArrayError, match="a checkpoint for each rate, found 0 and 0"):
        influence([], problem, np.arange(3), np.arange(3))

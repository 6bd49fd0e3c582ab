"""Every kind of task keeps the contract of TaskKind."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from jointset.metrics import METRICS, check
from jointset.records import Task, is_labelled
from jointset.tasks import KINDS, LabelOptions, LabelSource
from jointset.tasks.losses import Seen
from jointset.tasks.sampling import factors

RAW = {
    "binary": ["no", None, "yes", "no", "yes", "no"],
    "multiclass": ["red", "green", None, "blue", "red", "green", "blue"],
    "multilabel": [["a"], ["a", "b"], None, [], ["b", "c"], ["c"]],
    "regression": [1.5, None, -2.0, 1000.0, 0.25, 3.0],
}
NAMES = {
    "multilabel": ["a", "a|b", "", "", "b|c", "c"],
    "regression": ["1.5", "", "-2.0", "1000.0", "0.25", "3.0"],
}


@pytest.fixture(params=list(KINDS))
def kind(request):
    return KINDS[request.param]


def encoded(kind, options=None):
    source = LabelSource("d", {"y": pa.chunked_array([pa.array(RAW[kind.kind])])})
    return kind.encode("t", [source], options or LabelOptions())


def some(kind, n=8, seed=0):
    """A task, logits that ask for a gradient, labels of which a third is missing, and weights."""
    task = encoded(kind).task
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    logits = torch.randn(n, task.n_outputs, requires_grad=True)
    if kind.kind == "regression":
        labels = np.where(rng.random(n) < 0.3, np.nan, rng.normal(0, 100, n))
    elif kind.kind == "multilabel":
        labels = rng.integers(-1, 2, (n, task.n_outputs)).astype(np.int8)
    else:
        labels = rng.integers(-1, len(task.classes), n)
    labels[0] = task.missing(1)[0]
    weights = rng.uniform(0.2, 1.0, labels.shape).astype(np.float32)
    return task, logits, torch.from_numpy(labels), torch.from_numpy(weights)


def seen_by(kind, task, labels=None):
    return Seen(torch.from_numpy(kind.count(task, task.missing(0) if labels is None else labels)))


def loss_of(kind, task, logits, labels, weights):
    return kind.loss(task, logits, labels, weights, seen_by(kind, task))


def known(labels):
    return ~labels.isnan() if labels.is_floating_point() else labels >= 0


def test_the_table_is_keyed_by_kind():
    assert {name: k.kind for name, k in KINDS.items()} == {name: name for name in KINDS}
    assert set(RAW) == set(KINDS)


def test_labels_survive_encoding_by_name(kind):
    found = encoded(kind)
    names = NAMES.get(kind.kind, [v or "" for v in RAW[kind.kind]])
    assert kind.decode(found.task, found.labels["d"]).tolist() == names
    assert found.task.kind == kind.kind
    assert found.labels["d"].dtype == found.task.missing(1).dtype
    assert found.labels["d"].shape == found.task.missing(len(names)).shape
    assert is_labelled(found.labels["d"]).tolist() == [v is not None for v in RAW[kind.kind]]


def test_reading_again_under_known_classes_gives_the_same_labels(kind):
    found = encoded(kind)
    column = pa.chunked_array([pa.array(RAW[kind.kind][:3]), pa.array(RAW[kind.kind][3:])])
    again = kind.read(found.task, LabelSource("e", {"y": column}), LabelOptions())
    np.testing.assert_array_equal(again, found.labels["d"])


def test_the_metric_fits_the_kind_and_can_be_chosen(kind):
    assert kind.kind in METRICS[encoded(kind).task.metric].kinds
    other = next(name for name, m in METRICS.items() if kind.kind in m.kinds)
    assert encoded(kind, LabelOptions(metric=other, weight=0.5)).task.metric == other
    assert encoded(kind, LabelOptions(metric=other, weight=0.5)).task.weight == 0.5


def test_missing_labels_pull_nothing(kind):
    task, logits, labels, weights = some(kind)
    loss_of(kind, task, logits, labels, weights).backward()
    mask = known(labels) if labels.ndim == 2 else known(labels)[:, None].expand_as(logits)
    assert (logits.grad[~mask] == 0).all()
    assert (logits.grad[mask] != 0).all()


def test_labels_of_weight_zero_pull_nothing(kind):
    task, logits, labels, weights = some(kind)
    weights[3:] = 0
    loss_of(kind, task, logits, labels, weights).backward()
    assert (logits.grad[3:] == 0).all()


def test_unlabelled_rows_leave_the_loss_alone(kind):
    task, logits, labels, weights = some(kind)
    more = torch.cat([labels, torch.from_numpy(task.missing(5))])
    extra = torch.cat([logits, 100 * torch.randn(5, task.n_outputs)])
    heavy = torch.cat([weights, torch.ones(5, *weights.shape[1:])])
    torch.testing.assert_close(
        loss_of(kind, task, logits, labels, weights), loss_of(kind, task, extra, more, heavy)
    )


def test_the_loss_is_a_mean(kind):
    task, logits, labels, weights = some(kind)
    once = loss_of(kind, task, logits, labels, weights)
    twice = loss_of(kind, task, logits.repeat(2, 1), torch.cat([labels] * 2), torch.cat([weights] * 2))
    torch.testing.assert_close(once, twice)
    torch.testing.assert_close(once, loss_of(kind, task, logits, labels, 3 * weights))


def test_a_batch_without_labels_costs_nothing(kind):
    task, logits, labels, weights = some(kind)
    loss = loss_of(kind, task, logits, torch.from_numpy(task.missing(len(labels))), weights)
    assert loss.item() == 0
    loss.backward()
    assert (logits.grad == 0).all()


def test_outputs_have_the_documented_form(kind):
    task, logits, labels, _ = some(kind)
    out = kind.outputs(task, logits, seen_by(kind, task)).detach().numpy()
    assert out.shape == (len(labels), task.n_outputs)
    assert out.dtype == np.float32
    check(task, labels.numpy(), out)
    if kind.kind != "regression":
        assert ((out >= 0) & (out <= 1)).all()
    if kind.kind in ("binary", "multiclass"):
        np.testing.assert_allclose(out.sum(1), 1, rtol=1e-6)


def test_the_head_makes_what_the_loss_reads(kind):
    task, logits, labels, _ = some(kind)
    head = kind.head(task, 5)
    assert head(torch.zeros(len(labels), 5)).shape == logits.shape


def test_without_balance_a_step_learns_the_labels(kind):
    task, _, labels, weights = some(kind)
    logits = torch.zeros(len(labels), task.n_outputs, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    first = loss_of(kind, task, logits, labels, weights).item()
    for _ in range(200):
        optimizer.zero_grad()
        loss = loss_of(kind, task, logits, labels, weights)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * first
    mask = known(labels)
    out = kind.outputs(task, logits, seen_by(kind, task)).detach()
    if kind.kind == "regression":
        torch.testing.assert_close(out[mask, 0].double(), labels[mask], rtol=0.1, atol=10.0)
    elif kind.kind == "multilabel":
        assert ((out[mask] > 0.5) == (labels[mask] == 1)).all()
    else:
        assert (out[mask].argmax(1) == labels[mask]).all()


# Golden values from torch and scikit-learn


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_the_loss_of_classes_is_torchs_cross_entropy(name):
    task, logits, labels, weights = some(KINDS[name])
    mask = labels >= 0
    plain = loss_of(KINDS[name], task, logits, labels, torch.ones_like(weights))
    torch.testing.assert_close(plain, F.cross_entropy(logits, labels, ignore_index=-1))
    rows = F.cross_entropy(logits[mask], labels[mask], reduction="none")
    expected = (rows * weights[mask]).sum() / weights[mask].sum()
    torch.testing.assert_close(loss_of(KINDS[name], task, logits, labels, weights), expected)


def test_the_loss_of_label_sets_is_torchs_binary_cross_entropy():
    task, logits, labels, weights = some(KINDS["multilabel"])
    mask = labels >= 0
    expected = F.binary_cross_entropy_with_logits(
        logits, labels.clamp(min=0).float(), weight=weights * mask, reduction="sum"
    )
    expected = labels.shape[1] * expected / (weights * mask).sum()  # as so many binary tasks
    torch.testing.assert_close(loss_of(KINDS["multilabel"], task, logits, labels, weights), expected)


def test_the_loss_of_numbers_is_half_the_squared_error_in_standard_deviations():
    kind = KINDS["regression"]
    task = Task("t", "regression", scale=(10.0, 4.0))
    logits = torch.tensor([[0.5], [1.0]])
    labels = torch.tensor([18.0, float("nan")], dtype=torch.float64)
    loss = loss_of(kind, task, logits, labels, torch.ones(2))
    assert loss.item() == pytest.approx(0.5 * (0.5 - 2.0) ** 2)
    assert kind.outputs(task, logits, seen_by(kind, task))[:, 0].tolist() == [12.0, 14.0]


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_balanced_classes_weigh_like_torchs_weighted_cross_entropy(name):
    kind = KINDS[name]
    task, logits, labels, weights = some(kind, 40)
    task = replace(task, loss={"name": "class_balanced", "beta": 1.0})
    mask = labels >= 0
    balanced = compute_class_weight("balanced", classes=np.arange(task.n_outputs), y=labels[mask].numpy())
    rows = F.cross_entropy(logits[mask], labels[mask], torch.tensor(balanced).float(), reduction="none")
    expected = (rows * weights[mask]).sum() / weights[mask].sum()
    found = kind.loss(task, logits, labels, weights, seen_by(kind, task, labels.numpy()))
    torch.testing.assert_close(found, expected)


def test_balanced_label_sets_weigh_like_torchs_pos_weight():
    kind = KINDS["multilabel"]
    task, logits, labels, weights = some(kind, 40)
    task = replace(task, loss={"name": "class_balanced", "beta": 1.0})
    mask = labels >= 0
    counts = kind.count(task, labels.numpy())
    pos = torch.tensor(counts[:, 0] / counts[:, 1]).float()
    entries = F.binary_cross_entropy_with_logits(
        logits, labels.clamp(min=0).float(), weight=weights * mask, pos_weight=pos, reduction="none"
    )
    scale = torch.tensor(counts.sum(1) / (2 * counts[:, 0])).float()  # mean 1 over the entries of a label
    found = kind.loss(task, logits, labels, weights, seen_by(kind, task, labels.numpy()))
    torch.testing.assert_close(found, labels.shape[1] * (entries * scale).sum() / (weights * mask).sum())


def test_labels_are_counted_by_class():
    assert KINDS["multiclass"].count(
        Task("t", "multiclass", ("a", "b", "c")), np.array([0, 2, 2, -1])
    ).tolist() == [
        1,
        0,
        2,
    ]
    labels = np.array([[1, 1], [0, 0], [0, -1], [0, -1]], np.int8)
    assert KINDS["multilabel"].count(Task("t", "multilabel", ("a", "b")), labels).tolist() == [[3, 1], [1, 1]]
    assert KINDS["regression"].count(Task("t", "regression"), np.zeros(3)).shape == (0,)


@pytest.mark.parametrize("mode", ["over", "under"])
def test_probabilities_are_freed_of_what_sampling_adds(kind, mode):
    if kind.kind == "regression":
        return
    task, logits, labels, _ = some(kind, 60)
    drawn = replace(task, sampling={"mode": mode, "power": 1.0, "most": 100.0})
    seen = seen_by(kind, task, labels.numpy())
    by_class = torch.from_numpy(factors(drawn, seen.counts.numpy())).float()
    assert (by_class.max() if mode == "under" else by_class.min()) == 1
    p, q = kind.outputs(drawn, logits, seen), kind.outputs(task, logits, seen)
    torch.testing.assert_close(kind.decisions(drawn, logits, seen), q)
    if kind.kind == "multilabel":
        odds = q / (1 - q) * by_class[:, 0] / by_class[:, 1]
        torch.testing.assert_close(p / (1 - p), odds, rtol=1e-4, atol=1e-5)
    else:
        torch.testing.assert_close(p, F.normalize(q / by_class, p=1, dim=1))


def test_sampling_factors_follow_the_formula():
    def found(counts, **sampling):
        task = Task("t", "multiclass", ("a", "b", "c"), sampling={"most": 10.0, **sampling})
        return factors(task, np.array(counts)).round(6).tolist()

    assert found([400, 100, 25], mode="over", power=0.5) == [1, 2, 4]
    assert found([400, 100, 25], mode="over", power=1.0) == [1, 4, 10]
    assert found([400, 100, 25], mode="under", power=0.5) == [0.25, 0.5, 1]
    assert found([400, 100, 0], mode="over", power=1.0) == [1, 4, 1]
    assert found([400, 100, 25], mode="over", power=0.0) == [1, 1, 1]
    assert found([[900, 100], [975, 25], [999, 1]], mode="over", power=0.5) == [[1, 1], [1, 2], [1, 10]]
    assert found([[900, 100], [975, 25]], mode="under", power=1.0) == [[0.25, 0.25], [0.25, 1]]


@given(
    values=st.lists(st.one_of(st.none(), st.integers(-5, 5), st.floats(-1e6, 1e6)), min_size=3, max_size=12),
)
def test_numbers_survive_encoding_exactly(values):
    distinct = {v for v in values if v is not None}
    if len(distinct) < 2 or -1 in distinct:
        return
    column = pa.chunked_array([pa.array(values, pa.float64())])
    found = KINDS["regression"].encode("t", [LabelSource("d", {"y": column})], LabelOptions())
    names = KINDS["regression"].decode(found.task, found.labels["d"])
    assert [float(v) if v else None for v in names] == values
    assert found.task.scale[0] == pytest.approx(np.mean([v for v in values if v is not None]))

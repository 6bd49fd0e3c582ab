"""Every kind of task keeps the contract of TaskKind."""

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


def loss_of(kind, task, logits, labels, weights, class_weights=None):
    ones = torch.ones(task.n_outputs)
    return kind.loss(task, logits, labels, weights, ones if class_weights is None else class_weights)


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
    out = kind.outputs(task, logits).detach().numpy()
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
    out = kind.outputs(task, logits).detach()
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
    pos = torch.tensor([2.0, 0.5, 1.0])
    expected = F.binary_cross_entropy_with_logits(
        logits, labels.clamp(min=0).float(), weight=weights * mask, pos_weight=pos, reduction="sum"
    )
    expected = expected / (weights * mask).sum()
    torch.testing.assert_close(loss_of(KINDS["multilabel"], task, logits, labels, weights, pos), expected)


def test_the_loss_of_numbers_is_half_the_squared_error_in_standard_deviations():
    kind = KINDS["regression"]
    task = Task("t", "regression", scale=(10.0, 4.0))
    logits = torch.tensor([[0.5], [1.0]])
    labels = torch.tensor([18.0, float("nan")], dtype=torch.float64)
    loss = loss_of(kind, task, logits, labels, torch.ones(2))
    assert loss.item() == pytest.approx(0.5 * (0.5 - 2.0) ** 2)
    assert kind.outputs(task, logits)[:, 0].tolist() == [12.0, 14.0]


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_class_weights_are_scikit_learns_balanced_ones(name):
    kind = KINDS[name]
    task = encoded(kind).task
    labels = np.array([0] * 7 + [1] * 2 + [-1] * 4 + [len(task.classes) - 1] * 3)
    found = kind.class_weights(task, labels)
    present = np.unique(labels[labels >= 0])
    expected = compute_class_weight("balanced", classes=present, y=labels[labels >= 0])
    np.testing.assert_allclose(found[present], expected, rtol=1e-6)
    assert found[labels[labels >= 0]].mean() == pytest.approx(1.0)
    assert found.dtype == np.float32
    assert found.shape == (task.n_outputs,)


def test_class_weights_of_absent_classes_are_one():
    task = Task("t", "multiclass", ("a", "b", "c"))
    assert KINDS["multiclass"].class_weights(task, np.array([-1, -1])).tolist() == [1, 1, 1]
    assert KINDS["multiclass"].class_weights(task, np.array([0, 0, 2, 2, -1])).tolist() == [1, 1, 1]


def test_class_weights_of_label_sets_even_out_positive_and_negative():
    labels = np.array([[1, 1], [0, 0], [0, -1], [0, -1]], np.int8)
    found = KINDS["multilabel"].class_weights(Task("t", "multilabel", ("a", "b")), labels)
    assert found.tolist() == [3.0, 1.0]
    assert KINDS["regression"].class_weights(Task("t", "regression"), np.zeros(3)).tolist() == [1.0]


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

"""Any arrays at all: an answer that keeps the contract, or one clear line."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jointset.audit import find_label_errors
from jointset.errors import ArrayError

FLOATS = (np.float16, np.float32, np.float64)
KINDS = ("binary", "multiclass", "ordinal", "multilabel", "regression")
WHOLE = (np.int8, np.int16, np.int32, np.int64, *FLOATS)


def distributions(rng, n, k, dtype, sharp):
    z = np.exp(np.clip(sharp * rng.normal(size=(n, k)), -300, 300))
    return (z / z.sum(axis=1, keepdims=True)).astype(dtype)


def keeps_the_contract(found, labels, k):
    known = ~np.isnan(labels) if labels.dtype.kind == "f" else labels >= 0
    known &= labels != -1 if found.kind != "regression" else True
    for name in ("given", "is_error", "quality", "suggested", "confidence", "p_error", "advice"):
        assert getattr(found, name).shape == labels.shape, name
    np.testing.assert_array_equal(np.isfinite(found.quality), known)
    np.testing.assert_array_equal(np.isfinite(found.p_error), known)
    for values in (found.quality[known], found.p_error[known], found.confidence):
        assert ((values >= 0) & (values <= 1 + 1e-6)).all()
    assert found.is_error.dtype == bool and not found.is_error[~known].any()
    assert np.isfinite(found.suggested).all() and len(found.ranked()) == known.sum()
    assert not len(found.ranked()) or (np.diff(found.quality.ravel()[found.ranked()]) >= 0).all()
    assert np.isfinite(found.promised_precision) == found.is_error.any()
    posterior = np.asarray(found.posterior)
    assert np.isfinite(posterior).all() and (posterior >= 0).all() and (posterior <= 1 + 1e-6).all()
    if found.kind not in ("regression", "multilabel"):
        assert posterior.shape == (len(labels), k)
        np.testing.assert_allclose(posterior.sum(axis=1), 1, atol=1e-3)
        assert ((found.suggested >= 0) & (found.suggested < k)).all()
    if known.any():
        assert 0 <= found.noise_rate <= 1


@settings(max_examples=120)
@given(st.data())
def test_well_formed_arrays_are_answered(data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    kind, n = draw(st.sampled_from(KINDS)), draw(st.integers(0, 9) | st.integers(40, 120))
    k = 2 if kind == "binary" else draw(st.sampled_from([2, 3, 5, 70]))
    dtype, sharp, missing = (
        draw(st.sampled_from(FLOATS)),
        draw(st.floats(0, 40)),
        draw(st.sampled_from([0, 0.1, 0.6, 1])),
    )
    label_type = draw(st.sampled_from(WHOLE))
    shape: tuple[int, ...] = (n, min(k, 5)) if kind == "multilabel" else (n,)
    hidden = rng.random(shape) < missing
    extra = {}
    if kind == "regression":
        unit = draw(st.sampled_from([1e-2, 1.0, 1e3]))
        grid = draw(st.sampled_from([0.0, 0.5]))
        truth = unit * (np.round(rng.normal(size=n) / grid) * grid if grid else rng.normal(size=n))
        labels = np.where(hidden, np.nan, truth).astype(draw(st.sampled_from(FLOATS)))
        preds = truth + unit * sharp / 40 * rng.normal(size=n)
        columns = draw(st.sampled_from([0, 1, 2]))
        std = unit * rng.uniform(0.1, 1, n)
        preds = (preds, preds[:, None], np.stack([preds, std], axis=1))[columns].astype(dtype)
    else:
        top = 2 if kind == "multilabel" else draw(st.integers(1, k))
        gap = np.nan if issubclass(label_type, np.floating) and draw(st.booleans()) else -1
        if kind == "multilabel":
            preds = (1 / (1 + np.exp(-np.clip(sharp * rng.normal(size=shape), -300, 300)))).astype(dtype)
        else:
            preds = distributions(rng, n, k, dtype, sharp)
            extra["views"] = [
                distributions(rng, n, k, draw(st.sampled_from(FLOATS)), sharp)
                for _ in range(draw(st.integers(0, 2)))
            ]
            extra["margins"] = draw(st.sampled_from([None, rng.normal(size=n)]))
        best = (preds > 0.5) if kind == "multilabel" else preds.argmax(axis=1)
        follows = rng.random(shape) < draw(st.sampled_from([0.0, 0.9, 1.0]))  # else nothing is ever learnt
        codes = np.where(follows, np.minimum(best, top - 1), rng.integers(0, top, shape))
        labels = np.where(hidden, gap, codes).astype(label_type)
    extra["precision"] = draw(st.sampled_from([None, 0.5, 0.9, 1.0]))
    extra["fit_rows"] = draw(st.sampled_from([None, rng.random(n) < 0.5]))
    found = find_label_errors(labels, preds, kind=kind, **extra)
    assert found.kind == kind and len(found) == n
    keeps_the_contract(found, labels, k)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(0, 200), st.floats(0, 1), st.floats(0, 40))
def test_any_tasks_together_are_answered(seed, n, missing, sharp):
    rng = np.random.default_rng(seed)
    hidden = {t: rng.random(n) < missing for t in "abor"}
    labels = {"a": rng.integers(0, 3, n)}
    labels["b"] = (labels["a"] > 0).astype(int)
    labels["o"] = labels["a"] + rng.integers(0, 2, n)
    probs = {t: distributions(rng, n, k, np.float32, sharp) for t, k in (("a", 3), ("b", 2), ("o", 4))}
    for t in "abo":
        probs[t] = (probs[t] + np.eye(probs[t].shape[1], dtype=np.float32)[labels[t]]) / 2
    labels = {t: np.where(rng.random(n) < 0.1, v.max(initial=0) - v, v) for t, v in labels.items()}
    labels = {t: np.where(hidden[t], -1, v) for t, v in labels.items()}
    labels["m"] = rng.integers(-1, 2, (n, 3))
    probs["m"] = rng.random((n, 3))
    labels["r"], probs["r"] = np.where(hidden["r"], np.nan, rng.normal(size=n)), rng.normal(size=n)
    found = find_label_errors(labels, probs, kind={"o": "ordinal", "r": "regression"})
    for task, k in (("a", 3), ("b", 2), ("o", 4), ("m", 2), ("r", 0)):
        keeps_the_contract(found[task], labels[task], k)


ANYTHING = st.one_of(
    hnp.arrays(
        st.sampled_from(["i1", "i8", "u8", "f2", "f4", "f8", "?", "c8", "U2", "O"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements=None,
        fill=st.nothing(),
    ),
    hnp.arrays("f8", st.tuples(st.integers(0, 4), st.integers(0, 3)), elements=st.sampled_from(
        [0.0, 0.5, 1.0, -1.0, 2.0, np.nan, np.inf, 1e30, -1e-4]
    )),
    hnp.arrays("f8", st.integers(0, 4), elements=st.sampled_from([0.0, 1.0, -1.0, 0.5, np.nan, 1e300])),
    st.lists(st.lists(st.floats(0, 1), max_size=3), max_size=4),
    st.none(),
)  # fmt: skip


@settings(max_examples=400)
@given(ANYTHING, ANYTHING, st.sampled_from([None, *KINDS]), st.none() | ANYTHING, st.none() | ANYTHING)
def test_anything_at_all_is_answered_or_refused_in_one_line(labels, probs, kind, view, margin):
    try:
        found = find_label_errors(
            labels, probs, kind=kind, views=() if view is None else [view], margins=margin
        )
    except ArrayError as error:
        assert "\n" not in str(error) and len(str(error)) < 300
    else:
        assert len(found) == len(np.asarray(labels)) and found.is_error.shape == np.asarray(labels).shape


@settings(max_examples=150)
@given(st.data())
def test_one_bad_cell_is_refused(data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    n, k = draw(st.integers(1, 30)), draw(st.integers(2, 5))
    labels, probs = rng.integers(-1, k, n), distributions(rng, n, k, np.float64, 1.0)
    row = draw(st.integers(0, n - 1))
    fault = draw(st.sampled_from(["nan", "inf", "negative", "sum", "high", "low", "half"]))
    labels = labels.astype(float)
    if fault in ("high", "low", "half"):
        labels[row] = {"high": k, "low": -2, "half": 0.5}[fault]
    else:
        column = draw(st.integers(0, k - 1))
        probs[row, column] += {"nan": np.nan, "inf": np.inf, "negative": -2.0, "sum": 0.05}[fault]
    try:
        find_label_errors(labels, probs)
    except ArrayError as error:
        said = str(error)
    assert "\n" not in said
    words = {"nan": "NaN or infinity", "inf": "NaN or infinity", "high": f"label {k}", "low": "label -2"}
    assert words.get(fault, "whole numbers" if fault == "half" else "probabilities must") in said
    if fault in ("nan", "inf") or (fault == "sum" and "sum to one" in said):
        assert f"row {row}" in said

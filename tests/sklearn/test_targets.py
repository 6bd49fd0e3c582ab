"""Several targets, gaps in labels, frames, and what a mistake says."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jointset.errors import ArrayError, ConfigError
from jointset.sklearn import JointClassifier, JointRegressor
from jointset.sklearn.targets import known

FAST = {"width": 16, "epochs": 30, "learning_rate": 0.02, "random_state": 0}
FAST["encoders"] = {"tabular": {"hidden": 16}}


def blobs(n=150, seed=0):
    """Points of three classes in two dimensions, and the class's side."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return rng.normal(0, 0.6, (n, 2)) + np.array([[0, 0], [3, 0], [0, 3]])[y], y


def test_tasks_of_columns_with_gaps():
    X, y = blobs()
    targets = pd.DataFrame({"shape": np.array(["o", "x", "z"], object)[y], "side": (y == 0).astype(float)})
    targets.loc[::2, "shape"] = None
    targets.loc[1::2, "side"] = np.nan
    model = JointClassifier(**FAST).fit(X, targets)
    assert model.task_names_ == ["shape", "side"]
    assert [list(c) for c in model.classes_] == [["o", "x", "z"], [0.0, 1.0]]
    found, (shape, side) = model.predict(X), model.predict_proba(X)
    assert found.shape == (150, 2) and shape.shape == (150, 3) and side.shape == (150, 2)
    assert np.mean(found[:, 0] == np.array(["o", "x", "z"])[y]) > 0.9
    assert np.mean(found[:, 1].astype(float) == (y == 0)) > 0.9
    assert model.score(X, targets) > 0.9
    assert np.allclose(shape.sum(1), 1.0, atol=1e-6)


def test_a_gap_teaches_nothing():
    X, y = blobs()
    gaps, rest = np.arange(150) % 3 == 0, np.arange(150) % 3 != 0
    minus, other = y.copy(), y.astype(object)
    minus[gaps], other[gaps] = -1, None
    one, two = (JointClassifier(**FAST, missing=m).fit(X, t) for m, t in ((-1, minus), (None, other)))
    assert one.classes_.tolist() == two.classes_.tolist() == [0, 1, 2]
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))
    weighted = JointClassifier(**FAST).fit(X, y, sample_weight=rest.astype(float))
    assert np.array_equal(weighted.predict_proba(X), one.predict_proba(X))


def test_numbers_with_gaps():
    X, _ = blobs()
    y = np.stack([X.sum(1), X[:, 0] - X[:, 1]], 1)
    given = y.copy()
    given[::2, 0], given[1::3, 1] = np.nan, np.nan
    model = JointRegressor(**FAST).fit(X, given)
    assert model.predict(X).shape == (150, 2)
    assert model.score(X, y) > 0.9 and model.score(X, given) > 0.9


def test_which_labels_are_there():
    assert known(np.array([1, -1, 2]), -1).tolist() == [True, False, True]
    assert known(np.array(["a", None, "?", ""], object), ["?", ""]).tolist() == [True, False, False, False]
    assert known(np.array([0.0, np.nan]), None).tolist() == [True, False]


def test_a_frame_of_numbers_categories_and_texts():
    X, y = blobs()
    frame = pd.DataFrame(X, columns=["a", "b"])
    frame["job"] = np.array(["clerk", "nurse", None], object)[y]
    frame["note"] = np.array(["calm quiet", "loud wild", "rare fast"], object)[y]
    frame.loc[::7, "a"] = np.nan
    plain = JointClassifier(**FAST).fit(frame[["a", "b", "job"]], y)
    assert plain.feature_names_in_.tolist() == ["a", "b", "job"] and plain.n_features_in_ == 3
    assert plain.score(frame[["a", "b", "job"]], y) > 0.9
    settings = {**FAST, "encoders": {"text": {"bits": 8}}, "inputs": {"text": "note", "tabular": ["a"]}}
    both = JointClassifier(**settings).fit(frame, y)
    assert set(both.states_) == {"text", "tabular"} and both.score(frame, y) > 0.9
    with pytest.raises(ValueError, match="feature names"):
        both.predict(frame.rename(columns={"a": "c"}))


def test_in_a_pipeline_a_search_and_a_pickle():
    X, y = load_wine(return_X_y=True)
    pipe = make_pipeline(StandardScaler(), JointClassifier(**FAST))
    assert cross_val_score(pipe, X, y, cv=3).mean() > 0.9
    search = GridSearchCV(pipe, {"jointclassifier__sharing": ["hard", "mmoe"]}, cv=2).fit(X, y)
    assert search.best_params_["jointclassifier__sharing"] in ("hard", "mmoe")
    again = pickle.loads(pickle.dumps(search.best_estimator_))  # noqa: S301 its own
    assert np.array_equal(again.predict_proba(X), search.predict_proba(X))
    copy = clone(search.best_estimator_[-1])
    assert not hasattr(copy, "model_") and copy.get_params() == search.best_estimator_[-1].get_params()


def test_it_learns_what_linear_models_learn():
    X, y = load_diabetes(return_X_y=True)
    train, test, y_train, y_test = train_test_split(X, y, random_state=0)
    assert JointRegressor(random_state=0, learning_rate=0.005).fit(train, y_train).score(test, y_test) > 0.3


def test_the_global_generators_are_left_alone():
    import torch

    X, y = blobs(60)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    JointClassifier(**FAST).fit(X, y).predict(X)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_mistakes_are_one_line():
    X, y = blobs(60)
    model = JointClassifier(**FAST)
    with pytest.raises(ArrayError, match=r"task 'y': one class, np.int64\(1\), in 60 labels"):
        model.fit(X, np.ones(60, int))
    with pytest.raises(ArrayError, match="task 'y1': 1 labels are there"):
        model.fit(X, np.stack([y, np.where(np.arange(60) == 3, 1.0, np.nan)], 1))
    with pytest.raises(ArrayError, match="labels are text and numbers"):
        model.fit(X, np.array([1, "a"] * 30, object))
    with pytest.raises(ArrayError, match="take JointClassifier"):
        JointRegressor(**FAST).fit(X, np.array(["a", "b"] * 30))
    with pytest.raises(
        ArrayError, match=r"inputs\['text'\]: X has no column 'noet' \(did you mean 'note'\?\)"
    ):
        JointClassifier(**FAST, inputs={"text": "noet"}).fit(pd.DataFrame({"note": ["a"] * 60}), y)
    with pytest.raises(ArrayError, match="give a pandas frame"):
        JointClassifier(**FAST, inputs={"text": "note"}).fit(X, y)
    with pytest.raises(ConfigError, match=r"'hrad' is unknown \(did you mean 'hard'\?\)"):
        JointClassifier(**{**FAST, "sharing": "hrad"}).fit(X, y)


def test_real_tables(real_table):
    adult = real_table("adult").sample(3000, random_state=0)
    targets = adult[["income", "sex"]].astype(object)
    targets.iloc[::2, 0], targets.iloc[1::2, 1] = None, None
    X = adult.drop(columns=["income", "sex", "split"])
    settings = {"random_state": 0, "epochs": 10, "learning_rate": 0.005}
    model = JointClassifier(**settings).fit(X[:2000], targets[:2000])
    rest = adult[["income", "sex"]][2000:]
    shares = [rest[c].value_counts(normalize=True).max() for c in rest]
    found = model.predict(X[2000:])
    assert np.mean(found[:, 0] == rest["income"]) > shares[0] + 0.03
    assert np.mean(found[:, 1] == rest["sex"]) > shares[1] + 0.05

    wine = real_table("wine").sample(2000, random_state=0)
    numbers = wine[["quality", "alcohol"]].astype(float)
    regressor = JointRegressor(**settings).fit(
        wine.drop(columns=["quality", "alcohol"])[:1500], numbers[:1500]
    )
    assert regressor.score(wine.drop(columns=["quality", "alcohol"])[1500:], numbers[1500:]) > 0.4


@pytest.fixture
def real_table():
    import os
    from pathlib import Path

    root = Path(os.environ.get("JOINTSET_DATA", Path(__file__).parents[3] / "shared" / "data"))

    def read(name):
        path = root / name / f"{name}.parquet"
        if not path.is_file():
            pytest.skip(f"no {path.name}: name the folder of the data with JOINTSET_DATA")
        return pd.read_parquet(path)

    return read

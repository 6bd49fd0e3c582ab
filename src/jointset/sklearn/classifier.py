"""A classifier of one or several targets, some of whose labels may be unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from jointset.errors import ArrayError
from jointset.records import Bools, Task
from jointset.sklearn import targets
from jointset.sklearn.base import JointEstimator


class JointClassifier(ClassifierMixin, JointEstimator):
    """One joint model for one or several class labels of a row, of which any may be unknown.

    It trains as ``jointset run`` does, with nothing audited or repaired: encoders, a way of sharing, a head a task,
    missing labels masked, early stopping on rows of its own.

    Parameters
    ----------
    sharing : way of sharing, or a mapping of ``method`` and its options.
    weighting : how task losses are weighed, or a mapping of ``method`` and its options.
    width, depth, dropout : of the structure between encoders and heads; the usual depth is that of the way of sharing.
    epochs : at most.
    batch_size : rows a step; ``None``: a power of two near a 64th of the rows.
    learning_rate, weight_decay, mixup : of training.
    patience : epochs without progress after which training stops.
    validation_fraction : share of rows that early stopping watches; where they are fewer than 10, all epochs are run.
    inputs : for a pandas frame, modality → column or columns, for example ``{"text": "body", "tabular": ["age"]}``; by
        default all columns are one table.
    encoders : modality → options, with ``encoder`` for its name; see ``docs/modalities.md``.
    missing : a label, or a list of them, that stands for unknown, such as -1; None and NaN always do.
    random_state : seed.

    Attributes
    ----------
    classes_ : class labels ``(K,)``, or a list of them by task where y has columns.
    task_names_, n_features_in_, feature_names_in_ : what fit was given; names of columns where X was a frame.
    model_ : the joint model; n_iter_ : the epochs it is from; validation_score_ : its mean skill on the rows held out.

    Raises :class:`ArrayError`, a ValueError, for labels that cannot be learnt.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(120, 2))
    >>> y = np.stack([X[:, 0] > 0, X.sum(1) > 0], 1).astype(float)
    >>> y[::3, 0] = np.nan
    >>> model = JointClassifier(random_state=0, epochs=20, learning_rate=0.01).fit(X, y)
    >>> model.predict(np.array([[2.0, 2.0], [-2.0, -2.0]])).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest classes, ``(n,)``, or ``(n, tasks)``."""
        found = self._outputs(X)
        classes = [self.classes_] if self._flat else self.classes_
        named = [c[found[t].argmax(1)] for t, c in zip(self.task_names_, classes, strict=True)]
        if self._flat:
            return named[0]
        mixed = len({n.dtype.kind for n in named}) > 1  # text and numbers side by side stay what they are
        return np.stack([n.astype(object) for n in named] if mixed else named, 1)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities ``(n, K)``, or a list of them by task."""
        made = self._outputs(X)
        found = [made[t].astype(np.float64) for t in self.task_names_]
        return found[0] if self._flat else found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on the labels that are known, the mean over tasks."""
        given, _ = targets.columns(y, type(self).__name__)
        named = self.predict(X).reshape(-1, len(self.task_names_))
        weight = np.ones(len(named)) if sample_weight is None else np.asarray(sample_weight, float)
        scores = []
        for values, found in zip(given.values(), named.T, strict=True):
            there = targets.known(values, self.missing)
            scores.append(np.average((values == found)[there], weights=weight[there]))
        return float(np.mean(scores))

    def _encoded(
        self, given: Mapping[str, NDArray[Any]], there: Mapping[str, Bools]
    ) -> tuple[tuple[Task, ...], dict[str, NDArray[Any]]]:
        tasks, labels, classes = [], {}, []
        for name, values in given.items():
            seen = _plain(values[there[name]], name)
            own, codes = np.unique(seen, return_inverse=True)
            if len(own) < 2:
                raise ArrayError(
                    f"task {name!r}: one class, {own[0]!r}, in {len(seen)} labels; two are needed"
                )
            found = np.full(len(values), -1, np.int64)
            found[there[name]] = codes
            kind = "binary" if len(own) == 2 else "multiclass"
            tasks.append(Task(name, kind, tuple(map(str, own)), metric="accuracy"))  # type: ignore[arg-type]
            labels[name] = found
            classes.append(own)
        self.classes_ = classes[0] if self._flat else classes
        return tuple(tasks), labels


def _plain(values: NDArray[Any], task: str) -> NDArray[Any]:
    """Labels that are there, of one type; raises for numbers that are no classes."""
    if values.dtype.kind == "O":
        kinds = {isinstance(v, str) for v in values}
        if len(kinds) > 1:
            raise ArrayError(f"task {task!r}: labels are text and numbers; make them one of these")
        values = np.array(values.tolist())
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ArrayError(f"task {task!r}: Input y contains infinity; remove or blank those labels")
    check_classification_targets(values)
    return values

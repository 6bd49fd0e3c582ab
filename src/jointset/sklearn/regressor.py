"""A regressor of one or several numbers, some of which may be unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Task
from jointset.sklearn import targets
from jointset.sklearn.base import JointEstimator


class JointRegressor(RegressorMixin, JointEstimator):
    """One joint model for one or several numbers of a row, of which any may be unknown.

    Parameters and attributes are those of :class:`~jointset.sklearn.JointClassifier`, without ``classes_``.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = X.sum(1)
    >>> y[::4] = np.nan
    >>> model = JointRegressor(random_state=0, epochs=30, learning_rate=0.01).fit(X, y)
    >>> bool(model.score(X, X.sum(1)) > 0.9)
    True
    """

    def predict(self, X: Any) -> Floats:
        """Numbers, ``(n,)``, or ``(n, tasks)``."""
        found = self._outputs(X)
        numbers = [found[t][:, 0].astype(np.float64) for t in self.task_names_]
        return numbers[0] if self._flat else np.stack(numbers, 1)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² on the numbers that are known, the mean over tasks."""
        given, _ = targets.columns(y, type(self).__name__)
        found = self.predict(X).reshape(-1, len(self.task_names_))
        weight = None if sample_weight is None else np.asarray(sample_weight, float)
        scores = []
        for values, own in zip(given.values(), found.T, strict=True):
            there = targets.known(values, self.missing)
            used = None if weight is None else weight[there]
            scores.append(r2_score(values[there].astype(float), own[there], sample_weight=used))
        return float(np.mean(scores))

    def _encoded(
        self, given: Mapping[str, NDArray[Any]], there: Mapping[str, Bools]
    ) -> tuple[tuple[Task, ...], dict[str, NDArray[Any]]]:
        tasks, labels = [], {}
        for name, values in given.items():
            try:
                seen = values[there[name]].astype(np.float64)
            except (TypeError, ValueError) as error:
                raise ArrayError(
                    f"task {name!r}: labels are no numbers ({error}); take JointClassifier"
                ) from None
            if not np.isfinite(seen).all():
                raise ArrayError(f"task {name!r}: Input y contains infinity; remove or blank those labels")
            found = np.full(len(values), np.nan)
            found[there[name]] = seen
            tasks.append(
                Task(name, "regression", scale=(float(seen.mean()), float(seen.std()) or 1.0), metric="r2")
            )
            labels[name] = found
        return tuple(tasks), labels

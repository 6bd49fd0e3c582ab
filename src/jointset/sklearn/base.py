"""What both estimators do: X and y in, one joint model trained, outputs by task out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from jointset.errors import ArrayError
from jointset.records import Bools, Floats, Ints, Task
from jointset.sklearn import rows, targets

if TYPE_CHECKING:
    from jointset.models.inputs import Inputs

LEAST_HELD_OUT = 10  # rows; fewer say too little of when to stop


class JointEstimator(BaseEstimator):
    """Base of the estimators; see :class:`JointClassifier` for the parameters."""

    def __init__(
        self,
        *,
        sharing: str | Mapping[str, Any] = "hard",
        weighting: str | Mapping[str, Any] = "fixed",
        width: int = 128,
        depth: int | None = None,
        dropout: float = 0.1,
        epochs: int = 40,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        mixup: float = 1.0,
        patience: int = 3,
        validation_fraction: float = 0.15,
        inputs: Mapping[str, Any] | None = None,
        encoders: Mapping[str, Mapping[str, Any]] | None = None,
        missing: Any = None,
        random_state: Any = None,
    ) -> None:
        self.sharing = sharing
        self.weighting = weighting
        self.width = width
        self.depth = depth
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.mixup = mixup
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.inputs = inputs
        self.encoders = encoders
        self.missing = missing
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train the joint model.

        Parameters
        ----------
        X : ``(n, d)`` numbers, NaN where unknown, or a pandas frame.
        y : ``(n,)``, or ``(n, tasks)``; None, NaN and ``missing`` are labels that nobody knows.
        sample_weight : ``(n,)``, of a row in every task's loss; 0 takes the row out.
        """
        given, flat = targets.columns(y, type(self).__name__)
        tables = rows.tables(self, X, self.inputs, reset=True)
        n = next(iter(tables.values())).num_rows
        check_consistent_length(range(n), *given.values())
        weight = np.ones(n) if sample_weight is None else _check_sample_weight(sample_weight, range(n))
        if not (weight > 0).any():
            raise ArrayError("sample_weight: all weights are zero, so there is nothing to train on")
        there = {t: targets.known(values, self.missing) & (weight > 0) for t, values in given.items()}
        for task, found in there.items():
            targets.some(found, task)
        self._flat = flat
        self.task_names_ = list(given)
        tasks, labels = self._encoded(given, there)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        held = self._held_out(labels, np.any(list(there.values()), axis=0), seed)
        self._train(tables, tasks, labels, weight, held, seed)
        return self

    def _encoded(
        self, given: Mapping[str, NDArray[Any]], there: Mapping[str, Bools]
    ) -> tuple[tuple[Task, ...], dict[str, NDArray[Any]]]:
        """Tasks, and their labels in the form of :mod:`jointset.records`."""
        raise NotImplementedError

    def _held_out(self, labels: Mapping[str, NDArray[Any]], usable: Bools, seed: int) -> Bools:
        """Rows that early stopping watches, ``(n,)``; every class keeps half of its rows, rounded up, for training."""
        held = np.zeros(len(usable), bool)
        drawn = np.random.default_rng([seed, 5]).permutation(np.flatnonzero(usable))
        held[drawn[: int(len(drawn) * self.validation_fraction)]] = True
        for y in labels.values():
            for code in np.unique(y[y >= 0]) if y.dtype.kind == "i" else ():
                own = np.flatnonzero(y == code)
                chosen = own[held[own]]
                held[chosen[len(own) // 2 :]] = False
        return held if held.sum() >= LEAST_HELD_OUT else np.zeros_like(held)

    def _train(
        self,
        tables: Mapping[str, Any],
        tasks: tuple[Task, ...],
        labels: Mapping[str, NDArray[Any]],
        weight: Floats,
        held: Bools,
        seed: int,
    ) -> None:
        from jointset.models.encoders import make_encoders
        from jointset.models.inputs import prepare_table
        from jointset.models.sharing import check_sharing, usual_depth
        from jointset.training.loop import fit
        from jointset.training.problem import ModelPlan, Problem
        from jointset.training.settings import TrainSettings

        options = {m: dict((self.encoders or {}).get(m, {})) for m in tables}
        encoders = make_encoders({m: (o.pop("encoder", "default"), o) for m, o in options.items()})
        sharing = {"method": self.sharing} if isinstance(self.sharing, str) else dict(self.sharing)
        method = sharing.pop("method", "hard")
        checked = check_sharing(method, sharing)
        depth = (
            usual_depth(method, all(e.linear for e in encoders.values()))
            if self.depth is None
            else self.depth
        )
        train = np.flatnonzero(~held)
        self.encoders_ = encoders
        self.states_ = {m: encoders[m].fit([t.take(train)]) for m, t in tables.items()}
        problem = Problem(
            tasks,
            prepare_table(tables, encoders, self.states_),
            labels,
            {t.name: _spread(weight, labels[t.name]) for t in tasks},
            np.zeros(len(held), np.int64),
            ModelPlan(method, self.width, depth, self.dropout, options=checked),
        )
        settings = TrainSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            weighting=self.weighting,
            mixup=self.mixup,
        )
        found = fit(problem, problem.trained_on(~held), self._watched(problem, held), settings, seed=seed)
        self.model_, self.n_iter_, self.validation_score_ = found.model, max(found.epochs, 1), found.skill

    @staticmethod
    def _watched(problem: Any, held: Bools) -> Ints:
        return np.flatnonzero(problem.usable() & held)

    def _outputs(self, X: Any) -> dict[str, Floats]:
        """Outputs by task, ``(n, K)``, in the form of :mod:`jointset.records`."""
        check_is_fitted(self)
        from jointset.training.evaluate import predict

        inputs = self._prepared(X)
        n = len(next(iter(inputs.row.values())))
        return predict(self.model_, inputs, np.arange(n))[0]

    def _prepared(self, X: Any) -> Inputs:
        from jointset.models.inputs import prepare_table

        return prepare_table(rows.tables(self, X, self.inputs, reset=False), self.encoders_, self.states_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags


def _spread(weight: Floats, labels: NDArray[Any]) -> Floats:
    """Weights in the shape of the labels."""
    return weight.astype(np.float32) if labels.ndim == 1 else np.repeat(weight[:, None], labels.shape[1], 1)

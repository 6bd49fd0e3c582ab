"""Bayesian search."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from jointset.errors import MissingExtra
from jointset.records import Floats
from jointset.search.base import Search, Trial
from jointset.search.simplex import from_cube, star, to_cube

PROCESS_TRIALS = 100  # a Gaussian process is fitted anew for every trial, at a cost that grows with the cube
PROCESS_FRONT = 3  # tasks; the hypervolume of more takes seconds a proposal
START = 0.5  # of the budget at most goes to the star


class Bayes(Search):
    """Optuna's samplers over log-weights (Snoek, Larochelle & Adams 2012), after a start in every direction.

    The K log-weights of mean-1 weights have K − 1 degrees of freedom: the isometric log-ratio coordinates of
    :mod:`jointset.search.simplex`, stretched to a cube around equal weights. Equal weights and then each task in
    turn at ``sqrt(span)`` times the others come first, for at most half the budget. Then a Gaussian process with
    expected improvement proposes, up to a budget of 100; beyond it, and for a front over more than three tasks, the
    tree-structured Parzen estimator (Bergstra et al. 2011). A pruned trial counts with the best score that it reached.

    Raises :class:`~jointset.errors.MissingExtra` without optuna.
    """

    def __init__(
        self, tasks: Sequence[str], budget: int, *, span: float = 10.0, seed: int = 0, front: bool = False
    ) -> None:
        super().__init__(tasks, budget, span=span, seed=seed, front=front)
        try:
            import optuna  # noqa: F401
        except ImportError:
            raise MissingExtra("optuna", "search", "training.weighting.search: bayes") from None

    def _next(self, trials: Sequence[Trial]) -> Floats:
        k, number = len(self.tasks), len(trials)
        if number <= min(k, math.floor(START * self.budget) - 1):
            return star(k, math.sqrt(self.span))[number - 1]
        return from_cube(self._asked(trials), self.span)

    def _asked(self, trials: Sequence[Trial]) -> Floats:
        import optuna

        told = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return self._ask(optuna, trials)
        finally:
            optuna.logging.set_verbosity(told)

    def _ask(self, optuna: Any, trials: Sequence[Trial]) -> Floats:
        names = [f"u{i}" for i in range(len(self.tasks) - 1)]
        space = {n: optuna.distributions.FloatDistribution(-1.0, 1.0) for n in names}
        values = [self._values(t) for t in trials]
        study = optuna.create_study(
            sampler=self._sampler(optuna, len(trials), len(values[0])),
            directions=["maximize"] * len(values[0]),
        )
        for trial, value in zip(trials, values, strict=True):
            point = to_cube(np.array([trial.weights[t] for t in self.tasks]), self.span).clip(-1.0, 1.0)
            params = dict(zip(names, point.tolist(), strict=True))
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, values=value))
        asked = study.ask(space)
        return np.array([asked.params[n] for n in names])

    def _sampler(self, optuna: Any, number: int, objectives: int) -> Any:
        """A new sampler for every proposal, so that the proposal depends on nothing but the trials."""
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0] % 2**30)
        if self.budget <= PROCESS_TRIALS and objectives <= PROCESS_FRONT:
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=2)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, self.budget // 3))

    def _values(self, trial: Trial) -> list[float]:
        return [s for s in trial.scores.values() if np.isfinite(s)] if self.front else [trial.score]

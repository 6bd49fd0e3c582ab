"""Bayesian search of strengths."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from jointset.augment.search.base import PolicySearch, PolicyTrial, Space
from jointset.errors import MissingExtra
from jointset.records import Floats

START = 3  # random points before anything is modelled


class Bayes(PolicySearch):
    """A Gaussian process with expected improvement over strengths, task by task (Snoek, Larochelle & Adams 2012).

    Raises :class:`~jointset.errors.MissingExtra` without optuna.
    """

    def __init__(self, space: Space, budget: int, *, seed: int = 0) -> None:
        super().__init__(space, budget, seed=seed)
        try:
            import optuna  # noqa: F401
        except ImportError:
            raise MissingExtra("optuna", "search", "augment.search: bayes") from None

    def _next(self, trials: Sequence[PolicyTrial]) -> tuple[Floats, int] | None:
        import optuna

        names = [f"u{i}" for i in range(self.space.size)]
        within: dict[str, Any] = {n: optuna.distributions.FloatDistribution(0.0, 1.0) for n in names}
        told = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                seed = int(self.rng(len(trials)).integers(2**30))
                sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=START)
                study = optuna.create_study(sampler=sampler, direction="maximize")
                for t in trials:
                    params = dict(zip(names, t.point, strict=True))
                    study.add_trial(
                        optuna.trial.create_trial(params=params, distributions=within, value=t.score)
                    )
                asked = study.ask(within)
        finally:
            optuna.logging.set_verbosity(told)
        return np.array([asked.params[n] for n in names]), -1

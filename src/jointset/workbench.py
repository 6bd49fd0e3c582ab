"""What the stages of a run work on: set up once, and never changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from jointset import leaked
from jointset.data import Overlay, apply
from jointset.leaked import Leaked
from jointset.models.encoders import ENCODERS, make_encoders
from jointset.models.encoders.base import Encoder
from jointset.models.grouped import TaskGroup
from jointset.models.inputs import Inputs, prepare_inputs
from jointset.models.sharing import SHARINGS, check_sharing, usual_depth
from jointset.models.sharing.backbone import Adapted
from jointset.models.taps import find_stages
from jointset.prepare import Work
from jointset.records import TRAIN, Edits
from jointset.rundir import RunDirectory
from jointset.training.added import extended
from jointset.training.augmented import Augmentation
from jointset.training.problem import ModelPlan, Problem
from jointset.training.settings import TrainSettings
from jointset.training.threads import threads as threads_for
from jointset.weighting import make_weighting

Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Bench:
    """What every stage needs and none changes: the run's folder, the work, prepared inputs, and where news goes.

    ``groups`` are those that the run found out, in the place of the configuration's; ``leaked`` the held-out rows that
    the audit found among the training rows; ``copies`` are groups of tasks that say the same.
    """

    run: RunDirectory
    work: Work
    inputs: Inputs
    emit: Emit
    augmentation: Augmentation | None = None
    groups: tuple[TaskGroup, ...] = ()
    leaked: Leaked | None = None
    copies: tuple[tuple[str, ...], ...] = ()

    @property
    def start(self) -> str:
        """The name of the training that the first round starts from."""
        return "round-00-apart" if self.groups else "round-00"

    def problem(self, overlay: Overlay) -> Problem:
        """The joint training problem under the edits of ``overlay``."""
        problem = Problem(
            tasks=self.work.tasks,
            inputs=self.inputs,
            labels=overlay.labels,
            weights=overlay.weights,
            dataset_of=self.work.pool.dataset_of,
            plan=self.plan,
            auxiliary_weight=self.work.config.model.auxiliary_weight,
            augmentation=self.augmentation,
        )
        settings = self.work.config.augment
        return extended(problem, self.work.pool, overlay.added, fill=settings.fill, guard=settings.guard)

    @property
    def plan(self) -> ModelPlan:
        """How the joint model is built; a mistake in it raises ConfigError."""
        model, tasks = self.work.config.model, self.work.config.tasks
        stated = tuple(TaskGroup(tuple(g.tasks), tuple(g.along)) for g in model.groups)
        found = partial(find_stages, encoders=self.inputs.encoders, states=self.inputs.states)
        return ModelPlan(
            model.sharing.method,
            model.width,
            self.depth,
            model.dropout,
            model.modality_dropout,
            model.joint_inference,
            options=check_sharing(model.sharing.method, model.sharing.options()),
            taps={n: found(f"tasks.{n}.depth", t.depth) for n, t in tasks.items() if t.depth is not None},
            auxiliary={
                n: tuple(s for given in t.auxiliary for s in found(f"tasks.{n}.auxiliary", given))
                for n, t in tasks.items()
                if t.auxiliary
            },
            groups=self.groups or stated,
        )

    @property
    def depth(self) -> int:
        """Layers of the trunk: as configured, else as usual."""
        model = self.work.config.model
        if model.depth is not None:
            return model.depth
        return usual_depth(model.sharing.method, all(e.linear for e in self.inputs.encoders.values()))

    @property
    def joint(self) -> bool:
        """Whether tasks read a row's labels of other tasks."""
        return self.work.config.model.joint_inference != "none"

    @property
    def settings(self) -> TrainSettings:
        """Training settings out of the configuration; searched weights are those of the tasks, hence fixed."""
        training = self.work.config.training
        method, options = training.weighting_and_options()
        same = {n: getattr(training, n) for n in TrainSettings.__dataclass_fields__ if n != "weighting"}
        return TrainSettings(weighting={"method": method, **options}, **same)


def set_up(run: RunDirectory, work: Work, emit: Emit) -> Bench:
    """Prepare the inputs of all rows, through the run's cache."""
    check_methods(work)
    bench = Bench(run, work, prepared(run, work), emit, leaked=leaked.read(run))
    _ = bench.plan  # a stage that is not there is told before anything is trained
    return bench


def check_methods(work: Work) -> None:
    """Raise ConfigError for a way of sharing, an encoder or a weighting that is not there, or for its options."""
    sharing, encoders = work.config.model.sharing, _encoders(work)
    check_sharing(sharing.method, sharing.options())
    method, has = (
        SHARINGS[sharing.method],
        [m for m in ENCODERS if any(m in d.inputs for d in work.pool.datasets)],
    )
    if issubclass(method, Adapted) and not any(encoders[m].backbone for m in has):
        raise method.unfit(has)
    make_weighting(*work.config.training.weighting_and_options(), [t.name for t in work.tasks])


def prepared(run: RunDirectory, work: Work) -> Inputs:
    """The inputs of all rows, as the configured encoders read them, through the run's cache."""
    return prepare_inputs(work.pool, _encoders(work), run.data / "inputs")


def _encoders(work: Work) -> dict[str, Encoder]:
    options = {m: getattr(work.config.model, m) for m in ENCODERS}
    return make_encoders({m: (s.encoder, s.options()) for m, s in options.items()})


def threads(bench: Bench) -> AbstractContextManager[int]:
    """As many threads as the configuration asks for, or as the model is worth."""
    problem = bench.problem(apply(bench.work.given, Edits.empty(), bench.work.by_name, bench.work.pool))
    rows = int((bench.work.pool.split == TRAIN).sum())
    return threads_for(problem, bench.work.config.training.threads, bench.settings.batch(rows))

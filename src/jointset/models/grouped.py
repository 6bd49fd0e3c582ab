"""A joint model made of several: each group of tasks has encoders, trunk and heads of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from jointset.models.encoders.base import Encoder, State
from jointset.models.inputs import Batch
from jointset.models.joint import JointModel, Trunk
from jointset.models.sharing import Part
from jointset.records import Task
from jointset.tasks.head import Head


@dataclass(frozen=True)
class TaskGroup:
    """Tasks of one model: it ``serves`` predictions of some, and others are trained ``along`` to help them.

    >>> TaskGroup(("a",), ("b",)).trained
    ('a', 'b')
    """

    serves: tuple[str, ...]
    along: tuple[str, ...] = ()

    @property
    def trained(self) -> tuple[str, ...]:
        """All tasks of the model."""
        return (*self.serves, *self.along)


@dataclass(frozen=True)
class Trunks(Trunk):
    """The trunks of the members, one after the other."""

    members: tuple[Trunk, ...] = ()


class GroupedModel(JointModel):
    """Joint models side by side; a task's output is that of the member that serves it.

    Nothing is shared between members, so that a task that others would harm has a model of its own and may still
    help them ("along"). The joint embedding is that of the first member, which should be the largest group's.

    Parameters
    ----------
    tasks : all tasks, in their order.
    members : a joint model for each of ``groups``, over the tasks that the group trains.
    """

    def __init__(
        self, tasks: Sequence[Task], members: Sequence[JointModel], groups: Sequence[TaskGroup]
    ) -> None:
        nn.Module.__init__(self)
        self.tasks = tuple(tasks)
        self.width = members[0].width
        self.others = None
        self.members: Any = nn.ModuleList(members)
        self.groups = tuple(groups)

    def trunk(
        self,
        batch: Batch,
        n: int,
        mix: Callable[[Tensor], Tensor] | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> Trunks:
        """See :meth:`JointModel.trunk`."""
        found = tuple(m.trunk(batch, n, mix, present) for m in self.members)
        return Trunks(tuple(x for t in found for x in t.tensors), {}, found)

    def outputs(self, trunk: Trunk) -> tuple[dict[str, Tensor], Tensor]:
        """See :meth:`JointModel.outputs`."""
        if not isinstance(trunk, Trunks):
            raise TypeError("a grouped model reads the trunks that it made itself")
        made = [m.outputs(t) for m, t in zip(self.members, trunk.members, strict=True)]
        served = {t: z[t] for g, (z, _) in zip(self.groups, made, strict=True) for t in g.serves}
        return {t.name: served[t.name] for t in self.tasks}, made[0][1]

    def serving(self, task: str) -> JointModel:
        """See :meth:`JointModel.serving`."""
        return next(m for g, m in zip(self.groups, self.members, strict=True) if task in g.serves)

    def auxiliary(self, trunk: Trunk) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """Members are trained one by one, by themselves."""
        return {}

    def penalty(self, trunk: Trunk) -> Tensor | None:
        """Members are trained one by one, by themselves."""
        return None

    def advance(self, epoch: float, epochs: int) -> None:
        """See :meth:`JointModel.advance`."""
        for member in self.members:
            member.advance(epoch, epochs)

    def before_step(self) -> None:
        """See :meth:`JointModel.before_step`."""
        for member in self.members:
            member.before_step()

    def headed(self) -> list[tuple[Task, Head]]:
        """See :meth:`JointModel.headed`: the heads that serve."""
        heads = {
            t.name: head
            for group, member in zip(self.groups, self.members, strict=True)
            for t, head in member.headed()
            if t.name in group.serves
        }
        return [(t, heads[t.name]) for t in self.tasks]

    def parts(self) -> list[Part]:
        """See :meth:`JointModel.parts`."""
        return [part for member in self.members for part in member.parts()]


def build_model(
    tasks: Sequence[Task],
    encoders: Mapping[str, Encoder],
    states: Mapping[str, State],
    *,
    groups: Sequence[TaskGroup | Mapping[str, Any]] = (),
    taps: Mapping[str, Sequence[str]] | None = None,
    auxiliary: Mapping[str, Sequence[str]] | None = None,
    **plan: Any,
) -> JointModel:
    """The model of a plan: one joint model, or one for each of ``groups``."""
    if not groups:
        return JointModel(tasks, encoders, states, taps=taps, auxiliary=auxiliary, **plan)
    read = [
        g if isinstance(g, TaskGroup) else TaskGroup(tuple(g["serves"]), tuple(g["along"])) for g in groups
    ]
    members = []
    for group in read:
        own = {t.name: t for t in tasks if t.name in group.trained}
        parts = ({n: s for n, s in (p or {}).items() if n in own} for p in (taps, auxiliary))
        near, deep = parts
        members.append(JointModel([*own.values()], encoders, states, taps=near, auxiliary=deep, **plan))
    return GroupedModel(tasks, members, read)


def join(fitted: Sequence[JointModel]) -> dict[str, Tensor]:
    """The weights of a grouped model out of those of its members."""
    return {
        f"members.{i}.{name}": value
        for i, model in enumerate(fitted)
        for name, value in model.state_dict().items()
    }

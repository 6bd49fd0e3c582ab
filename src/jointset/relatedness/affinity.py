"""The affinity between tasks: how much a source helps a target, by one measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jointset.errors import ArrayError, nearest
from jointset.records import Bools, Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 12  # tasks of a printed table
ALPHA = 0.05  # of targets for which a one-sided bound fails


@dataclass(frozen=True, eq=False)
class Affinity:
    """Task × task values of one measure, ``values[source, target]``; greater is more related.

    Parameters
    ----------
    measure : its name, and ``unit`` what a value counts.
    tasks : (t,) names, of the rows and of the columns.
    values : (t, t) finite, or NaN where the measure says nothing, such as for tasks without a shared row.
    bounds : least and greatest value that can occur.
    symmetric : whether source and target may be exchanged.
    seconds : what it took.
    support : (t, t) rows that a value rests on.
    low, high : (t, t) an interval of the value, of 90 %; infinite where it is not known.
    chance : (t, t) the level that the values of unrelated pairs seldom exceed.

    Raises :class:`~jointset.errors.ArrayError` for arrays of another shape.

    >>> found = Affinity("gain", ("a", "b"), np.array([[0.0, 0.2], [-0.1, 0.0]]), "skill", (-1, 1))
    >>> found.top("b"), found["a", "b"]
    ([('a', 0.2)], 0.2)
    >>> found
    Affinity gain (skill, -1 to 1), source ↓ target →
           a      b
    a      ·   0.20
    b  -0.10      ·
    """

    measure: str
    tasks: tuple[str, ...]
    values: Floats
    unit: str
    bounds: tuple[float, float]
    symmetric: bool = False
    seconds: float = 0.0
    support: Ints | None = None
    low: Floats | None = None
    high: Floats | None = None
    chance: Floats | None = None

    def __post_init__(self) -> None:
        shape = (len(self.tasks), len(self.tasks))
        if len(set(self.tasks)) != len(self.tasks):
            raise ArrayError(f"affinity {self.measure}: names of tasks repeat: {', '.join(self.tasks)}")
        for name in ("values", "support", "low", "high", "chance"):
            array = getattr(self, name)
            if array is not None and np.shape(array) != shape:
                raise ArrayError(
                    f"affinity {self.measure}: {name} of shape {shape} expected, found {np.shape(array)}"
                )

    def __getitem__(self, pair: tuple[str, str]) -> float:
        """The value of (source, target)."""
        return float(self.values[self.index(pair[0]), self.index(pair[1])])

    def index(self, task: str) -> int:
        """The place of a task; an unknown one raises ArrayError with a suggestion."""
        if task not in self.tasks:
            known = ", ".join(self.tasks[:20])
            raise ArrayError(
                f"affinity {self.measure}: no task {task!r}{nearest(task, self.tasks)}; one of {known}"
            )
        return self.tasks.index(task)

    def top(self, target: str, n: int | None = None) -> list[tuple[str, float]]:
        """The sources of a target with their values, best first; those without a value are left out."""
        column = self.values[:, self.index(target)]
        order = np.argsort(-column, kind="stable")
        found = [
            (self.tasks[i], float(column[i]))
            for i in order
            if self.tasks[i] != target and np.isfinite(column[i])
        ]
        return found[:n]

    def above_chance(self) -> Bools:
        """Where the value exceeds that of unrelated pairs, ``(t, t)``; where no chance is known, exceeds zero."""
        return np.asarray(self.values > (0.0 if self.chance is None else self.chance))

    def simultaneous(self) -> tuple[Floats, Floats]:
        """Lower and upper bounds ``(t, t)`` that hold for all sources of a target at once; values without intervals.

        The intervals, of 90 % each, are widened after Bonferroni as those of normal errors: each side fails for one
        source or more with 5 % at most.

        >>> one = np.array([[0.0, 0.2], [0.2, 0.0]])
        >>> wide = Affinity("gain", ("a", "b"), one, "skill", (-1, 1), low=one - 0.1, high=one + 0.1).simultaneous()
        >>> round(float(wide[0][0, 1]), 3), round(float(wide[1][0, 1]), 3)
        (0.1, 0.3)
        """
        from scipy.stats import norm

        sources = np.isfinite(self._off()).sum(axis=0)
        wider = norm.isf(ALPHA / np.maximum(sources, 1)) / norm.isf(ALPHA)
        low = self.values if self.low is None else self.values - wider * (self.values - self.low)
        high = self.values if self.high is None else self.values + wider * (self.high - self.values)
        return np.asarray(low), np.asarray(high)

    def to_pandas(self) -> pd.DataFrame:
        """One row per ordered pair of different tasks: source, target, value, and what else is known of it."""
        import pandas as pd

        sources, targets = np.nonzero(~np.eye(len(self.tasks), dtype=bool))
        names = np.array(self.tasks, object)
        columns: dict[str, Any] = {"source": names[sources], "target": names[targets]}
        for name in ("values", "support", "low", "high", "chance"):
            array = getattr(self, name)
            if array is not None:
                columns["value" if name == "values" else name] = np.asarray(array)[sources, targets]
        return pd.DataFrame(columns)

    def record(self) -> dict[str, Any]:
        """As JSON values; NaN becomes None."""
        out: dict[str, Any] = {
            "measure": self.measure,
            "unit": self.unit,
            "bounds": [_plain(b) for b in self.bounds],
            "symmetric": self.symmetric,
            "seconds": round(self.seconds, 3),
            "tasks": list(self.tasks),
        }
        for name in ("values", "support", "low", "high", "chance"):
            array = getattr(self, name)
            if array is not None:
                out[name] = [[_plain(v) for v in row] for row in np.asarray(array).tolist()]
        return out

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Affinity:
        """What :meth:`record` wrote.

        >>> kept = Affinity("gain", ("a", "b"), np.array([[0.0, 0.2], [np.nan, 0.0]]), "skill", (-np.inf, 1)).record()
        >>> Affinity.read(kept).bounds, Affinity.read(kept)["a", "b"]
        ((-inf, 1), 0.2)
        """
        arrays: dict[str, Any] = {
            n: np.array(record[n], np.int64 if n == "support" else np.float64)
            for n in ("values", "support", "low", "high", "chance")
            if n in record
        }
        low, high = record["bounds"]
        return cls(
            measure=record["measure"],
            tasks=tuple(record["tasks"]),
            unit=record["unit"],
            bounds=(-np.inf if low is None else low, np.inf if high is None else high),
            symmetric=record["symmetric"],
            seconds=record["seconds"],
            **arrays,
        )

    def __repr__(self) -> str:
        names = self.tasks[:SHOWN]
        width = max(6, *(len(n) for n in names)) if names else 6
        head = max((len(n) for n in names), default=0)
        lines = [self._title(), " " * head + "".join(f" {n:>{width}}" for n in names)]
        for i, name in enumerate(names):
            cells = [
                "·" if i == j or not np.isfinite(v) else f"{v:.2f}"
                for j, v in enumerate(self.values[i, : len(names)])
            ]
            lines.append(f"{name:<{head}}" + "".join(f" {c:>{width}}" for c in cells))
        more = len(self.tasks) - len(names)
        return "\n".join([*lines, *([f"… {more} more tasks"] if more else [])])

    def _repr_html_(self) -> str:
        from markupsafe import escape

        low, high = np.nanmin(self._off(), initial=np.inf), np.nanmax(self._off(), initial=-np.inf)
        head = "".join(f"<th>{escape(n)}</th>" for n in self.tasks)
        rows = []
        for i, name in enumerate(self.tasks):
            cells = "".join(
                "<td>·</td>" if i == j or not np.isfinite(v) else _cell(float(v), float(low), float(high))
                for j, v in enumerate(self.values[i])
            )
            rows.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
        return f"<table><caption>{escape(self._title())}</caption><tr><th></th>{head}</tr>{''.join(rows)}</table>"

    def _title(self) -> str:
        between = f"{self.bounds[0]:g} to {self.bounds[1]:g}"
        return f"Affinity {self.measure} ({self.unit}, {between}), source ↓ target →"

    def _off(self) -> Floats:
        return np.where(np.eye(len(self.tasks), dtype=bool), np.nan, self.values)


def _cell(value: float, low: float, high: float) -> str:
    share = (value - low) / (high - low) if high > low else 0.5
    return f'<td style="background:rgba(31,119,180,{0.6 * share:.2f})">{value:.2f}</td>'


def _plain(value: float) -> float | int | None:
    return None if not np.isfinite(value) else value if isinstance(value, int) else round(float(value), 6)

"""What a check of the data gives back: a named outcome, its reason, findings row by row or group by group, and
facts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.audit.codes import CODES
from jointset.audit.features.tables import is_missing
from jointset.errors import ArrayError, InternalError
from jointset.notebook import table
from jointset.records import Columns, Floats, Ints, Strings

Outcome = Literal["found", "passed", "not applicable"]


@dataclass(frozen=True)
class Findings(Columns):
    """Findings of a check, one per row of the record.

    ``row`` is the position in the arrays that were checked, -1 where the finding is about a group, a column or a class,
    which ``subject`` names. ``score`` is in [0, 1], 0 = surely bad. ``evidence`` is JSON.
    """

    code: Strings = field(metadata={"dtype": object})
    row: Ints = field(metadata={"dtype": np.int64})
    subject: Strings = field(metadata={"dtype": object})
    score: Floats = field(metadata={"dtype": np.float64})
    evidence: Strings = field(metadata={"dtype": object})

    @classmethod
    def of(
        cls,
        code: str,
        *,
        rows: ArrayLike | None = None,
        subjects: Sequence[str] | None = None,
        scores: ArrayLike,
        evidence: Sequence[Mapping[str, Any]],
    ) -> Findings:
        """Findings of one code of ``CODES``, about rows or about named subjects.

        >>> Findings.of("outlier", rows=[3], scores=[0.1], evidence=[{"distance": 2.5}]).evidence.tolist()
        ['{"distance": 2.5}']
        """
        if code not in CODES:
            raise InternalError(f"code {code!r} stands nowhere in jointset.audit.codes; give it an entry")
        n = len(evidence)
        return cls(
            np.full(n, code, object),
            np.full(n, -1, np.int64) if rows is None else np.asarray(rows, np.int64),
            np.array(["" for _ in range(n)] if subjects is None else list(subjects), object),
            np.clip(np.asarray(scores, np.float64).reshape(n), 0.0, 1.0),
            np.array([json.dumps(plain(e), ensure_ascii=False) for e in evidence] or [], object),
        )


@dataclass(frozen=True, repr=False)
class Checked:
    """How a check ended. ``facts`` are JSON values; the checks add the arrays they worked out.

    >>> Checked("passed", "no copies", Findings.empty(), {})
    Checked(passed: no copies)
    """

    outcome: Outcome
    reason: str
    findings: Findings
    facts: Mapping[str, Any]

    def by_code(self) -> dict[str, int]:
        """Findings by code."""
        codes, counts = np.unique(self.findings.code.astype(str), return_counts=True)
        return dict(zip(codes.tolist(), counts.tolist(), strict=True))

    def __repr__(self) -> str:
        found = ", ".join(f"{n:,} {code}" for code, n in self.by_code().items())
        return f"{type(self).__name__}({self.outcome}: {self.reason}{f'; {found}' if found else ''})"

    def _repr_html_(self) -> str:
        rows = [(code, f"{n:,}", CODES[code].what, CODES[code].todo) for code, n in self.by_code().items()]
        header = ("code", "findings", "what it means", "what to do")
        return table(f"{type(self).__name__}: {self.outcome}", header, rows, self.reason)


def ended(findings: Findings, found: str, passed: str) -> tuple[Outcome, str]:
    """The outcome and its reason, from whether there are findings.

    >>> ended(Findings.empty(), "copies", "no copies")
    ('passed', 'no copies')
    """
    return ("found", found) if len(findings) else ("passed", passed)


def plain(value: Any) -> Any:
    """JSON values: NumPy scalars and arrays as Python's, numbers to six digits, not finite ones as None.

    >>> plain({"a": np.float32(0.5), "b": np.array([1, 2]), "c": float("nan")})
    {'a': 0.5, 'b': [1, 2], 'c': None}
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.6g}") if np.isfinite(value) else None
    return value if value is None or isinstance(value, (int, str)) else str(value)


def as_points(embedding: ArrayLike, name: str = "embedding", least: int = 0) -> NDArray[np.float32]:
    """An embedding as ``(n, d) float32``; raises ``ArrayError`` where it is not finite numbers of at least that many
    rows.

    >>> as_points([[1, 2]]).shape
    (1, 2)
    """
    try:
        points = np.asarray(embedding, np.float32)
    except (TypeError, ValueError):
        raise ArrayError(
            f"{name}: expected numbers (n, d), found something else; embed the inputs first"
        ) from None
    if points.ndim != 2 or not points.shape[1]:
        raise ArrayError(f"{name}: expected numbers (n, d), found the shape {points.shape}")
    if len(points) < least:
        raise ArrayError(f"{name}: {len(points)} rows, and at least {least} are needed")
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise ArrayError(
            f"{name}: {int(bad.sum())} rows hold NaN or infinite numbers (first row {first}); "
            "fill them, or leave the rows out"
        )
    return points


def as_codes(values: ArrayLike, n: int, name: str) -> tuple[Ints, Strings]:
    """Codes ``(n,)`` of any values and their names in the order of the codes; None and NaN are -1.

    >>> as_codes(["b", "a", None], 3, "groups")
    (array([ 1,  0, -1]), array(['a', 'b'], dtype=object))
    """
    found = np.asarray(values, object)
    if found.shape != (n,):
        raise ArrayError(
            f"{name}: expected one value for each of the {n} rows, found the shape {found.shape}"
        )
    missing = is_missing(found)
    codes = np.full(n, -1, np.int64)
    names, codes[~missing] = np.unique(found[~missing].astype(str), return_inverse=True)
    return codes, names.astype(object)


def as_labels(values: ArrayLike, n: int, name: str, classes: int | None = None) -> Ints:
    """Class codes ``(n,)`` below ``classes``, -1 where missing, of codes or whole floats with NaN where missing.

    >>> as_labels([0.0, 1.0, float("nan")], 3, "labels").tolist()
    [0, 1, -1]
    """
    given = np.asarray(values)
    if given.shape != (n,):
        raise ArrayError(f"{name}: expected a class code for each of the {n} rows, found {given.shape}")
    if given.dtype.kind == "f":
        given = np.where(np.isnan(given), -1, given)
        if not (np.isfinite(given) & (given == np.round(given))).all():
            raise ArrayError(f"{name}: class codes are whole numbers (-1 or NaN = missing), found others")
    elif given.dtype.kind not in "iub":
        raise ArrayError(f"{name}: expected class codes (-1 or NaN = missing), found {given.dtype}")
    codes = np.maximum(given.astype(np.int64), -1)
    if classes is not None and codes.max(initial=-1) >= classes:
        raise ArrayError(
            f"{name}: code {codes.max()} is out of range for {classes} classes (0 to {classes - 1})"
        )
    return codes

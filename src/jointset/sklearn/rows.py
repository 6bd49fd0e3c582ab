"""The X of scikit-learn as tables by modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import _check_feature_names, _check_n_features, validate_data

from jointset.errors import ArrayError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

Inputs = Mapping[str, str | Sequence[str]] | None


def tables(estimator: Any, X: Any, inputs: Inputs, *, reset: bool) -> dict[str, pa.Table]:
    """One table a modality; checks, and with ``reset`` remembers, the number of columns and their names.

    An array, or a frame of numbers, is one block of numbers. A frame with other columns, or with ``inputs``, is read
    column by column.
    """
    import pyarrow as pa

    if not _column_by_column(X, inputs):
        values = validate_data(
            estimator,
            X,
            reset=reset,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if reset else 1,
        )
        flat = pa.array(np.ascontiguousarray(values).ravel())
        return {"tabular": pa.table({"X": pa.FixedSizeListArray.from_arrays(flat, values.shape[1])})}
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
    if len(X) < (2 if reset else 1):
        raise ArrayError(
            f"X has {len(X)} rows (n_samples = {len(X)}); {2 if reset else 1} are needed at least"
        )
    table = pa.Table.from_pandas(X, preserve_index=False)
    wanted = {"tabular": table.column_names} if inputs is None else inputs
    return {m: table.select(_names(m, c, table.column_names)) for m, c in wanted.items()}


def _column_by_column(X: Any, inputs: Inputs) -> bool:
    if not hasattr(X, "dtypes") or not hasattr(X, "columns"):
        if inputs is not None:
            raise ArrayError(f"inputs names columns, and X is {type(X).__name__}: give a pandas frame")
        return False
    return inputs is not None or not all(getattr(t, "kind", "O") in "biuf" for t in X.dtypes)


def _names(modality: str, given: str | Sequence[str], there: Sequence[str]) -> list[str]:
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in there:
            raise ArrayError(f"inputs[{modality!r}]: X has no column {name!r}{nearest(name, there)}")
    return names

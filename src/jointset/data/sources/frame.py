"""pandas frames."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa

from jointset.data.sources.base import finish
from jointset.errors import DataError


def is_frame(source: Any) -> bool:
    """Whether a value is a pandas frame; pandas is not imported to find out.

    >>> is_frame({"a": [1]})
    False
    """
    kind = type(source)
    return any(c.__name__ == "DataFrame" and c.__module__.partition(".")[0] == "pandas" for c in kind.__mro__)


def read(source: Any, *, name: str) -> pa.Table:
    """Take a frame's columns (not its index); NaN becomes null.

    >>> import pandas as pd
    >>> read(pd.DataFrame({"a": [1.0, None]}), name="a").to_pydict()
    {'a': [1.0, None]}
    """
    names = [str(c) for c in source.columns]
    repeated = [c for c, times in Counter(names).items() if times > 1]
    if repeated:
        raise DataError(
            f"dataset {name}: the frame has the column {repeated[0]!r} more than once; give each column its "
            f"own name"
        )
    arrays = []
    for i, column in enumerate(names):
        series = source.iloc[:, i]
        try:
            array = pa.array(series, from_pandas=True)
        except (pa.ArrowException, TypeError, OverflowError):
            found = sorted({type(v).__name__ for v in series.dropna().head(10_000)})
            raise DataError(
                f"dataset {name}: column {column!r} of the frame mixes values of several types "
                f"({', '.join(found)}); "
                "use one type per column"
            ) from None
        arrays.append(array)
    return finish(pa.table(arrays, names=names), name=name, where="the frame")

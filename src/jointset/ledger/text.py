"""Values as the ledger writes them down."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import numpy as np

from jointset.ledger.schema import VOLATILE
from jointset.records import Verdict


def tasks_text(verdict: Verdict) -> str:
    """What a verdict says of every task, as JSON."""
    return json.dumps(plain([asdict(t) for t in verdict.tasks]), ensure_ascii=False)


def plain(value: Any) -> Any:
    """JSON values: NumPy scalars and arrays unpacked, undefined numbers as null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def steady_facts(value: Any) -> Any:
    """Facts without what differs between two identical runs."""
    if isinstance(value, dict):
        steady = (k for k in value if k not in VOLATILE and not k.endswith(("_seconds", "_at")))
        return {k: steady_facts(value[k]) for k in steady}
    return [steady_facts(v) for v in value] if isinstance(value, list) else value


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")

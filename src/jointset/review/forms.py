"""What a request says: filters, forms, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import Request

from jointset.errors import RunError
from jointset.review.queue import Filters

MOST_BODY = 100_000


def read_filters(query: Mapping[str, Any]) -> Filters:
    """Filters out of a query or a form; what makes no sense is as if it were not there."""
    given = {f.name: query[f.name] for f in fields(Filters) if f.type == "str" and f.name in query}
    old = new = None
    if query.get("pair"):
        old, _, new = str(query["pair"]).partition("\t")
    return Filters(
        **given,
        old=old,
        new=new,
        round=whole(query.get("round")),
        low=share(query.get("low"), 0.0),
        high=share(query.get("high"), 1.0),
        flagged=bool(query.get("flagged")),
        held_out=bool(query.get("held_out")),
    )


def to_query(filters: Filters) -> str:
    """The filters as a query string; defaults are left out.

    >>> to_query(Filters(task="digit"))
    'task=digit'
    """
    plain = asdict(Filters())
    found = {k: v for k, v in asdict(filters).items() if v != plain[k] and k not in ("old", "new")}
    if filters.old is not None:
        found["pair"] = f"{filters.old}\t{filters.new}"
    return urlencode({k: "1" if v is True else v for k, v in found.items()})


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; of several of one name the last."""
    body = await request.body()
    if len(body) > MOST_BODY:
        raise RunError("the form is too large")
    return {k: v[-1] for k, v in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()}


def whole(value: Any) -> int | None:
    """A whole number, None for anything else."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def share(value: Any, otherwise: float) -> float:
    """A number brought into [0, 1], ``otherwise`` for anything else."""
    try:
        return min(max(float(value), 0.0), 1.0)
    except (TypeError, ValueError):
        return otherwise

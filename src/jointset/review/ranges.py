"""Parts of a body, which a player asks for when it is moved to another place."""

from __future__ import annotations

import re

from fastapi import Response

ASKED = re.compile(r"bytes=(\d*)-(\d*)$")


def ranged(body: bytes, mime: str, asked: str | None) -> Response:
    """The body, or the one part of it that a ``Range`` header asks for (RFC 9110, section 14).

    Several parts at once, and units other than bytes, are answered with the whole, as the RFC allows.
    """
    match = ASKED.match((asked or "").strip())
    if match is None or match[1] == match[2] == "":
        return Response(body, media_type=mime, headers={"Accept-Ranges": "bytes"})
    size = len(body)
    if match[1]:
        start, end = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
    else:  # the last so many bytes
        start, end = max(size - int(match[2]), 0), size - 1
    if start > end or start >= size:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    told = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{end}/{size}"}
    return Response(body[start : end + 1], 206, media_type=mime, headers=told)

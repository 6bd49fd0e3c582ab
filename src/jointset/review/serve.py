"""Serve the review page of a run until it is told to stop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from jointset.errors import MissingExtra, UserError
from jointset.review.stop import Stop
from jointset.rundir import RunDirectory

LOCAL = ("127.0.0.1", "localhost", "::1")
UNTRUSTED = (
    "review --checks: nothing was found on a held-out row that is marked as trusted (datasets.NAME.trusted); only what "
    "another reviewer decided can be asked again, which is nothing before somebody has decided"
)
PATIENCE = 5  # seconds that requests have to finish once the page ends


def serve(
    directory: RunDirectory,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    reviewer: str = "",
    password: str = "",
    names: tuple[str, ...] = (),
    checks: float = 0.0,
    tell: Callable[[str], None],
    note: Callable[[str], None] = lambda text: None,
) -> None:
    """Open the run and serve its page until it is interrupted; ``tell`` is given the address with its one-time token.

    ``note`` is given what should be known beside it.

    ``checks`` is the share of items with known answers that are mixed in blind, in [0, 1].
    ``host`` other than this machine needs a ``password``; ``names`` are further names the page is asked for by. Raises
    :class:`~jointset.errors.UserError` for a host without a password or a port that is taken, and KeyboardInterrupt
    once the page has ended on Ctrl-C.
    """
    if host not in LOCAL and not password:
        raise UserError(
            f"review --host {host}: others could open it; give --password, or the environment's "
            "JOINTSET_REVIEW_PASSWORD"
        )
    with Stop() as stop:
        try:
            import uvicorn

            from jointset.review.app import make_app
        except ImportError as error:
            raise MissingExtra(error.name or "fastapi", "review", "the review page") from None
        from jointset.review.desk import open_desk, user
        from jointset.review.security import COOKIE, Door

        bound = _bind(host, port)
        with contextlib.closing(bound):
            port = bound.getsockname()[1]
            door = Door(
                hosts=_hosts(host, port, names),
                reviewer=reviewer or user(),
                password=password or None,
                cookie=f"{COOKIE}_{port}",  # browsers send the cookies of one port to all others
            )
            shown = f"[{host}]" if ":" in host else host
            tell(f"http://{shown}:{port}/?token={door.invite(door.reviewer)}")
            stop.check()
            with contextlib.closing(open_desk(directory, checks)) as desk:
                if checks and not desk.trusts:
                    note(UNTRUSTED)
                config = uvicorn.Config(
                    make_app(desk, door), log_level="warning", access_log=False, server_header=False,
                    date_header=False, lifespan="off", timeout_graceful_shutdown=PATIENCE,
                )  # fmt: skip
                server: Any = uvicorn.Server(config)
                server.capture_signals = contextlib.nullcontext  # ours are in place, from before it was made
                stop.ends(server)
                server.run(sockets=[bound])
        stop.check()


def _hosts(host: str, port: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that the page may be asked for by."""
    known = dict.fromkeys((*LOCAL, host, *names))
    hosts = (f"{f'[{n}]' if ':' in n else n}:{port}".lower() for n in known)
    return (*hosts, *(n.lower() for n in names))


def _bind(host: str, port: int) -> socket.socket:
    """A socket that takes callers already, so that a browser that comes early waits instead of being sent away."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise UserError(
            f"review: {host}:{port} cannot be served ({error.strerror}); another --port, or --port 0 for any free one"
        ) from None
    return bound

"""Serve the review page of a run until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jointset.errors import MissingExtra, UserError
from jointset.rundir import RunDirectory

LOCAL = ("127.0.0.1", "localhost", "::1")


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
) -> None:
    """Open the run and serve its page; ``tell`` is given the address with its one-time token.

    ``checks`` is the share of items with known answers that are mixed in blind, in [0, 1].
    ``host`` other than this machine needs a ``password``; ``names`` are further names the page is asked for by. Raises
    :class:`~jointset.errors.UserError` for a host without a password or a port that is taken.
    """
    try:
        import uvicorn

        from jointset.review.app import make_app
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "review", "the review page") from None
    from jointset.review.desk import open_desk, user
    from jointset.review.security import Door

    if host not in LOCAL and not password:
        raise UserError(
            f"review --host {host}: others could open it; give --password, or the environment's "
            "JOINTSET_REVIEW_PASSWORD"
        )
    bound = _bind(host, port)
    port = bound.getsockname()[1]
    known = {*LOCAL, host, *names} if host in LOCAL else {host, *names, *LOCAL}
    hosts = tuple(f"{f'[{n}]' if ':' in n else n}:{port}".lower() for n in known)
    door = Door(
        hosts=(*hosts, *(n.lower() for n in names)), reviewer=reviewer or user(), password=password or None
    )
    app = make_app(partial(open_desk, directory, checks), door)
    shown = f"[{host}]" if ":" in host else host
    tell(f"http://{shown}:{port}/?token={door.invite()}")
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, date_header=False
    )
    uvicorn.Server(config).run(sockets=[bound])


def _bind(host: str, port: int):  # type: ignore[no-untyped-def]
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise UserError(
            f"review: {host}:{port} cannot be served ({error.strerror}); another --port, or --port 0 for any free one"
        ) from None
    return bound

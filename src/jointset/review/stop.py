"""Ctrl-C, heard once and for all: it ends the page whenever it comes, and is never lost."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Protocol


class Stoppable(Protocol):
    """A server that looks at these while it runs; ``force_exit`` does not wait for requests."""

    should_exit: bool
    force_exit: bool


class Stop:
    """Handles interrupts while it is entered, in the main thread; elsewhere it does nothing.

    While the page opens, an interrupt raises KeyboardInterrupt, as nothing is under way that could be cut short. Python
    loses an exception that a handler raises inside a destructor or a callback, so it is remembered, and raised again at
    the next :meth:`check`. Once a server runs it is told to end, and finishes the requests it has; a second interrupt
    does not wait for them.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._server: Stoppable | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.signal(n, self._hear) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.asked == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)

    def check(self) -> None:
        """Raise KeyboardInterrupt when an interrupt came."""
        if self.asked == signal.SIGINT:
            raise KeyboardInterrupt
        if self.asked:
            raise SystemExit(128 + self.asked)

    def ends(self, server: Stoppable) -> None:
        """From now on an interrupt ends the server; raises when one came before."""
        self._server = server
        self.check()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = bool(self.asked), number
        if self._server is None:
            self.check()
        else:
            self._server.should_exit = True
            self._server.force_exit = again

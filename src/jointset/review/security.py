"""Who may talk to the review page: one-time links, sessions, Host and Origin, and what a page may load."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

COOKIE = "jointset_review"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TRIES = 10
WINDOW = 60.0  # seconds in which TRIES wrong passwords are borne


@dataclass
class Session:
    """A browser that was let in: its reviewer's name, and the secret that its requests carry."""

    reviewer: str
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))


@dataclass
class Door:
    """Lets browsers in. ``hosts`` are the names the page may be asked for by; ``password`` is None for links only.

    >>> door = Door(hosts=("127.0.0.1:8000",), reviewer="Ada")
    >>> link = door.invite()
    >>> door.enter(link) is None, door.enter(link) is None   # a link works once
    (False, True)
    """

    hosts: tuple[str, ...]
    reviewer: str
    password: str | None = None
    sessions: dict[str, Session] = field(default_factory=dict)
    _links: set[str] = field(default_factory=set)
    _failed: list[float] = field(default_factory=list)

    def invite(self) -> str:
        """A token that lets one browser in, once."""
        token = secrets.token_urlsafe(24)
        self._links.add(token)
        return token

    def enter(self, token: str) -> str | None:
        """A new session's id for a token that was not used yet; None otherwise."""
        found = next((t for t in self._links if hmac.compare_digest(t.encode(), token.encode())), None)
        if found is None:
            return None
        self._links.discard(found)
        return self._begin(self.reviewer)

    def log_in(self, password: str, reviewer: str) -> str | None:
        """A new session's id for the password; None when it is wrong, or too many were."""
        now = time.monotonic()
        self._failed = [t for t in self._failed if now - t < WINDOW]
        if self.password is None or len(self._failed) >= TRIES:
            return None
        if not hmac.compare_digest(self.password.encode(), password.encode()):
            self._failed.append(now)
            return None
        return self._begin(reviewer or self.reviewer)

    def session(self, cookies: Mapping[str, str]) -> Session | None:
        """The session of a request."""
        return self.sessions.get(cookies.get(COOKIE, ""))

    def knows_host(self, host: str | None) -> bool:
        """Whether the page may be asked for by this name: a forged one is how a foreign page reaches a local server."""
        return (host or "").lower() in self.hosts

    def may_write(self, session: Session, headers: Mapping[str, str]) -> bool:
        """Whether a request that changes something comes from our own page."""
        origin = headers.get("origin")
        if origin is not None and origin.split("://", 1)[-1].lower() not in self.hosts:
            return False
        return hmac.compare_digest(session.csrf.encode(), headers.get("x-csrf", "").encode())

    def _begin(self, reviewer: str) -> str:
        name = secrets.token_urlsafe(32)
        self.sessions[name] = Session(reviewer)
        return name

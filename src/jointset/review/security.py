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

    The ``reviewer`` is whoever started the page, and comes in by the first link; everybody else says a name.

    >>> door = Door(hosts=("127.0.0.1:8000",), reviewer="Ada")
    >>> link = door.invite("Ada")
    >>> door.enter(link) is None, door.enter(link) is None   # a link works once
    (False, True)
    >>> other = door.invite()
    >>> door.asks_name(other), door.enter(other), door.sessions[door.enter(other, "Bob")].reviewer
    (True, None, 'Bob')
    """

    hosts: tuple[str, ...]
    reviewer: str
    password: str | None = None
    cookie: str = COOKIE
    sessions: dict[str, Session] = field(default_factory=dict)
    _links: dict[str, str] = field(default_factory=dict)  # token → whose it is, '' = whoever says so
    _failed: list[float] = field(default_factory=list)

    def invite(self, reviewer: str = "") -> str:
        """A token that lets one browser in, once; of a ``reviewer``, or of whoever gives a name."""
        token = secrets.token_urlsafe(24)
        self._links[token] = reviewer
        return token

    def asks_name(self, token: str) -> bool:
        """Whether a token is good, and whoever comes with it has to say a name."""
        return self._links.get(self._known(token), "-") == ""

    def enter(self, token: str, name: str = "") -> str | None:
        """A new session's id for a token that was not used yet; None otherwise, or without the name that is asked."""
        found = self._known(token)
        who = self._links.get(found, "") or name.strip()
        if found not in self._links or not who:
            return None
        del self._links[found]
        return self._begin(who)

    def log_in(self, password: str, reviewer: str) -> str | None:
        """A new session's id for the password; None when it is wrong, too many were, or nobody says who it is."""
        now = time.monotonic()
        self._failed = [t for t in self._failed if now - t < WINDOW]
        if self.password is None or len(self._failed) >= TRIES:
            return None
        if not hmac.compare_digest(self.password.encode(), password.encode()):
            self._failed.append(now)
            return None
        return self._begin(reviewer) if reviewer else None

    def session(self, cookies: Mapping[str, str]) -> Session | None:
        """The session of a request."""
        return self.sessions.get(cookies.get(self.cookie, ""))

    def knows_host(self, host: str | None) -> bool:
        """Whether the page may be asked for by this name: a forged one is how a foreign page reaches a local server."""
        return (host or "").lower() in self.hosts

    def may_write(self, session: Session, headers: Mapping[str, str]) -> bool:
        """Whether a request that changes something comes from our own page."""
        origin = headers.get("origin")
        if origin is not None and origin.split("://", 1)[-1].lower() not in self.hosts:
            return False
        return hmac.compare_digest(session.csrf.encode(), headers.get("x-csrf", "").encode())

    def _known(self, token: str) -> str:
        return next((t for t in self._links if hmac.compare_digest(t.encode(), token.encode())), "")

    def _begin(self, reviewer: str) -> str:
        name = secrets.token_urlsafe(32)
        self.sessions[name] = Session(reviewer)
        return name

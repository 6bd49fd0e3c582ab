"""The pages: a queue, an item, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader
from starlette.staticfiles import StaticFiles

from jointset.errors import DataError, MissingExtra
from jointset.ledger import VERBS
from jointset.operations import OPERATIONS
from jointset.report.html import short
from jointset.review import views
from jointset.review.blind import Check
from jointset.review.desk import Desk
from jointset.review.forms import MOST_BODY, read_filters, read_form, whole
from jointset.review.queue import Filters
from jointset.review.ranges import ranged
from jointset.review.security import HEADERS, Door, Session
from jointset.review.words import LANGUAGES, Speech, preferred

HERE = Path(__file__).parent
LANGUAGE = "jointset_language"
NO_DOOR = ("/login", "/enter")  # what may be asked for without a session


def make_app(desk: Desk, door: Door) -> FastAPI:
    """The application, to be served by the thread that opened the desk, which SQLite asks for."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = desk
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    page = Pages(door)
    app.middleware("http")(page.guard)
    for path, make in {"/": page.home, "/queue": page.queue, "/item": page.item, "/bulk": page.bulk,
                       "/news": page.news, "/observed": page.observed, "/media": page.media}.items():  # fmt: skip
        app.get(path)(make)
    for path, make in {"/login": page.login, "/enter": page.enter, "/decide": page.decide, "/undo": page.undo,
                       "/accept": page.accept, "/invite": page.invite, "/language": page.language}.items():  # fmt: skip
        app.post(path)(make)
    return app


class Pages:
    """The handlers, with the templates they fill."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True
        )
        self.templates.filters["short"] = short
        self.templates.globals["units"] = {name: o.unit for name, o in OPERATIONS.items()}
        self.templates.globals["units"] = {name: o.unit for name, o in OPERATIONS.items()}

    async def guard(self, request: Request, call_next: Any) -> Response:
        """Refuse what does not come from our page; say on every answer what a page may do."""
        response = await self._refused(request)
        if response is None:
            response = await call_next(request)
        for name, value in HEADERS.items():
            response.headers[name] = value
        return response

    async def _refused(self, request: Request) -> Response | None:
        if not self.door.knows_host(request.headers.get("host")):
            return Response("unknown host", 400)
        if request.url.path.startswith("/static/") or request.url.path in NO_DOOR:
            return None
        if request.url.path == "/" and request.query_params.get("token"):
            return None
        session = self.door.session(request.cookies)
        if session is None:
            return self._door(request, 401)
        request.state.session = session
        if request.method != "GET":
            if int(request.headers.get("content-length", "0") or 0) > MOST_BODY:
                return self._say(request, "too_large", 413)
            if not self.door.may_write(session, request.headers):
                return self._say(request, "forbidden", 403)
        return None

    async def home(self, request: Request) -> Response:
        """The page; with a one-time token, the way in."""
        if token := request.query_params.get("token"):
            if self.door.asks_name(token):
                return self._door(request, 200, token=token)
            name = self.door.enter(token)
            return self._door(request, 401) if name is None else self._let_in(name)
        desk = _desk(request)
        desk.refresh()
        filters = read_filters(request.query_params)
        key = whole(request.query_params.get("key"))
        facts = self._blind_facts(request, key)
        if facts is None:
            index = desk.index(key) if key is not None else -1
            facts = views.item(desk, index if index >= 0 else desk.step(filters, None, 0))
        return self._page(
            request,
            "page.html",
            name=desk.directory.path.name,
            edit=desk.queue.last_edit,
            **self._queue_facts(request, filters, key),
            **facts,
        )

    async def queue(self, request: Request) -> Response:
        """The list, the counts and the filters."""
        _desk(request).refresh()
        key = whole(request.query_params.get("key"))
        facts = self._queue_facts(request, read_filters(request.query_params), key)
        return self._page(request, "queue.html", **facts)

    async def item(self, request: Request) -> Response:
        """An item by its key, or the one some steps away from it."""
        desk = _desk(request)
        desk.refresh()
        key, by = whole(request.query_params.get("key")), whole(request.query_params.get("step")) or 0
        check = self._check(request, key)
        if not by:
            at = desk.index(key) if key is not None else -1
            facts = self._blind_facts(request, key) or views.item(desk, at if at >= 0 else None)
            return self._page(request, "item.html", **facts)
        filters = read_filters(request.query_params)
        if check is not None:  # it stands before the item that comes next
            key, by = check.resume, by - 1 if by > 0 else by
        to = desk.step(filters, key, by)
        if to is None and key is not None and desk.index(key) >= 0:
            return self._page(request, "item.html", ended=True, **views.item(desk, desk.index(key)))
        return self._page(request, "item.html", **views.item(desk, to))

    async def decide(self, request: Request) -> Response:
        """Write a decision down, and show what comes next."""
        desk, session, form = _desk(request), _session(request), await read_form(request)
        key, verb = whole(form.get("key")) or 0, form.get("verb", "")
        check = self._check(request, key)
        index = desk.index(check.key if check else key)
        if verb not in VERBS or verb == "check" or index < 0:
            return self._say(request, "unknown_item", 400)
        filters = read_filters(form)
        try:
            if check is not None:
                return self._checked(request, index, form, check)
            after = desk.step(filters, int(desk.queue.key[index]), 1)
            done = desk.decide(
                index, verb, form.get("value", ""), reviewer=session.reviewer, note=form.get("note", "")[:2000],
                seen=whole(form.get("seen")) or 0,
            )  # fmt: skip
        except ValueError as error:
            return Response(self._speech(request).phrase(str(error)), 400)
        if done.refused:
            return self._page(request, "item.html", conflict=done.refused[0], **views.item(desk, index))
        if verb == "flag":
            after = index
        if after is None:  # the last of the order: what is left before it, if anything
            after = desk.step(filters, None, 0)
        facts = None
        if after is not None and verb != "flag" and not filters.held_out:
            facts = self._put_in(request, after)
        return self._changed(request, **(facts or views.item(desk, after)))

    def _put_in(self, request: Request, after: int) -> dict[str, Any] | None:
        """A blind check before the next item, if it is time for one."""
        desk, reviewer = _desk(request), _session(request).reviewer
        drawn = desk.check(reviewer)
        if drawn is None:
            return None
        alias = desk.checks.open(desk.queue, reviewer, int(desk.queue.key[drawn]), int(desk.queue.key[after]))
        return self._blind_facts(request, alias)

    def _checked(self, request: Request, index: int, form: Mapping[str, str], check: Check) -> Response:
        """Note the answer to a blind check, and go on where it was put in."""
        desk, verb, reviewer = _desk(request), form.get("verb", ""), _session(request).reviewer
        alias = whole(form.get("key")) or 0
        if verb == "flag":
            check.flagged = True
            return self._changed(request, **(self._blind_facts(request, alias) or views.item(desk, None)))
        desk.answer(index, verb, form.get("value", ""), reviewer=reviewer)
        desk.checks.close(reviewer, alias)
        after = desk.index(check.resume)
        return self._changed(request, **views.item(desk, after if after >= 0 else None))

    async def undo(self, request: Request) -> Response:
        """Take back the reviewer's last decision, or last bulk."""
        desk, session, form = _desk(request), _session(request), await read_form(request)
        count = desk.undo(session.reviewer)
        key = whole(form.get("key"))
        facts = self._blind_facts(request, key)
        if facts is None:
            index = desk.index(key) if key is not None else -1
            facts = views.item(desk, index if index >= 0 else desk.step(read_filters(form), None, 0))
        return self._changed(request, undone=count, **facts)

    async def bulk(self, request: Request) -> Response:
        """What accepting everything that matches would do."""
        desk = _desk(request)
        desk.refresh()
        count, mean, items = desk.preview(read_filters(request.query_params))
        return self._page(request, "bulk.html", count=count, mean=mean, items=items, seen=desk.queue.entry)

    async def accept(self, request: Request) -> Response:
        """Accept everything that matches, if it is still as many as were shown."""
        desk, session, form = _desk(request), _session(request), await read_form(request)
        filters = read_filters(form)
        desk.refresh()
        count, _, _ = desk.preview(filters)
        if count != whole(form.get("count")):
            return self._say(request, "selection_changed", 409)
        done = desk.accept_all(filters, reviewer=session.reviewer, seen=whole(form.get("seen")) or 0)
        shown = desk.step(filters, None, 0)
        return self._changed(request, accepted=done.count, **views.item(desk, shown))

    async def news(self, request: Request) -> Response:
        """What others decided, and what further rounds proposed, since the page last asked."""
        desk, query = _desk(request), request.query_params
        found = desk.news(_session(request).reviewer, whole(query.get("after")) or 0)
        edit = whole(query.get("edit"))
        new = desk.newer(edit) if edit is not None else 0
        if not found and not new:
            return Response(status_code=204)
        response = self._page(
            request,
            "news.html",
            entries=found[-5:],
            entry=desk.queue.entry,
            new=new,
            edit=desk.queue.last_edit,
        )
        response.headers["HX-Trigger"] = "changed"
        return response

    async def observed(self, request: Request) -> Response:
        """Observed precision per kind of change."""
        return self._page(
            request, "observed.html", rows=_desk(request).observed(), checks=_desk(request).ledger.checked()
        )

    async def invite(self, request: Request) -> Response:
        """A one-time link for another browser."""
        host = request.headers["host"]
        return self._page(
            request, "invite.html", link=f"{request.url.scheme}://{host}/?token={self.door.invite()}"
        )

    async def language(self, request: Request) -> Response:
        """Change the language of the interface."""
        chosen = (await read_form(request)).get("language", "en")
        response = Response(headers={"HX-Refresh": "true"})
        response.set_cookie(
            LANGUAGE, chosen if chosen in LANGUAGES else "en", samesite="strict", httponly=True
        )
        return response

    async def login(self, request: Request) -> Response:
        """Let a browser in by password."""
        form = await read_form(request)
        name = self.door.log_in(form.get("password", ""), form.get("reviewer", "").strip()[:80])
        return self._door(request, 403, wrong=True) if name is None else self._let_in(name)

    async def enter(self, request: Request) -> Response:
        """Let a browser in by a link that was made for whoever says a name."""
        form = await read_form(request)
        token = form.get("token", "")
        name = self.door.enter(token, form.get("reviewer", "").strip()[:80])
        if name is None:
            return self._door(request, 403, token=token if self.door.asks_name(token) else "")
        return self._let_in(name)

    async def media(self, request: Request) -> Response:
        """A picture or a sound of a row, decoded and written anew; only of columns that are inputs."""
        desk, query = _desk(request), request.query_params
        key, kind = whole(query.get("key")) or 0, query.get("kind", "")
        check = self._check(request, key)
        index = desk.index(check.key if check else key)
        if index < 0 or kind not in (*views.SIDES, "sound"):
            return Response("no such medium", 404)
        try:
            column, near = whole(query.get("column")) or 0, whole(query.get("near"))
            found = views.medium(desk, index, kind, column, near)
        except (DataError, MissingExtra) as error:
            if near is not None:  # it only illustrates, and is left out
                return Response(status_code=204)
            return Response(self._speech(request).phrase(str(error)), 404)
        if found is None:
            return Response("no such medium", 404)
        return ranged(*found, request.headers.get("range"))

    def _queue_facts(self, request: Request, filters: Filters, key: int | None) -> dict[str, Any]:
        page = whole(request.query_params.get("page")) or 0
        return views.queue(_desk(request), filters, key, page, _session(request).reviewer)

    def _check(self, request: Request, key: int | None) -> Check | None:
        return _desk(request).checks.of(_session(request).reviewer, key)

    def _blind_facts(self, request: Request, key: int | None) -> dict[str, Any] | None:
        return views.blind(_desk(request), _session(request).reviewer, key)

    def _changed(self, request: Request, **facts: Any) -> Response:
        """An item, after something was written."""
        response = self._page(request, "item.html", **facts)
        response.headers["HX-Trigger"] = "changed"
        return response

    def _say(self, request: Request, what: str, status: int) -> Response:
        return Response(self._speech(request)(what), status, media_type="text/plain; charset=utf-8")

    def _let_in(self, name: str) -> Response:
        response = RedirectResponse("/", 303)
        response.set_cookie(self.door.cookie, name, httponly=True, samesite="strict")
        return response

    def _page(self, request: Request, template: str, **facts: Any) -> HTMLResponse:
        session = _session(request)
        speech = self._speech(request)
        text = self.templates.get_template(template).render(
            t=speech, languages=LANGUAGES, csrf=session.csrf, reviewer=session.reviewer, **facts
        )
        return HTMLResponse(text)

    def _door(self, request: Request, status: int, *, wrong: bool = False, token: str = "") -> HTMLResponse:
        text = self.templates.get_template("door.html").render(
            t=self._speech(request),
            with_password=self.door.password is not None,
            wrong=wrong,
            token=token,
        )
        return HTMLResponse(text, status)

    def _speech(self, request: Request) -> Speech:
        return Speech(
            preferred(request.cookies.get(LANGUAGE, ""), request.headers.get("accept-language", ""))
        )


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _session(request: Request) -> Session:
    session: Session = request.state.session
    return session

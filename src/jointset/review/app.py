"""The pages: a queue, an item, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader
from starlette.staticfiles import StaticFiles

from jointset.data.media.sounds import wav
from jointset.errors import DataError, MissingExtra
from jointset.ledger import VERBS
from jointset.operations import OPERATIONS
from jointset.report import media, svg
from jointset.report.html import short
from jointset.report.rows import Rows
from jointset.review.desk import PAGE, Desk
from jointset.review.forms import MOST_BODY, read_filters, read_form, to_query, whole
from jointset.review.items import recipe_of
from jointset.review.queue import ADD, ORDERS, Filters
from jointset.review.ranges import ranged
from jointset.review.security import COOKIE, HEADERS, Door, Session
from jointset.review.words import LANGUAGES, Speech, preferred

HERE = Path(__file__).parent
LANGUAGE = "jointset_language"
PICTURE, THUMB = 512, 64


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
    for path, make in {"/login": page.login, "/decide": page.decide, "/undo": page.undo, "/accept": page.accept,
                       "/invite": page.invite, "/language": page.language}.items():  # fmt: skip
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
        if request.url.path.startswith("/static/") or request.url.path == "/login":
            return None
        if request.url.path == "/" and request.query_params.get("token"):
            return None
        session = self.door.session(request.cookies)
        if session is None:
            return self._door(request, 401)
        request.state.session = session
        if request.method != "GET":
            if int(request.headers.get("content-length", "0") or 0) > MOST_BODY:
                return Response("too large", 413)
            if not self.door.may_write(session, request.headers):
                return Response("forbidden", 403)
        return None

    async def home(self, request: Request) -> Response:
        """The page; with a one-time token, the way in."""
        if token := request.query_params.get("token"):
            name = self.door.enter(token)
            return self._door(request, 401) if name is None else _let_in(name)
        desk = _desk(request)
        desk.refresh()
        filters = read_filters(request.query_params)
        key = whole(request.query_params.get("key"))
        index = desk.index(key) if key is not None else -1
        found = index if index >= 0 else desk.step(filters, None, 0)
        return self._page(
            request,
            "page.html",
            name=desk.directory.path.name,
            edit=desk.queue.last_edit,
            **self._queue_facts(desk, filters, key),
            **self._item_facts(request, desk, found),
        )

    async def queue(self, request: Request) -> Response:
        """The list, the counts and the filters."""
        desk = _desk(request)
        desk.refresh()
        filters = read_filters(request.query_params)
        key = whole(request.query_params.get("key"))
        return self._page(
            request, "queue.html", **self._queue_facts(desk, filters, key, request.query_params)
        )

    async def item(self, request: Request) -> Response:
        """An item by its key, or the one some steps away from it."""
        desk = _desk(request)
        desk.refresh()
        key, by = whole(request.query_params.get("key")), whole(request.query_params.get("step")) or 0
        if by and (resume := whole(request.query_params.get("resume"))) is not None:
            return self._page(request, "item.html", **self._item_facts(request, desk, desk.index(resume)))
        if by:
            index = desk.step(read_filters(request.query_params), key, by)
            if index is None and key is not None and desk.index(key) >= 0:
                index, ended = desk.index(key), True
                return self._page(request, "item.html", ended=ended, **self._item_facts(request, desk, index))
        else:
            index = desk.index(key) if key is not None else -1
            index = index if index >= 0 else None
        return self._page(request, "item.html", **self._item_facts(request, desk, index))

    async def decide(self, request: Request) -> Response:
        """Write a decision down, and show what comes next."""
        desk, session, form = _desk(request), _session(request), await read_form(request)
        verb, index = form.get("verb", ""), desk.index(whole(form.get("key")) or 0)
        if verb not in VERBS or verb == "check" or index < 0:
            return Response("unknown decision or item", 400)
        if (resume := whole(form.get("resume"))) is not None:
            return self._checked(request, index, form, resume)
        filters = read_filters(form)
        after = desk.step(filters, int(desk.queue.key[index]), 1)
        try:
            done = desk.decide(
                index, verb, form.get("value", ""), reviewer=session.reviewer, note=form.get("note", "")[:2000],
                seen=whole(form.get("seen")) or 0,
            )  # fmt: skip
        except ValueError as error:
            return Response(str(error), 400)
        if done.refused:
            facts = self._item_facts(request, desk, index)
            return self._page(request, "item.html", conflict=done.refused[0], **facts)
        if verb == "flag":
            after = index
        if after is None:  # the last of the order: what is left before it, if anything
            after = desk.step(filters, None, 0)
        blind = (
            desk.check(session.reviewer)
            if after is not None and verb != "flag" and not filters.held_out
            else None
        )
        facts = self._item_facts(request, desk, after if blind is None else blind)
        if blind is not None and after is not None:
            facts["resume"] = int(desk.queue.key[after])
        response = self._page(request, "item.html", **facts)
        response.headers["HX-Trigger"] = "changed"
        return response

    def _checked(self, request: Request, index: int, form: Mapping[str, str], resume: int) -> Response:
        """Note the answer to a blind check, and go on where it was put in."""
        desk, verb = _desk(request), form.get("verb", "")
        try:
            if verb != "flag":
                desk.answer(index, verb, form.get("value", ""), reviewer=_session(request).reviewer)
        except ValueError as error:
            return Response(str(error), 400)
        after = desk.index(resume)
        return self._page(
            request, "item.html", **self._item_facts(request, desk, after if after >= 0 else None)
        )

    async def undo(self, request: Request) -> Response:
        """Take back the reviewer's last decision, or last bulk."""
        desk, session, form = _desk(request), _session(request), await read_form(request)
        count = desk.undo(session.reviewer)
        key = whole(form.get("key"))
        index = desk.index(key) if key is not None else -1
        shown = index if index >= 0 else desk.step(read_filters(form), None, 0)
        response = self._page(request, "item.html", undone=count, **self._item_facts(request, desk, shown))
        response.headers["HX-Trigger"] = "changed"
        return response

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
            return Response("the selection has changed; look at it again", 409)
        done = desk.accept_all(filters, reviewer=session.reviewer, seen=whole(form.get("seen")) or 0)
        shown = desk.step(filters, None, 0)
        response = self._page(
            request, "item.html", accepted=done.count, **self._item_facts(request, desk, shown)
        )
        response.headers["HX-Trigger"] = "changed"
        return response

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
        return self._door(request, 403, wrong=True) if name is None else _let_in(name)

    async def media(self, request: Request) -> Response:
        """A picture or a sound of a row, decoded and written anew; only of columns that are inputs."""
        desk, query = _desk(request), request.query_params
        index = desk.index(whole(query.get("key")) or 0)
        kind, number = query.get("kind", ""), whole(query.get("column")) or 0
        if index < 0 or kind not in ("image", "thumb", "sound"):
            return Response("no such medium", 404)
        data, row = desk.rows.dataset_at(int(desk.queue.place[index]))
        columns = data.inputs.get("audio" if kind == "sound" else "image", ())
        if not 0 <= number < len(columns):
            return Response("no such medium", 404)
        try:
            if kind == "sound":
                sound = media.sound(data, columns[number], row)
                body, mime = (None, "") if sound is None else (wav(*sound), "audio/wav")
            else:
                side = PICTURE if kind == "image" else THUMB
                body, mime = media.image(data, columns[number], row, side), "image/png"
        except (DataError, MissingExtra) as error:
            return Response(str(error), 404)
        return Response("none", 404) if body is None else ranged(body, mime, request.headers.get("range"))

    def _queue_facts(
        self, desk: Desk, filters: Filters, key: int | None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        order = desk.queue.ordered(filters)
        page = (whole(query.get("page")) if query else None) or 0
        index = desk.index(key) if key is not None else -1
        key = int(desk.queue.key[index]) if index >= 0 else key
        if not page and index >= 0:
            at = (order == index).nonzero()[0]
            page = int(at[0]) // PAGE + 1 if len(at) else 1
        pages = max(1, -(-len(order) // PAGE))
        page = min(max(page, 1), pages)
        shown = order[(page - 1) * PAGE : page * PAGE]
        lines = [_line(desk, int(i)) for i in shown]
        return {
            "filters": filters, "facets": desk.queue.facets(filters), "lines": lines, "count": len(order), "page": page,
            "pages": pages, "key": key, "orders": ORDERS, "total": len(desk.queue), "query": to_query(filters),
        }  # fmt: skip

    def _item_facts(self, request: Request, desk: Desk, index: int | None) -> dict[str, Any]:
        if index is None:
            return {"item": None, "seen": desk.queue.entry}
        item = desk.item(index)
        data, row = desk.rows.dataset_at(int(desk.queue.place[index]))
        waves = [_wave(data, column, row) for column in item.sounds]
        return {
            "item": item,
            "waves": waves,
            "reliable": desk.reliability(item.task, item.action),
            "seen": desk.queue.entry,
        }

    def _page(self, request: Request, template: str, **facts: Any) -> HTMLResponse:
        session = _session(request)
        speech = self._speech(request)
        text = self.templates.get_template(template).render(
            t=speech, languages=LANGUAGES, csrf=session.csrf, reviewer=session.reviewer, **facts
        )
        return HTMLResponse(text)

    def _door(self, request: Request, status: int, *, wrong: bool = False) -> HTMLResponse:
        text = self.templates.get_template("door.html").render(
            t=self._speech(request),
            with_password=self.door.password is not None,
            wrong=wrong,
            user=self.door.reviewer,
        )
        return HTMLResponse(text, status)

    def _speech(self, request: Request) -> Speech:
        return Speech(
            preferred(request.cookies.get(LANGUAGE, ""), request.headers.get("accept-language", ""))
        )


def _line(desk: Desk, index: int) -> dict[str, Any]:
    queue = desk.queue
    data, row = desk.rows.dataset_at(int(queue.place[index]))
    name = {n: queue.name(n, index) for n in ("task", "position", "action", "old", "new")}
    if name["action"] == ADD:
        name["new"] = ", ".join(recipe_of(data.name, data.ids[row].as_py(), name["new"]).operations)
    return {
        **name, "key": int(queue.key[index]), "row": data.ids[row].as_py(), "dataset": data.name,
        "confidence": float(queue.confidence[index]), "decided": int(queue.decided[index]),
        "flagged": bool(queue.flagged[index]),
    }  # fmt: skip


def _wave(data: Rows, column: str, row: int) -> str:
    """The waveform of a sound, or why there is none."""
    try:
        sound = media.sound(data, column, row)
    except (DataError, MissingExtra) as error:
        return str(error)
    return svg.curve(sound[0], column, width=480, height=72) if sound else ""


def _let_in(name: str) -> Response:
    response = RedirectResponse("/", 303)
    response.set_cookie(COOKIE, name, httponly=True, samesite="strict")
    return response


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _session(request: Request) -> Session:
    session: Session = request.state.session
    return session

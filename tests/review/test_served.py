"""The page over HTTP: who is let in, what is refused, and that nothing from data acts."""

import html
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from crafted import craft
from jointset.ledger import Ledger
from jointset.review.security import TRIES, Door
from served import serve


@pytest.fixture(scope="module")
def page(server):
    return server.enter()


def key_of(text):
    return re.search(r'id="key" name="key" value="(-?\d+)"', text)[1]


def seen_of(text):
    return re.search(r'id="seen" name="seen" value="(\d+)"', text)[1]


def test_it_opens_in_little_time_and_without_torch(server):
    spent = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    # Of the processor, as the wall clock says more of what else runs; about a second and a half, with a few requests.
    assert (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK") < 5
    modules = Path(f"/proc/{server.process.pid}/maps").read_text(encoding="utf-8")
    assert "libtorch" not in modules


def test_nobody_comes_in_without_the_token(server, page):
    for path in ("/", "/queue", "/item?key=1", "/media?key=1&kind=image", "/observed", "/bulk", "/news"):
        assert server.ask(path, cookies={})[0] == 401, path
        assert server.ask(path, cookies=dict.fromkeys(server.cookies, "guessed"))[0] == 401, path
    assert server.ask("/decide", {"key": "1", "verb": "accept"}, cookies={})[0] == 401
    assert server.ask("/?token=guessed", cookies={})[0] == 401
    used = server.url.split(str(server.port), 1)[1]
    assert server.ask(used, cookies={})[0] == 401  # the link works once


def test_a_forged_host_is_refused(server, page):
    for host in (
        "evil.example",
        f"evil.example:{server.port}",
        "127.0.0.1",
        f"127.0.0.1:{server.port}.evil.example",
        "",
    ):
        assert server.ask("/", host=host or " ")[0] == 400, host
    assert server.ask("/", host=f"localhost:{server.port}")[0] == 200


def test_a_foreign_page_cannot_write(server, page):
    form = {"key": key_of(page), "verb": "accept", "seen": "0"}
    assert server.ask("/decide", form, csrf="")[0] == 403
    assert server.ask("/decide", form, csrf="guessed")[0] == 403
    assert server.ask("/decide", form, headers={"Origin": "http://evil.example"})[0] == 403
    assert server.ask(f"/decide?key={key_of(page)}&verb=accept")[0] == 405
    with Ledger(server.run.directory.ledger) as ledger:
        assert not ledger.decisions()


def test_the_policy_allows_no_inline_script(server, page):
    for path in ("/", "/queue", "/static/review.js", "/nowhere"):
        headers = {k.lower(): v for k, v in server.ask(path)[1].items()}
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy and "script-src 'self'" in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    cookie = server.ask("/language", {"language": "en"})[1]["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie


class Found(HTMLParser):
    """The elements of a page with their attributes, as a browser would see them."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))


def test_text_from_data_stays_text(server, page):
    paths = ("/queue?decided=", "/bulk", "/item?key=1", "/item?key=2", "/item?key=3", "/observed")
    for body in [page, *(server.ask(p)[2].decode() for p in paths)]:
        found = Found(body)
        scripts = [a for t, a in found.elements if t == "script"]
        assert all(a["src"].startswith("/static/") for a in scripts) and "<script>" not in body
        assert not [a for _, attrs in found.elements for a in attrs if a.startswith("on")]
        addresses = [
            v for _, attrs in found.elements for a, v in attrs.items() if a in ("href", "src", "action")
        ]
        assert all(a.startswith(("/", "#")) for a in addresses)
        assert {t for t, _ in found.elements}.isdisjoint({"iframe", "object", "embed", "base"})
        if "/media" not in body:
            assert not [t for t, _ in found.elements if t == "img"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_media_and_static_files_cannot_leave_their_place(server, page):
    static = ("../app.py", "..%2fapp.py", "%2e%2e/%2e%2e/cli/main.py")
    media = (
        "key=1&kind=image&column=7",
        "key=1&kind=../../etc/passwd",
        "key=999999&kind=image",
        "key=1&kind=image&column=-1",
    )
    for path in (*(f"/static/{p}" for p in static), *(f"/media?{m}" for m in media)):
        status, _, body = server.ask(path)
        assert status in (404, 405) and b"import" not in body and b"root:" not in body, path


def test_a_decision_is_written_with_its_reviewer_and_note(server, page):
    text = server.ask("/")[2].decode()
    key = key_of(text)
    form = {"key": key, "verb": "label", "value": "good", "note": "said twice", "seen": seen_of(text)}
    status, headers, body = server.ask("/decide", form)
    assert status == 200 and headers.get("hx-trigger") == "changed" and key_of(body.decode()) != key
    with Ledger(server.run.directory.ledger) as ledger:
        made = ledger.decisions()[-1]
    assert (made["verb"], made["value"], made["reviewer"], made["note"]) == (
        "label",
        "good",
        "Ada",
        "said twice",
    )
    assert made["written"] and made["edit"] == int(key)
    for bad in ({"verb": "zap"}, {"key": "x"}, {"verb": "label", "value": "no such label"}):
        assert server.ask("/decide", {**form, **bad})[0] == 400
    assert server.ask("/undo", {"key": key})[0] == 200
    with Ledger(server.run.directory.ledger) as ledger:
        assert not ledger.decisions()


def test_the_second_sees_what_the_first_decided(server, page):
    link = html.unescape(re.search(r'id="invite-link">([^<]+)<', server.ask("/invite", {})[2].decode())[1])
    text = server.ask("/item?key=5")[2].decode()
    with Ledger(server.run.directory.ledger) as ledger:  # somebody else, through another process
        edit = ledger.edits().take([4])
        from jointset.ledger import Decision

        ledger.decide(
            [Decision("d", edit.row[0], edit.task[0], "", "keep", edit.old[0], edit.old[0], 5)],
            reviewer="Bob",
        )
    news = server.ask(f"/news?after={seen_of(text)}")
    assert news[0] == 200 and b"Bob" in news[2]
    status, _, body = server.ask("/decide", {"key": "5", "verb": "accept", "seen": seen_of(text)})
    assert status == 200 and b'role="alert"' in body and b"Bob" in body
    with Ledger(server.run.directory.ledger) as ledger:
        assert [d["reviewer"] for d in ledger.decisions() if d["edit"] == 5] == ["Bob"]
    again = server.ask("/decide", {"key": "5", "verb": "accept", "seen": seen_of(body.decode())})
    assert again[0] == 200
    with Ledger(server.run.directory.ledger) as ledger:
        assert [d["reviewer"] for d in ledger.decisions() if d["edit"] == 5] == ["Ada"]
        assert [e["reviewer"] for e in ledger.entries() if e["edit"] == 5] == ["Bob", "Ada"]  # both stand
    server.ask("/undo", {"key": "5"})
    path = link.split(str(server.port), 1)[1]
    asked = server.ask(path, cookies={})
    assert asked[0] == 200 and b'name="reviewer"' in asked[2] and b"Ada" not in asked[2]
    token = path.split("token=")[1]
    assert server.ask("/enter", {"token": token, "reviewer": " "}, cookies={})[0] == 403
    status, headers, _ = server.ask("/enter", {"token": token, "reviewer": "Eve"}, cookies={})
    assert status == 303 and str(server.port) in headers["set-cookie"].split("=")[0]
    name, value = headers["set-cookie"].split(";")[0].split("=", 1)
    assert b"<strong>Eve</strong>" in server.ask("/", cookies={name: value})[2]
    assert server.ask("/enter", {"token": token, "reviewer": "Bob"}, cookies={})[0] == 403
    assert server.ask(path, cookies={})[0] == 401


def test_bulk_asks_again_when_the_selection_has_changed(server, page):
    bulk = server.ask("/bulk?task=urgent")[2].decode()
    count = re.search(r'name="count" value="(\d+)"', bulk)[1]
    form = {"task": "urgent", "count": str(int(count) + 1), "seen": "999"}
    assert server.ask("/accept", form)[0] == 409
    status, _, body = server.ask("/accept", {**form, "count": count})
    assert status == 200 and count in body.decode()
    with Ledger(server.run.directory.ledger) as ledger:
        assert sum(d["task"] == "urgent" for d in ledger.decisions()) == int(count)
    assert b"observed" not in server.ask("/observed")[2] and b"100.0%" in server.ask("/observed")[2]
    server.ask("/undo", {})
    with Ledger(server.run.directory.ledger) as ledger:
        assert not any(d["task"] == "urgent" for d in ledger.decisions())


def test_a_cell_of_ten_megabytes_does_not_fill_the_page(tmp_path):
    server = serve(craft(tmp_path, cell="<i>x</i>" * (10 * 2**20 // 8)))
    try:
        server.enter()
        text = server.ask("/?decided=&text=r0")[2].decode()
        assert len(text) < 300_000 and "<i>" not in text and "more characters" in text
    finally:
        server.stop()


def test_another_host_needs_a_password(cli, tmp_path):
    run = craft(tmp_path).directory.path
    done = cli("review", run, "--host", "0.0.0.0", "--port", "0")
    assert done.code == 2 and "--password" in done.err and done.err.count("\n") == 1
    assert cli("review", tmp_path / "nowhere").code == 2


def test_wrong_passwords_are_borne_for_a_while_only():
    door = Door(hosts=("a:1",), reviewer="Ada", password="right")
    assert (
        door.log_in("wrong", "Bob") is None and door.sessions[door.log_in("right", "Bob")].reviewer == "Bob"
    )
    assert door.log_in("right", "") is None  # nobody decides in somebody else's name
    for _ in range(TRIES):
        door.log_in("wrong", "Bob")
    assert door.log_in("right", "Bob") is None

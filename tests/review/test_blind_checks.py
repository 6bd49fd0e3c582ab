"""Blind checks: nothing on the page tells them from any other item, and they are taken back like one."""

import re
from html.parser import HTMLParser

import pytest

from crafted import craft
from jointset.ledger import Ledger
from jointset.review import Filters, open_desk
from served import serve

TOLD = (
    "h2",
    "h3",
    "form",
    "button",
    "input",
    "fieldset",
    "legend",
    "label",
    "select",
    "dl",
    "dt",
    "meter",
    "blockquote",
)


class Shape(HTMLParser):
    """The elements of a page with the names and the kinds of values of their attributes; what data says is left out."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in TOLD:
            return
        plain = {
            k: v if k in ("class", "id", "name", "type", "hx-post", "hx-get", "data-key") else ""
            for k, v in attrs
        }
        self.found.append((tag, tuple(sorted(plain.items()))))


@pytest.fixture
def server(tmp_path):
    found = serve(craft(tmp_path, trusted=True), "--checks", "1.0")
    found.enter()
    yield found
    found.stop()


def item_of(text):
    return text.split('aria-label="Review">')[-1].split("</section>")[0]


def value(text, name):
    return re.search(rf'id="{name}" name="{name}" value="(-?\d+)"', text)[1]


def chips(text):
    return [c.strip() for c in re.search(r'<p class="note">(.*?)</p>', text, re.S)[1].split("·")]


def start(server, filters="task=mood&action=relabel"):
    text = server.ask(f"/?{filters}")[2].decode()
    return text, dict(part.split("=") for part in filters.split("&"))


def decide(server, text, filters, verb="accept"):
    form = {**filters, "key": value(text, "key"), "seen": value(text, "seen"), "verb": verb}
    status, headers, body = server.ask("/decide", form)
    assert status == 200 and {k.lower(): v for k, v in headers.items()}["hx-trigger"] == "changed"
    return body.decode()


def test_a_check_looks_like_any_other_item(server):
    ordinary, filters = start(server)
    check = decide(server, ordinary, filters)
    ordinary = item_of(ordinary)
    ids = {r for r, s in zip(server.run.frame.id, server.run.frame.split, strict=True) if s == "holdout"}
    row = chips(check)[1]
    assert re.sub("<.*?>", "", row) in ids  # it is one: a held-out row whose label is known
    assert int(value(check, "key")) > 0 and "resume" not in check
    assert "check" not in check and "held" not in check and "no trusted" not in check
    assert chips(check)[2:] == chips(ordinary)[2:]  # label error, relabel, in force, round 1
    reliable = re.search(r"<dt>Of such changes</dt><dd>(.*?)</dd>", check, re.S)[1]
    assert re.match(r"\s*\d+\.\d%", reliable)
    names = ("sides", "actions", "labels", "note-field", "why")
    assert all(n in check for n in names)
    assert Shape(check).found == Shape(ordinary).found
    page = server.ask(f"/?task=mood&action=relabel&key={value(check, 'key')}")[2].decode()
    assert item_of(page).count(row) >= 1 and value(item_of(page), "key") == value(check, "key")
    lines = re.findall(r'data-item="(-?\d+)"[^>]*?(aria-current="true")?>', page)
    assert [k for k, current in lines if current] == [value(check, "key")]
    assert all(int(k) > 0 for k, _ in lines)


def test_the_answer_is_counted_and_can_be_taken_back_before_the_decision(server):
    ordinary, filters = start(server)
    first = value(ordinary, "key")
    check = decide(server, ordinary, filters)
    after = decide(server, check, filters, "keep")
    assert int(value(after, "key")) not in (int(first), int(value(check, "key")))
    with Ledger(server.run.directory.ledger) as ledger:
        assert ledger.checked() == {"Ada": (1, 1)}
        assert [d["edit"] for d in ledger.decisions()] == [int(first)]
        undone = server.ask("/undo", {**filters, "key": value(after, "key")})[2].decode()
        assert "1 taken back" in undone and ledger.checked() == {}
        assert [d["edit"] for d in ledger.decisions()] == [int(first)]
        server.ask("/undo", {**filters, "key": value(after, "key")})
        assert not ledger.decisions()


def test_flags_and_steps_of_a_check_are_those_of_any_item(server):
    ordinary, filters = start(server)
    second = value(
        server.ask(f"/item?step=1&key={value(ordinary, 'key')}&task=mood&action=relabel")[2].decode(), "key"
    )
    check = decide(server, ordinary, filters)
    flagged = decide(server, check, filters, "flag")
    assert value(flagged, "key") == value(check, "key") and "⚑" in flagged
    ahead = server.ask(f"/item?step=1&key={value(check, 'key')}&task=mood&action=relabel")[2].decode()
    assert value(ahead, "key") == second
    with Ledger(server.run.directory.ledger) as ledger:
        assert ledger.checked() == {} and [e["verb"] for e in ledger.entries()] == ["accept"]


def test_what_others_decided_is_asked_as_if_it_were_open(tmp_path):
    desk = open_desk(craft(tmp_path).directory, checks=1.0)
    assert not desk.trusts
    first, second = (int(i) for i in desk.queue.ordered(Filters(task="mood", action="relabel"))[:2])
    desk.decide(first, "accept", "", reviewer="Bob", note="", seen=desk.queue.entry)
    drawn = desk.check("Ada")
    assert drawn == first
    alias = desk.checks.open(desk.queue, "Ada", int(desk.queue.key[drawn]), int(desk.queue.key[second]))
    shown = desk.disguised("Ada", alias)
    assert (shown.state, shown.reviewer, shown.key) == ("", "", alias) and alias > desk.queue.last_edit
    assert desk.disguised("Bob", alias) is None
    seen = desk.queue.entry
    desk.answer(drawn, "accept", "", reviewer="Ada")
    assert desk.queue.entry > seen and not desk.news("Bob", seen)  # who knows what was a check is not blind
    assert desk.undo("Ada") == 1 and desk.check("Ada") == drawn  # it may be asked again
    desk.close()


def test_the_command_says_when_there_is_nothing_to_check_with(tmp_path):
    server = serve(craft(tmp_path), "--checks", "0.2")
    server.process.terminate()
    told = server.process.communicate(timeout=20)[0]
    assert "no" in told and "marked as trusted (datasets.NAME.trusted)" in told

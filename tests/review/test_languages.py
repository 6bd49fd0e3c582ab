"""Both languages are whole: nothing but what the data says is left in English on a Chinese page."""

import os
import re
from html.parser import HTMLParser

import pytest

from crafted import EVIL, HOSTILE, craft
from jointset.ledger import Decision, Ledger
from jointset.operations import OPERATIONS
from jointset.review.app import HERE, Pages
from jointset.review.phrases import PHRASES, UNITS
from jointset.review.queue import Filters
from jointset.review.security import Door
from jointset.review.words import LANGUAGES, WORDS, Speech
from served import serve

CHINESE = {"Accept-Language": "zh-CN"}
OF_DATA = {
    "mood", "urgent", "amount", "size", "text", "picture", "good", "bad", "yes", "no", "copy", "crafted", "Ada", "EUR",
    "English", "script", "alert", "img", "src", "onerror", "png", "etc", "passwd", "gone",
}  # fmt: skip
SPOKEN = (
    "aria-label",
    "title",
    "alt",
    "placeholder",
    "aria-valuetext",
    "data-gone",
    "data-expired",
    "data-failed",
)


class Said(HTMLParser):
    """What a person reads or hears of a page; what is data stands in elements that leave its direction open."""

    def __init__(self, text):
        super().__init__()
        self.found, self._data, self._open = [], 0, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.found += [attrs[a] for a in SPOKEN if attrs.get(a)]
        if tag in ("input", "img", "meta", "link", "br", "meter"):
            return
        data = "dir" in attrs or tag in ("bdi", "code", "style", "script", "kbd")
        self._open.append((tag, data))
        self._data += data

    def handle_endtag(self, tag):
        while self._open:
            name, data = self._open.pop()
            self._data -= data
            if name == tag:
                return

    def handle_data(self, data):
        if not self._data:
            self.found.append(data)


def english(text, more=()):
    known = OF_DATA | {w for o in OPERATIONS for w in re.split(r"\W|_", o)} | set(more)
    words = {w for said in Said(text).found for w in re.findall(r"[A-Za-z]{3,}", said)}
    return {w for w in words - known if w not in HOSTILE}  # which may be cut short


def with_broken_pictures(folder, n):
    """One outside of the folder, one that is gone, one that is none."""
    (folder / "gone.png").write_text("here while the run was made")
    run = craft(folder, n=n, images=[os.path.relpath("/etc/passwd", folder), "gone.png", "d.csv"])
    (folder / "gone.png").unlink()
    return run


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pytest.importorskip("uvicorn", reason="the review extra is not installed")
    pytest.importorskip("PIL.Image", reason="the image extra is not installed")
    run = with_broken_pictures(tmp_path_factory.mktemp("spoken"), n=120)
    found = serve(run, "--password", "right")
    yield found
    found.stop()


def test_a_chinese_page_has_no_english_left(server):
    door = server.ask("/", headers=CHINESE, cookies={})
    wrong = server.ask("/login", {"password": "wrong", "reviewer": "Eve"}, headers=CHINESE, cookies={})
    assert (door[0], wrong[0]) == (401, 403)
    server.enter()
    get = (
        "/",
        "/?held_out=1",
        "/bulk",
        "/bulk?task=nothing",
        "/observed",
        "/news?after=-1&edit=0",
        "/?text=nothing",
    )
    queues = [f"/?decided=&action={a}" for a in ("relabel", "fill", "drop", "weight", "add")]
    issues = [f"/?decided=&issue={i}" for i in ("spare_copy", "leak_source", "shifted_row", "tail_label")]
    rows = [f"/?decided=&text={r}" for r in ("r0", "r1", "r2", "r3")]
    form = {"key": "1", "verb": "accept", "seen": "0"}
    written = [
        ("/decide", form), ("/decide", {**form, "verb": "flag"}), ("/decide", {**form, "verb": "exclude", "seen": "9"}),
        ("/undo", {"key": "1"}), ("/accept", {"count": "0"}), ("/decide", {**form, "verb": "label", "value": "q"}),
        ("/decide", {**form, "verb": "zap"}), ("/decide", {**form, "key": "46", "verb": "none"}), ("/invite", {}),
    ]  # fmt: skip
    pages = [("door", door[2]), ("wrong", wrong[2])]
    pages += [(path, server.ask(path, headers=CHINESE)[2]) for path in (*get, *queues, *issues, *rows)]
    pages += [(f"{path} {sent}", server.ask(path, sent, headers=CHINESE)[2]) for path, sent in written]
    with Ledger(server.run.directory.ledger) as ledger:
        done = ledger.decide([Decision("d", "r9", "mood", "", "keep", "good", "good")], reviewer="Bob")
        ledger.retract(done.batch, reviewer="Bob")
    news = server.ask("/news?after=0&edit=0", headers=CHINESE)[2]
    assert "撤回" in news.decode() and "Bob" in news.decode()
    pages += [("news", news.replace(b"Bob", b""))]
    pages += [("forged", server.ask("/decide", form, csrf="x", headers=CHINESE)[2])]
    left = {name: words for name, body in pages if (words := english(body.decode()))}
    assert not left
    assert english(server.ask("/")[2].decode()), "the test finds nothing in English either"
    assert all(re.search("[\u4e00-\u9fff]", b.decode()) for _, b in pages)


def test_both_languages_have_every_word():
    assert all(len(said) == len(LANGUAGES) and all(said) for said in WORDS.values())
    used = set()
    for template in (HERE / "templates").glob("*.html"):
        used |= set(re.findall(r"\bt\(['\"](\w+)['\"]\)", template.read_text(encoding="utf-8")))
    assert used <= WORDS.keys(), used - WORDS.keys()
    assert {o.unit for o in OPERATIONS.values()} == UNITS.keys()


def test_names_of_tasks_and_datasets_are_not_translated():
    page = Pages(Door(hosts=("a:1",), reviewer="Ada"))
    facets = {"dataset": [("status", 3)], "task": [("label", 2), ("weight", 1)], "action": [("weight", 3)], "issue": [],
              "status": [], "decided": [], "round": [("1", 3)], "pair": []}  # fmt: skip
    shown = {
        "facets": facets,
        "lines": [],
        "count": 3,
        "total": 3,
        "page": 1,
        "pages": 1,
        "orders": (),
        "query": "",
    }
    for t in map(Speech, LANGUAGES):
        text = page.templates.get_template("queue.html").render(t=t, filters=Filters(task="gone"), **shown)
        for name in ("status", "label", "weight"):
            assert f'<option value="{name}">{name} (' in text
        assert f'<option value="weight">{t("weight")} (3)' in text  # an action has words in every language
        assert 'value="gone" selected>gone (0)' in text


def test_sentences_of_other_rooms_are_known_as_they_are_made(tmp_path):
    """The sentences themselves, so that a changed one is missed here and not on the page."""
    from jointset.errors import DataError
    from jointset.report import media, open_rows

    rows = open_rows(with_broken_pictures(tmp_path, n=40).directory).datasets["d"]
    made = [c.unusual for i in range(6) for c in media.cells(rows, i) if c.unusual]
    for row in range(3):
        with pytest.raises(DataError) as refused:
            media.image(rows, "picture", row, 64)
        made.append(str(refused.value))
    assert len(made) == 4
    for sentence in made:
        assert Speech("en").phrase(sentence) == sentence
        assert re.search("[\u4e00-\u9fff]", Speech("zh").phrase(sentence)), sentence
    assert len(PHRASES) > 10 and EVIL[0] == Speech("zh").phrase(EVIL[0])

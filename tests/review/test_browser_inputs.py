"""What is shown of rows, in a real browser: pictures at full size or a reason, hostile and huge text, keys, axe."""

import os
import re

import numpy as np
import pytest

from browsing import click, come_in, key, look, press, strike, until, visitor
from crafted import EVIL, craft
from jointset.ledger import Ledger
from jointset.review import Filters, open_desk
from served import serve

BIG, TINY = 1500, 8
PICTURES = ["big.png", "tiny.png", "passwd", "words.png", "gone.png", "tiny.png"]
CELL = "<i>x</i>" * (10 * 2**20 // 8)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Rows with pictures of all sorts, one cell of 10 MB, and an edit of a number."""
    pytest.importorskip("uvicorn", reason="the review extra is not installed")
    image = pytest.importorskip("PIL.Image", reason="the image extra is not installed")
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    for name, side in (("big.png", BIG), ("tiny.png", TINY)):
        image.fromarray(rng.integers(0, 255, (side, side), np.uint8)).save(folder / name)
    (folder / "words.png").write_text("root:x:0:0 these are words")
    (folder / "gone.png").write_bytes((folder / "tiny.png").read_bytes())
    outside = os.path.relpath("/etc/passwd", folder)
    assert outside.startswith("../../")
    run = craft(folder, images=[outside if p == "passwd" else p for p in PICTURES], cell=CELL)
    (folder / "gone.png").unlink()
    with Ledger(run.directory.ledger) as ledger:
        first = ledger.edits(round=1).take(np.array([0]))
        given = f"{run.frame.set_index('id').amount[first.row[0]]:.6g}"
        number = first.with_columns(
            task="amount", position="", action="relabel", old=given, new="12.5", confidence=0.8, round=2
        )
        ledger.record_round(2, issues=ledger.issues(1), edits=number, verdicts=[], facts={})
    predictions = (run.directory.round(1) / "predictions.npz").read_bytes()
    run.directory.round(2).mkdir(parents=True, exist_ok=True)
    (run.directory.round(2) / "predictions.npz").write_bytes(predictions)
    found = serve(run)
    found.enter()
    yield found
    found.stop()


@pytest.fixture
def page(server, chromium):
    context, found, problems = visitor(chromium, server)
    come_in(found, server)
    yield found
    assert not problems, problems
    context.close()


@pytest.fixture(scope="module")
def keys(server):
    """Row → the key of an edit of it."""
    desk = open_desk(server.run.directory)
    found = {}
    for index in desk.queue.ordered(Filters(decided="", task="mood")):
        found.setdefault(desk.item(int(index), brief=True).row, int(desk.queue.key[index]))
    desk.close()
    return found


def show(page, server, wanted, more=""):
    page.goto(f"http://127.0.0.1:{server.port}/?decided=&key={wanted}{more}")
    page.wait_for_selector("#item h2")
    assert key(page) == str(wanted)


def row_with(keys, picture):
    """An edit of a row that has the picture."""
    return next(k for r, k in keys.items() if PICTURES[int(r[1:]) % len(PICTURES)] == picture)


def test_an_enlarged_picture_has_all_its_pixels(page, server, keys):
    show(page, server, row_with(keys, "big.png"))
    image = page.locator(".zoom img")
    until(page, lambda: image.evaluate("i => i.complete && i.naturalWidth") == 512)
    click(page, ".zoom")
    until(page, lambda: image.evaluate("i => i.complete && i.naturalWidth") == BIG)
    assert image.evaluate("i => getComputedStyle(i).imageRendering") == "auto"
    assert image.bounding_box()["width"] >= BIG  # to be scrolled in, a pixel for a pixel
    show(page, server, row_with(keys, "tiny.png"))
    image = page.locator(".zoom img")
    until(page, lambda: image.evaluate("i => i.complete && i.naturalWidth") == TINY)
    until(page, lambda: image.evaluate("i => getComputedStyle(i).imageRendering") == "pixelated")


def test_alike_rows_are_shown_with_picture_and_words(page, server, keys):
    show(page, server, row_with(keys, "tiny.png"))
    alike = page.locator(".alike li")
    assert alike.count() > 1 and page.locator(".alike .note").nth(1).inner_text()
    sources = page.locator(".alike img").evaluate_all("all => all.map(i => i.getAttribute('src'))")
    assert len(sources) == alike.count() and all("kind=thumb&near=" in source for source in sources)
    for more in ("near=-1&kind=thumb", "near=1000000&kind=thumb", "near=0&kind=full", "near=0&kind=sound"):
        assert page.request.get(f"http://127.0.0.1:{server.port}/media?key=1&{more}").status == 404


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        ("passwd", "lies outside of the dataset's folder"),
        ("words.png", "not an image that can be shown"),
        ("gone.png", "is not there"),
    ],
)
def test_a_picture_that_is_not_shown_has_a_reason_in_its_place(page, server, keys, picture, told):
    wanted = row_with(keys, picture)
    show(page, server, wanted)
    assert told in page.inner_text("#item .unshown") and page.locator("#item .input img").count() == 0
    for kind in ("image", "full", "thumb"):
        status, _, body = server.ask(f"/media?key={wanted}&kind={kind}&column=0")
        assert status == 404 and told in body.decode() and b"root:" not in body
    page.context.add_cookies(
        [{"name": "jointset_language", "value": "zh", "url": f"http://127.0.0.1:{server.port}"}]
    )
    show(page, server, wanted)
    assert re.search("[\u4e00-\u9fff]", page.inner_text("#item .unshown")) and told not in page.content()


def test_a_huge_cell_is_cut_and_stays_text(page, server, keys):
    show(page, server, keys["r0"])
    text = page.inner_text("#item blockquote")
    assert text.startswith("<i>x</i><i>x</i>") and "more characters" in text and len(text) < 30_000
    assert page.locator("#item blockquote i").count() == 0 and len(page.content()) < 400_000


def test_text_of_other_directions_and_emoji_come_through_whole(page, server, keys):
    wanted = next(r for r in keys if int(r[1:]) % len(EVIL) == 2)
    show(page, server, keys[wanted])
    block = page.locator("#item blockquote")
    assert block.inner_text() == f"{EVIL[2]} no {wanted[1:]}"
    assert "👩‍👩‍👧‍👦" in block.inner_text() and block.get_attribute("dir") == "auto"
    assert block.evaluate("b => getComputedStyle(b).direction") == "rtl"
    edges = "#item > h2, #item .actions button"  # what surrounds it is not turned round
    assert set(page.locator(edges).evaluate_all("es => es.map(e => getComputedStyle(e).direction)")) == {
        "ltr"
    }
    links = next(r for r in keys if int(r[1:]) % len(EVIL) == 1)
    show(page, server, keys[links])
    assert (
        "javascript:alert(1)" in page.inner_text("#item blockquote") and page.locator("#item a").count() == 0
    )


def test_a_forged_host_and_a_missing_token_are_refused_in_the_browser(server, chromium):
    browser = chromium.browser_type.launch(
        executable_path="/usr/bin/chromium",
        args=["--no-sandbox", "--host-resolver-rules=MAP evil.example 127.0.0.1"],
    )
    try:
        page = browser.new_page()
        answer = page.goto(f"http://evil.example:{server.port}/")
        assert answer.status == 400 and "unknown host" in page.content()
        for path in ("/", "/?token=guessed", "/item?key=1", "/media?key=1&kind=image&column=0"):
            answer = page.goto(f"http://127.0.0.1:{server.port}{path}")
            assert answer.status == 401 and "one-time link" in page.inner_text("main")
            assert "r0" not in page.content() and page.locator("#item").count() == 0
        done = page.evaluate(
            "fetch('/decide', {method: 'POST', body: 'key=1&verb=accept'}).then(r => r.status)"
        )
        assert done == 401
    finally:
        browser.close()
    with Ledger(server.run.directory.ledger) as ledger:
        assert not list(ledger.entries())


def test_a_digit_chooses_the_label_that_carries_it(page, server, keys):
    page.goto(f"http://127.0.0.1:{server.port}/?task=mood&action=relabel")
    page.wait_for_selector("#item h2")
    chosen = []
    for digit in ("2", "2"):
        chosen.append((int(key(page)), page.inner_text(f".labels button[data-key='{digit}'] span")))
        press(page, digit)
    with Ledger(server.run.directory.ledger) as ledger:
        found = {d["edit"]: d["value"] for d in ledger.decisions()}
    assert all(found[k] == label for k, label in chosen) and len({label for _, label in chosen}) == 1
    for _ in chosen:
        strike(page, "z")
        page.wait_for_selector("#item .told")
        page.wait_for_timeout(300)


def test_space_skips_after_a_click_on_a_line_and_presses_a_line_that_was_reached_by_tab(page, server):
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("#item h2")
    second, third = (page.get_attribute(f".line >> nth={i}", "data-item") for i in (1, 2))
    click(page, ".line >> nth=1")
    until(page, lambda: key(page) == second)
    press(page, " ")
    assert key(page) == third
    page.focus(".line >> nth=0")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    first = page.evaluate("document.activeElement.dataset.item")
    strike(page, " ")
    until(page, lambda: key(page) == first)


def test_what_changed_is_said_in_a_line_of_its_own(page, server):
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("#item h2")
    assert page.get_attribute("#item", "aria-live") is None
    press(page, "j")
    said = page.inner_text("#said")
    assert page.inner_text("#item h2") in said and len(said) < 500


@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_nothing_serious_on_any_part(page, server, keys, language):
    module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page.context.add_cookies(
        [{"name": "jointset_language", "value": language, "url": f"http://127.0.0.1:{server.port}"}]
    )
    desk = open_desk(server.run.directory)
    kinds = {
        "regression": Filters(task="amount", decided=""),
        "derived": Filters(action="add", decided=""),
        "held out": Filters(held_out=True, decided=""),
    }
    found = {n: int(desk.queue.key[desk.queue.ordered(f)[0]]) for n, f in kinds.items()}
    desk.close()
    shown = [row_with(keys, "tiny.png"), row_with(keys, "passwd"), *found.values()]
    for wanted in shown:
        show(page, server, wanted, "&held_out=1" if wanted < 0 else "")
        look(module, page)
    for button in ("[hx-get='/observed']", "[hx-post='/invite']", "[data-opens=help]"):
        click(page, button)
        page.wait_for_selector("dialog[open] h2")
        look(module, page)
        page.keyboard.press("Escape")
    click(page, "[hx-post='/invite']")
    link = page.inner_text("#invite-link")
    context, door, _ = visitor(page.context.browser, server, locale="zh-CN" if language == "zh" else "en-US")
    door.goto(link)
    door.wait_for_selector("input[name=reviewer]")
    look(module, door)
    door.goto(f"http://127.0.0.1:{server.port}/")
    look(module, door)
    context.close()


def test_numbers_are_typed_and_set(page, server):
    page.goto(f"http://127.0.0.1:{server.port}/?task=amount&decided=")
    page.wait_for_selector("#item h2")
    strike(page, "1")
    assert page.evaluate("document.activeElement.name") == "value"
    page.keyboard.type("11.25")
    page.keyboard.press("Enter")
    wanted = int(key(page))

    def stands():
        with Ledger(server.run.directory.ledger) as ledger:
            return {d["edit"]: d["value"] for d in ledger.decisions()}.get(wanted) == "11.25"

    until(page, stands)
    page.keyboard.press("Escape")
    strike(page, "z")
    page.wait_for_selector("#item .told")

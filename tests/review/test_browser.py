"""The page in a real browser: by keyboard alone, reloaded, in two tabs; and what a screen reader would trip over."""

import re

import pytest

from browsing import at_rest, choose, click, count, key, look, press, strike, until, watch
from crafted import further_round
from jointset import report
from jointset.ledger import Ledger


@pytest.fixture(scope="module")
def context(server, chromium):
    found = chromium.new_context(viewport={"width": 1280, "height": 900})
    found.set_default_timeout(60_000)
    found.problems = []
    first = found.new_page()
    watch(first, found.problems)
    first.goto(server.url)
    first.wait_for_selector("#item h2")
    yield found
    found.close()


@pytest.fixture
def page(context, server):
    found = context.pages[0]
    found.goto(f"http://127.0.0.1:{server.port}/")
    found.wait_for_selector("#item h2")
    context.problems.clear()
    yield found
    assert not context.problems, context.problems


def decisions(server):
    with Ledger(server.run.directory.ledger) as ledger:
        return {d["edit"]: d for d in ledger.decisions()}


def test_keys_accept_keep_choose_exclude_and_undo(page, server):
    start, shown = count(page), []
    for letter, verb in (("a", "accept"), ("x", "keep"), ("1", "label"), ("n", "none"), ("e", "exclude")):
        shown.append((int(key(page)), verb))
        press(page, letter)
    found = decisions(server)
    assert [(k, found[k]["verb"]) for k, _ in shown] == shown
    labels = [found[k]["value"] for k, v in shown if v == "label"]
    assert (
        labels == ["bad"]
        or labels == ["no"]
        or labels == ["<script>alert(1)</script><img src=x onerror=alert(2)>"]
    )
    until(page, lambda: count(page) < start)
    for _ in shown:
        strike(page, "z")
        page.wait_for_selector("#item .told")
        page.wait_for_timeout(300)
    until(page, lambda: not decisions(server))
    until(page, lambda: count(page) == start)


def test_moving_skipping_and_flagging_change_no_label(page, server):
    first = key(page)
    press(page, "j")
    second = key(page)
    press(page, "k")
    assert key(page) == first
    press(page, " ")
    assert key(page) == second and not decisions(server)
    strike(page, "f")
    page.wait_for_selector("#item .chip >> text=⚑")
    assert key(page) == second and not decisions(server)
    strike(page, "z")
    page.wait_for_selector("#item .told")


def test_search_filter_and_reload_keep_the_place(page, server):
    whole = count(page)
    strike(page, "/")
    page.keyboard.type("bell")
    until(page, lambda: 0 < count(page) < whole)
    some = count(page)
    page.keyboard.press("Escape")
    assert page.input_value("#text") == "bell" and page.get_attribute("details", "open") is not None
    choose(page, "select[name=action]", "relabel")
    until(page, lambda: count(page) < some)
    found = count(page)
    at_rest(page)
    second = page.get_attribute(".line >> nth=1", "data-item")
    page.click(f".line[data-item='{second}']")
    until(page, lambda: key(page) == second)
    page.reload()
    page.wait_for_selector("#item h2")
    assert count(page) == found and key(page) == second and page.input_value("#text") == "bell"
    assert page.get_attribute(f"[data-item='{second}']", "aria-current") == "true"


def test_bulk_shows_a_count_and_ten_examples_and_is_one_step_back(page, server):
    click(page, "summary")
    choose(page, "select[name=task]", "urgent")
    until(page, lambda: "task=urgent" in page.url)
    expected = count(page)
    click(page, "button:has-text('Accept all that match')")
    page.wait_for_selector("#bulk-apply")
    assert page.inner_text("#bulk-count") == f"{expected:,}"
    assert page.locator(".samples li").count() == min(10, expected)
    assert re.search(r"\d+\.\d% expected to be right", page.inner_text("#dialog-body"))
    assert not decisions(server)
    click(page, "#bulk-apply")
    until(page, lambda: len(decisions(server)) == expected)
    until(page, lambda: count(page) == 0)
    strike(page, "z")
    until(page, lambda: count(page) == expected)
    assert not decisions(server)


def test_held_out_rows_have_a_queue_of_their_own(page, server):
    click(page, "text=Held-out rows")
    until(page, lambda: count(page) == 6)
    until(page, lambda: int(key(page)) < 0)
    assert "never changed automatically" in page.inner_text("#queue")
    press(page, "x")
    with Ledger(server.run.directory.ledger) as ledger:
        made = ledger.decisions()
        assert len(made) == 1 and made[0]["edit"] is None and made[0]["verb"] == "keep"
        assert (ledger.reviewed().reason == "review: keep by Ada").all()
    strike(page, "z")
    until(page, lambda: not decisions(server))


def test_a_second_tab_sees_the_first(page, context, server):
    other = context.new_page()
    watch(other, context.problems)
    other.goto(page.url)
    other.wait_for_selector("#item h2")
    before, shown = count(other), key(page)
    press(page, "a")
    with Ledger(server.run.directory.ledger) as ledger:
        assert len(ledger.decisions()) == 1
    other.reload()
    other.wait_for_selector("#item h2")
    assert count(other) == before - 1 and other.locator(f"[data-item='{shown}']").count() == 0
    strike(other, "z")
    until(other, lambda: not decisions(server))
    other.close()


def test_nothing_from_data_runs(page, context):
    page.goto(page.url.split("?")[0] + "?decided=&text=alert(1)")
    page.wait_for_selector("#item h2")
    for _ in range(4):
        press(page, "j")
    assert page.locator("#item blockquote script, #item blockquote img, #item a").count() == 0
    assert page.evaluate("document.querySelectorAll('script').length") == 2


def test_help_opens_and_closes_by_keyboard(page):
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.keyboard.press("a")  # no decision behind an open dialog
    page.keyboard.press("Escape")
    until(page, lambda: not page.is_visible("#help"))


def test_everything_can_be_reached_by_tab_with_a_visible_focus(page):
    page.keyboard.press("Tab")
    reached = set()
    for _ in range(40):
        told = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.tagName + (e.name || e.id || e.dataset.key || ''), s.outlineStyle, s.outlineWidth]; })()"
        )
        reached.add(told[0])
        assert told[1] != "none" and told[2] != "0px", told
        page.keyboard.press("Tab")
    assert {"INPUTtext", "SUMMARY"} <= {r.upper() if r == "summary" else r for r in reached}


def test_a_further_round_arrives_while_the_page_is_open(page, server):
    press(page, "j")
    place, before = key(page), count(page)
    new = further_round(server.run)
    page.locator("#new-edits").wait_for()
    assert page.inner_text("#new-edits") == f"{new} new edits of a further round"
    until(page, lambda: count(page) == before + new)
    assert key(page) == place
    page.reload()
    page.wait_for_selector("#item h2")
    assert key(page) == place and count(page) == before + new and page.locator("#new-edits").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page, context, server, scheme):
    module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page.emulate_media(color_scheme=scheme)
    click(page, "summary")
    look(module, page)
    click(page, "button:has-text('Accept all that match')")
    page.wait_for_selector("#bulk-apply")
    look(module, page)
    page.keyboard.press("Escape")
    sheet = context.new_page()
    sheet.emulate_media(color_scheme=scheme)
    sheet.goto(report.write(server.run.directory).as_uri())
    assert sheet.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sheet.set_viewport_size({"width": 360, "height": 740})
    assert sheet.evaluate("document.documentElement.scrollWidth <= innerWidth")
    look(module, sheet)
    sheet.emulate_media(media="print", color_scheme=scheme)
    sheet.set_viewport_size({"width": 794, "height": 1123})  # A4
    assert sheet.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sheet.close()
    context.problems.clear()  # axe itself is told of the policy

"""Two people in two browsers: each under a name of their own, each sees the other, and nothing is lost."""

import pytest

from browsing import click, come_in, count, key, press, strike, until, visitor
from crafted import craft
from jointset.ledger import Ledger
from served import serve


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("uvicorn", reason="the review extra is not installed")
    found = serve(craft(tmp_path))
    found.enter()
    yield found
    found.stop()


@pytest.fixture
def pair(server, chromium):
    """Ada, who started the page, and Bob, who came by her link and said his name."""
    one, ada, first = visitor(chromium, server)
    come_in(ada, server)
    ada.goto(f"http://127.0.0.1:{server.port}/")
    ada.wait_for_selector("#item h2")
    click(ada, "text=Link for one more browser")
    link = ada.inner_text("#invite-link")
    ada.keyboard.press("Escape")
    two, bob, second = visitor(chromium, server)
    bob.goto(link)
    assert "Ada" not in bob.content()
    bob.fill("input[name=reviewer]", "Bob")
    bob.keyboard.press("Enter")
    bob.wait_for_selector("#item h2")
    assert "Bob" in bob.inner_text(".who") and "Ada" in ada.inner_text(".who")
    yield ada, bob
    assert not [p for p in (*first, *second) if "409" not in p], (
        first,
        second,
    )  # a refusal that a test provokes
    one.close()
    two.close()


def standing(server):
    with Ledger(server.run.directory.ledger) as ledger:
        return [(d["reviewer"], d["verb"], d["row"]) for d in ledger.decisions()]


def test_the_second_sees_the_first_without_reloading_and_no_decision_is_lost(server, pair):
    ada, bob = pair
    before, shown = count(bob), key(ada)
    assert key(bob) == shown
    press(ada, "a")
    until(bob, lambda: count(bob) == before - 1)  # by itself
    bob.locator("#news .chip", has_text="Ada").wait_for()
    assert key(bob) == shown and bob.locator(f"[data-item='{shown}']").count() == 0
    strike(bob, "x")
    bob.wait_for_selector("#item [role=alert]")
    assert "Ada" in bob.inner_text("#item [role=alert]") and [r for r, *_ in standing(server)] == ["Ada"]
    press(bob, "x")  # knowing of it
    assert [r for r, *_ in standing(server)] == ["Bob"]
    until(ada, lambda: count(ada) == count(bob))
    mine, theirs = count(ada), []
    bob.goto(f"http://127.0.0.1:{server.port}/?order=row")  # from another end, so that they do not meet
    bob.wait_for_selector("#item h2")
    for page in (ada, bob, ada, bob):
        theirs.append(key(page))
        press(page, "a" if page is ada else "x")
    until(ada, lambda: count(ada) == count(bob))
    assert count(ada) == mine - 4 and len(set(theirs)) == 4
    with Ledger(server.run.directory.ledger) as ledger:
        assert len([e for e in ledger.entries() if e["verb"] in ("accept", "keep")]) == 6
        assert {e["reviewer"] for e in ledger.entries()} == {"Ada", "Bob"}
    strike(ada, "z")  # one's own last decision, not the other's
    ada.wait_for_selector("#item .told")
    assert sum(r == "Bob" for r, *_ in standing(server)) >= 2


def test_excluding_a_row_and_deciding_its_label_warn_each_other(server, pair):
    ada, bob = pair
    strike(ada, "e")
    until(ada, lambda: bool(standing(server)))
    strike(bob, "a")
    alert = bob.locator("#item [role=alert]")
    alert.wait_for()
    assert "Ada" in alert.inner_text() and "stays out" in alert.inner_text()
    assert [r for r, *_ in standing(server)] == ["Ada"]


def test_a_server_that_is_gone_says_so_in_place(server, chromium):
    context, page, problems = visitor(chromium, server)
    come_in(page, server)
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("#item h2")
    server.process.terminate()
    server.process.wait(20)
    strike(page, "a")
    page.wait_for_selector("#alert:not([hidden])")
    assert "does not answer" in page.inner_text("#alert") and "nothing was written" in page.inner_text(
        "#alert"
    )
    assert not standing(server) and problems  # the browser says so as well
    context.close()


def test_a_session_that_is_over_says_what_to_do_and_news_goes_on_afterwards(server, chromium):
    context, page, _ = visitor(chromium, server)
    come_in(page, server)
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("#item h2")
    kept = context.cookies()
    context.clear_cookies()
    strike(page, "a")
    page.wait_for_selector("#alert:not([hidden])")
    assert "open the new link" in page.inner_text("#alert") and page.inner_text("#item h2")
    assert (
        page.locator("#news input[name=after]").count() == page.locator("#news input[name=edit]").count() == 1
    )
    context.add_cookies(kept)
    until(page, lambda: page.locator("#alert").is_hidden())  # the next look for news got through
    assert page.locator("#news input[name=after]").count() == 1
    context.close()


def test_a_selection_that_has_changed_is_told_in_front_of_the_dialog(server, pair):
    ada, bob = pair
    click(ada, "button:has-text('Accept all that match')")
    ada.wait_for_selector("#bulk-apply")
    press(bob, "a")
    click(ada, "#bulk-apply")
    told = ada.locator("#dialog .alert")
    told.wait_for()
    assert "nothing was accepted" in told.inner_text() and len(standing(server)) == 1
    box, window = told.bounding_box(), ada.viewport_size
    at = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    assert 0 < at[0] < window["width"] and 0 < at[1] < window["height"]
    assert ada.evaluate("([x, y]) => !!document.elementFromPoint(x, y).closest('dialog .alert')", at)


def test_two_pages_on_one_machine_leave_each_other_in_peace(server, chromium, tmp_path_factory):
    other = serve(craft(tmp_path_factory.mktemp("other"), n=40))
    context, page, problems = visitor(chromium, server)
    try:
        come_in(page, server)
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector("#item h2")
        page.goto(other.url)
        page.wait_for_selector("#item h2")
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector("#item h2")
        assert not problems, problems
    finally:
        context.close()
        other.stop()

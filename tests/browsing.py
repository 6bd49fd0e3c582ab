"""Ways to drive the page in a real browser."""


def watch(page, problems):
    """Collect what the console, the scripts and dialogs of a page complain of."""
    page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.on("dialog", lambda d: problems.append(f"dialog {d.message}") or d.dismiss())


def key(page):
    """The key of the item on the screen."""
    return page.input_value("#key")


def at_rest(page):
    """Wait until nothing is under way: the page takes no keys while the item on it is about to change."""
    page.wait_for_load_state()
    moving = page.locator(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")
    until(page, lambda: moving.count() == 0)
    page.wait_for_timeout(60)


def strike(page, letter):
    """Press a key once the page takes it."""
    at_rest(page)
    page.keyboard.press(letter)


def click(page, selector):
    """Click once the page takes it: what was put in a moment ago has no handlers yet."""
    at_rest(page)
    page.click(selector)


def choose(page, selector, value):
    """Choose of a list once the page takes it."""
    at_rest(page)
    page.select_option(selector, value)


def press(page, letter):
    """Press a key and wait for another item."""
    at_rest(page)
    before = key(page)
    page.keyboard.press(letter)
    until(page, lambda: key(page) != before)
    at_rest(page)


def until(page, true):
    """Wait for something, up to a quarter of a minute."""
    for _ in range(300):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError("waited in vain")


def count(page):
    """How many items match."""
    return int(page.inner_text("#count").replace(",", ""))


def look(module, page):
    """Fail where axe finds something serious."""
    found = module.Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in serious]


def visitor(chromium, server, **options):
    """A browser of its own, not let in yet, and what it complains of."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options)
    context.set_default_timeout(60_000)
    page, problems = context.new_page(), []
    watch(page, problems)
    return context, page, problems


def come_in(page, server):
    """Use the session of the server's own client."""
    page.context.add_cookies(
        [{"name": n, "value": v, "url": f"http://127.0.0.1:{server.port}"} for n, v in server.cookies.items()]
    )

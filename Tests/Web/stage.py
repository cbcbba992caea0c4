"""A browser and a server for the tests of the web page."""
import contextlib
import os
import shutil
import time

from playwright.sync_api import sync_playwright

import mock_server

# In milliseconds; generous for slow build machines.
TIMEOUT = 30_000
BASE_URL = os.environ.get("BASE_URL")
# How many times slower the pages' processor appears to be.
SLOWDOWN = float(os.environ.get("SLOWDOWN", 1))


def launch(playwright):
    """Starts Chromium: the program without windows of its own, if it is installed, which takes 40 % less CPU time."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])


class Stage:
    """One Chromium for all tests. Each test opens its own windows; `end` fails if any of them had an unexpected error."""

    def __init__(self, playwright):
        self.browser = launch(playwright)
        self.world = self.server = None
        self.problems, self.opened, self.users = [], [], 0

    def begin(self, **world):
        if not BASE_URL:
            self.world = mock_server.World(**{"delay": 0.005} | world)
            self.server = mock_server.Server(self.world)
        self.problems, self.allowed = [], []

    def end(self):
        for context in self.opened:
            context.close()
        self.opened = []
        if self.server:
            self.server.kill()
            self.server = None
        unexpected = [problem for problem in self.problems if not any(word in problem for word in self.allowed)]
        assert not unexpected, unexpected

    @property
    def url(self):
        return BASE_URL or f"http://127.0.0.1:{self.server.port}"

    def stop(self):
        """Stops the server. Returns a function that starts it again."""
        port = self.server.port
        self.server.kill()
        return lambda: setattr(self, "server", mock_server.Server(self.world, port))

    def open(self, hash="", width=1180, height=780, **context):
        """Opens a window with an empty profile and records errors, dialogs, popups and foreign requests."""
        context = self.browser.new_context(viewport={"width": width, "height": height}, **context)
        self.opened.append(context)
        context.set_default_timeout(TIMEOUT)
        context.add_init_script("""addEventListener('securitypolicyviolation',
            (e) => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI))""")
        page = context.new_page()
        if SLOWDOWN > 1:
            context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        self.watch(page)
        page.goto(self.url + "/" + hash)
        page.wait_for_selector("html[data-ready]")
        return page

    def watch(self, page):
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", lambda message: message.type in ("error", "warning")
                and self.problems.append(f"console: {message.text}"))
        page.on("dialog", lambda dialog: (self.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("popup", lambda popup: self.problems.append(f"popup: {popup.url}"))
        own = (self.url, "blob:" + self.url, "data:")
        page.on("request", lambda request: request.url.startswith(own) or self.problems.append(f"request: {request.url}"))

    def name(self):
        self.users += 1
        return f"user-{os.getpid()}-{self.users}"

    def register(self, page, name=None):
        name = name or self.name()
        page.goto(self.url + "/#/register")
        fill_account(page, name)
        page.wait_for_selector("#user:not([hidden])", state="attached")
        return name

    def open_registered(self):
        """Opens a page and registers an account."""
        page = self.open()
        self.register(page)
        return page

    def open_as(self, name, password):
        """Opens another page, as on another device, and logs in."""
        page = self.open("#/login")
        fill_account(page, name, password)
        page.wait_for_selector("#conversations a")
        return page


def scripted(test):
    """Marks a test that needs the mock server's answers, faults or clock."""
    test.scripted = True
    return test


def eventually(check, seconds=60):
    end = time.time() + seconds
    while not check():
        assert time.time() < end, f"timed out after {seconds} s"
        time.sleep(0.05)


def show(page, address, selector):
    """Opens an address, and waits for what a selector finds."""
    page.goto(address)
    page.wait_for_selector(selector)


def reload(page, selector):
    page.reload()
    page.wait_for_selector(selector)


def click(page, selector, shown):
    """Clicks what a selector finds, and waits for what another one finds."""
    page.click(selector)
    page.wait_for_selector(shown)


def press(page, *keys, shown=None):
    """Presses keys, and waits for what a selector finds."""
    for key in keys:
        page.keyboard.press(key)
    if shown:
        page.wait_for_selector(shown)


def downloaded(page, selector):
    """Clicks what a selector finds. Returns the download that begins with it."""
    with page.expect_download() as download:
        page.click(selector)
    return download.value


def fill_account(page, name, password="correct horse"):
    """Logs in or registers, whichever form is open."""
    page.fill("#username", name)
    page.fill("#password", password)
    page.click("#account-submit")


def enter(page, selector, text, shown=None):
    """Types a text into a field, ends it with Enter, and waits for what a selector finds."""
    page.fill(selector, text)
    page.press(selector, "Enter")
    if shown:
        page.wait_for_selector(shown)


def ask(page, text, wait=True, shown=None):
    """Sends a message. Waits for what a selector finds, or else for the answer."""
    enter(page, "#message", text, shown)
    if wait and not shown:
        answered(page)


def answered(page):
    page.wait_for_selector(".message.assistant:last-child:not(.streaming) .actions", state="attached")
    page.wait_for_selector("#send", state="visible")


def texts(page, kind):
    return page.locator(f".message.{kind} .body").all_inner_texts()


def overflow(page):
    """Returns by how many pixels the page is wider than its window, and up to three elements that overflow."""
    return page.evaluate("""() => {
        const excess = document.documentElement.scrollWidth - innerWidth;
        const scrolling = '.visually-hidden, .skip, pre, .table, .area-tabs, svg, #sidebar';
        const outside = [...document.querySelectorAll('body *')].filter((e) =>
            e.checkVisibility() && !e.closest(scrolling) && e.getBoundingClientRect().right > innerWidth + 1);
        return [Math.max(excess, 0), ...outside.slice(0, 3).map((e) => e.tagName + '.' + e.className)]; }""")


@contextlib.contextmanager
def stage():
    with sync_playwright() as playwright:
        shared = Stage(playwright)
        try:
            yield shared
        finally:
            shared.browser.close()

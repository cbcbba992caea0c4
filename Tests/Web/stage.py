"""A browser before a server, for the tests of the page."""
import contextlib
import os
import shutil

from playwright.sync_api import sync_playwright

import mock_server

# Machines that build are slow at times; nothing here waits longer than it must.
PATIENCE = 30_000
BASE_URL = os.environ.get("BASE_URL")


class Stage:
    """One Chromium for all tests; each opens windows of its own, and all that goes wrong in any of them is told at the end."""

    def __init__(self, playwright):
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
        self.browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        self.world = self.server = None
        self.troubles, self.opened, self.people = [], [], 0

    def begin(self, **world):
        if not BASE_URL:
            self.world = mock_server.World(**{"delay": 0.005} | world)
            self.server = mock_server.Server(self.world)
        self.troubles, self.allowed = [], []

    def end(self):
        for context in self.opened:
            context.close()
        self.opened = []
        if self.server:
            self.server.kill()
            self.server = None
        unexpected = [trouble for trouble in self.troubles if not any(word in trouble for word in self.allowed)]
        assert not unexpected, unexpected

    @property
    def url(self):
        return BASE_URL or f"http://127.0.0.1:{self.server.port}"

    def restart(self):
        port = self.server.port
        return lambda: setattr(self, "server", mock_server.Server(self.world, port))

    def open(self, hash="", width=1180, height=780, **context):
        """A window of somebody new, with watchers of everything that must not happen."""
        context = self.browser.new_context(viewport={"width": width, "height": height}, **context)
        self.opened.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script("addEventListener('securitypolicyviolation', (e) => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI))")
        page = context.new_page()
        self.watch(page)
        page.goto(self.url + "/" + hash)
        page.wait_for_selector("html[data-ready]")
        return page

    def watch(self, page):
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on("console", lambda message: message.type in ("error", "warning") and self.troubles.append(f"console: {message.text}"))
        page.on("dialog", lambda dialog: (self.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("popup", lambda popup: self.troubles.append(f"popup: {popup.url}"))
        page.on("request", lambda request: request.url.startswith((self.url, "blob:" + self.url, "data:")) or self.troubles.append(f"request: {request.url}"))

    def name(self):
        self.people += 1
        return f"person-{os.getpid()}-{self.people}"

    def register(self, page, name=None):
        name = name or self.name()
        page.goto(self.url + "/#/register")
        page.fill("#username", name)
        page.fill("#password", "correct horse")
        page.click("#account-submit")
        page.wait_for_selector("#person:not([hidden])", state="attached")
        return name


def ask(page, text, wait=True):
    page.fill("#message", text)
    page.press("#message", "Enter")
    if wait:
        answered(page)


def answered(page):
    page.wait_for_selector(".message.assistant:last-child:not(.growing) .actions", state="attached")
    page.wait_for_selector("#send", state="visible")


def texts(page, kind):
    return page.locator(f".message.{kind} .body").all_inner_texts()


def wide(page):
    """How far the page is wider than its window, in pixels; the parts that are."""
    return page.evaluate("""() => { const wide = document.documentElement.scrollWidth - innerWidth;
        const out = [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('.visually-hidden, .skip, pre, .table, svg, #sidebar') && e.getBoundingClientRect().right > innerWidth + 1);
        return [Math.max(wide, 0), ...out.slice(0, 3).map((e) => e.tagName + '.' + e.className)]; }""")


@contextlib.contextmanager
def stage():
    with sync_playwright() as playwright:
        made = Stage(playwright)
        try:
            yield made
        finally:
            made.browser.close()

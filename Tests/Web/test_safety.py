"""Tests that no answer, title or stream can harm the page, and that the page is accessible."""
import pathlib

import axe_playwright_python

import hostile
from stage import answered, ask, click, overflow, show

AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

# The elements and attributes that an answer may contain.
TAGS = {"P", "STRONG", "EM", "DEL", "CODE", "PRE", "DIV", "SPAN", "A", "BDI", "UL", "OL", "LI", "H3", "H4", "H5", "H6", "HR", "BLOCKQUOTE",
        "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "BUTTON", "DETAILS", "SUMMARY", "svg", "use"}
INSPECT = """() => { const body = document.querySelector('.message.assistant .body');
    const all = [...body.querySelectorAll('*')];
    return { tags: [...new Set(all.map((e) => e.tagName))],
        attributes: [...new Set(all.flatMap((e) => [...e.attributes].map((a) => a.name)))],
        links: all.filter((e) => e.tagName === 'A').map((e) => [e.href, e.rel, e.target, e.textContent]),
        text: body.textContent, harmed: window.harmed ?? 0, title: document.title, url: location.href,
        display: getComputedStyle(document.querySelector('#composer')).display,
        excess: body.getBoundingClientRect().right - document.querySelector('#thread').getBoundingClientRect().right }; }"""
ATTRIBUTES = {"dir", "class", "href", "target", "rel", "title", "start", "tabindex", "role", "aria-label", "type", "aria-hidden", "scope"}
CONTROLS = {chr(code) for code in [*range(0x20), 0x7f, *range(0x80, 0xa0), *range(0x202a, 0x202f)]} - {"\n", "\t"}


def test_hostile_answers(stage):
    """Shows each answer in two halves, as if it were streamed, and checks the page afterwards."""
    page = stage.open(width=390, height=700)
    assert len(hostile.ANSWERS) == 200
    page.evaluate("""async () => { const { Thread } = await import('/web/chat/thread.js');
        window.show = (text) => { const list = document.getElementById('thread'); const thread = new Thread({ isGuest: () => true, isBusy: () => false, model: () => '' });
            thread.clear(); const message = { role: 'assistant', content: text.slice(0, text.length / 2), state: 'streaming' };
            thread.show([message]); message.content = text; message.state = undefined; thread.show([message]); }; }""")
    url, title = page.url, page.title()
    for number, answer in enumerate(hostile.ANSWERS):
        page.evaluate("(text) => window.show(text)", answer)
        seen = page.evaluate(INSPECT)
        where = f"answer {number}: {answer[:60]!r}"
        assert set(seen["tags"]) <= TAGS, (where, seen["tags"])
        assert set(seen["attributes"]) <= ATTRIBUTES, (where, seen["attributes"])
        for href, rel, target, text in seen["links"]:
            assert href.startswith(("https://", "http://")) and "@" not in href.split("/")[2], (where, href)
            assert rel == "noopener noreferrer nofollow" and target == "_blank", (where, href)
            assert href.split("/")[2] in text, (where, href, text)
        assert not CONTROLS & set(seen["text"]), (where, CONTROLS & set(seen["text"]))
        assert seen["harmed"] == 0 and seen["title"] == title and seen["url"] == url and seen["display"] == "flex", (where, seen)
        assert overflow(page) == [0] and seen["excess"] <= 1, (where, overflow(page))
        assert not stage.problems, (where, stage.problems)
    assert page.is_enabled("#message")


def test_hostile_answers_from_the_server(stage):
    """Some answers of each kind, streamed by the server."""
    page = stage.open()
    for number in (0, 20, 45, 80, 98, 113, 128, 162, 194, 195, 199):
        page.click("#new-chat")
        ask(page, f"/hostile {number}")
        assert not stage.problems and page.evaluate("window.harmed") is None, (number, stage.problems)
    assert page.locator(".message.assistant").count() == 1


test_hostile_answers_from_the_server.scripted = True


def test_hostile_names(stage):
    """Titles are generated from messages, which are untrusted."""
    page = stage.open_registered()
    ask(page, "<img src=x onerror=alert(1)> \u202e **x** " + "w" * 300)
    page.wait_for_selector("#conversations a")
    assert page.locator("#conversations img, .message.user img, .message.user strong").count() == 0
    assert overflow(page) == [0], overflow(page)
    assert "\u202e" not in page.inner_text("#conversations") + page.inner_text(".user .body")


def test_policy(stage):
    """The content security policy blocks a script that was injected into the page."""
    page = stage.open()
    stage.allowed += ["policy:", "Content Security Policy", "404"]
    policy = page.evaluate("fetch('/').then((r) => r.headers.get('Content-Security-Policy'))")
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'",
                 "form-action 'self'", "frame-ancestors 'none'"):
        assert part in policy, part
    page.evaluate("""() => {
        const script = document.createElement('script'); script.textContent = 'window.harmed = 1'; document.body.append(script);
        const image = document.createElement('div'); image.innerHTML = '<img src=x onerror="window.harmed = 1">';
        document.body.append(image); }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.harmed") is None
    forbidden = (".innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser")
    for url in page.evaluate("performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.endsWith('.js'))"):
        text = page.evaluate("(url) => fetch(url).then((r) => r.text())", url)
        assert not any(word in text for word in forbidden), url


def test_markdown(stage):
    page = stage.open()
    cases = {
        "a **b** *c* `d` ~~e~~ ***f***": "<p>a <strong>b</strong> <em>c</em> <code>d</code> <del>e</del> <strong><em>f</em></strong></p>",
        "snake_case_name and 2*3*4 * 5": "<p>snake_case_name and 2<em>3</em>4 * 5</p>",
        "**a *b* c**": "<p><strong>a <em>b</em> c</strong></p>",
        "**never closed and `neither": "<p>**never closed and `neither</p>",
        "\\*not\\* \\`this\\`": "<p>*not* `this`</p>",
        "# A\n### B\ntext": "<h3>A</h3><h4>B</h4><p>text</p>",
        "- a\n- b\n  1. c\n  2. d\n- e": "<ul><li>a</li><li>b<ol><li>c</li><li>d</li></ol></li><li>e</li></ul>",
        "3. a\n4. b\n\ntext": "<ol start=\"3\"><li>a</li><li>b</li></ol><p>text</p>",
        "- a\n\n- b": "<ul><li>a</li><li>b</li></ul>",
        "> a\n> - b\n\nc": "<blockquote><p>a</p><ul><li>b</li></ul></blockquote><p>c</p>",
        "a\n---\nb": "<p>a</p><hr><p>b</p>",
        "| a | b |\n|---|:-:|\n| 1 |":
            "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td></td></tr></tbody></table>",
        "a | b": "<p>a | b</p>",
        "```py\nx = '**'\n```\nafter": "<pre><code>x = <span>'**'</span></code></pre><p>after</p>",
        "~~~\n```\n~~~": "<pre><code>```</code></pre>",
        "```\nopen": "<pre><code>open</code></pre>",
        "[a](https://b.example/c)": "<p><a>a (b.example)</a></p>",
        "https://b.example/c.": "<p><a>https://b.example/c</a>.</p>",
        "(see https://b.example/a_(b))": "<p>(see <a>https://b.example/a_(b)</a>)</p>",
        "[a](javascript:b) <b>c</b> &amp;": "<p>[a](javascript:b) &lt;b&gt;c&lt;/b&gt; &amp;amp;</p>",
        "line\nbreak": "<p>line\nbreak</p>",
        "<think>\n*a*\n\nb\n</think>\n\nc": "<details><summary>Thoughts</summary><div><p><em>a</em></p><p>b</p></div></details><p>c</p>",
        "<think>a": "<details><summary>Thinking…</summary><div><p>a</p></div></details>",
        # The template has written the first mark into the prompt.
        "a\n</think>\nb": "<details><summary>Thoughts</summary><div><p>a</p></div></details><p>b</p>",
        "<think>\n\n</think>\n\na": "<p>a</p>",
        "a `<think>`\n<think>\nb": "<p>a <code>&lt;think&gt;</code></p><p>&lt;think&gt;\nb</p>",
        "```\n<think>\n</think>\n```": "<pre><code>&lt;think&gt;\n&lt;/think&gt;</code></pre>",
        "a\n<tool_call>\n{\"name\": \"<b>\"}\n</tool_call> b":
            "<p>a</p><details><summary>Tool call: &lt;b&gt;</summary><div><pre><code>{<span>\"name\"</span>: <span>\"&lt;b&gt;\"</span>}</code></pre>"
            "</div></details>"
            "<p> b</p>",
        "[TOOL_CALLS] [{\"name\": \"f\"}, {\"name\": \"g\"}]":
            "<details><summary>Tool call: f, g</summary><div><pre><code>[{<span>\"name\"</span>: <span>\"f\"</span>}, "
            "{<span>\"name\"</span>: <span>\"g\"</span>}]</code></pre></div></details>",
        "<tool_response>x</tool_response>": "<details><summary>Tool result</summary><div><pre><code>x</code></pre></div></details>",
        "": "",
    }
    render = """async (text) => {
        const { MarkdownView } = await import('/web/chat/markdown.js');
        const element = document.createElement('div'); new MarkdownView(element).show(text);
        element.querySelectorAll('.code, .table').forEach((e) => e.replaceWith(e.querySelector('pre, table')));
        element.querySelectorAll('a').forEach((e) => { e.textContent = e.textContent; });
        element.querySelectorAll('*').forEach((e) => [...e.attributes].forEach((a) => a.name === 'start' || e.removeAttribute(a.name)));
        return element.innerHTML; }"""
    for text, expected in cases.items():
        found = page.evaluate(render, text)
        assert found == expected, f"{text!r}: {found}"
    # Rendering character by character gives the same result as rendering at once, and unchanged blocks keep their nodes.
    same = page.evaluate("""async (text) => {
        const { MarkdownView } = await import('/web/chat/markdown.js');
        const streamed = document.createElement('div'), whole = document.createElement('div'), view = new MarkdownView(streamed);
        let first;
        for (let n = 0; n <= text.length; n++) { view.show(text.slice(0, n)); if (n === 40) first = streamed.firstChild; }
        new MarkdownView(whole).show(text);
        return [streamed.innerHTML === whole.innerHTML, streamed.firstChild === first]; }""",
        "# Title of the text\n\nA paragraph, **bold**.\n\n" + "\n\n".join(cases))
    assert same == [True, True], same
    slow = page.evaluate("""async () => {
        const { blocksOf } = await import('/web/chat/markdown-blocks.js'), start = performance.now();
        for (const unit of ['<think>', '</think>', '</think>\\n', '<think></think>', '<think>\\n', '<tool_call>', '<tool_call>x</tool_call>',
            '<tool_call>\\n</tool_call>\\n', '[TOOL_CALLS]\\n', '[[', 'x</think>\\n```\\n']) blocksOf(unit.repeat(200000 / unit.length));
        return performance.now() - start; }""")
    assert slow < 20_000, slow


def test_events(stage):
    """Server-sent events, split at every byte, with every kind of line ending."""
    page = stage.open()
    stream = (": heartbeat\r\nevent: start\r\ndata: {\"a\":1}\r\n\r\ndata:é\ndata: two\n\nevent: x\rdata: ☃\r\r: only a comment\n\n"
              "id: 7\ndata: last\n\ndata: incomplete")
    found = page.evaluate("""async (text) => {
        const { events } = await import('/web/common/sse.js');
        const bytes = new TextEncoder().encode(text), all = new Set();
        for (let at = 0; at <= bytes.length; at++) {
            const body = new ReadableStream({ start(c) {
                if (at) c.enqueue(bytes.slice(0, at));
                c.enqueue(bytes.slice(at)); c.close(); } });
            const list = [];
            for await (const e of events(body)) list.push([e.event, e.data]);
            all.add(JSON.stringify(list)); }
        return [...all]; }""", stream)
    assert found == ['[["start","{\\"a\\":1}"],["message","é\\ntwo"],["x","☃"],["message","last"]]'], found


def test_dates(stage):
    page = stage.open()
    dates = {(2026, 10, 20, 0, 10): "Today", (2026, 10, 19, 23, 50): "Yesterday", (2026, 10, 18, 12): "Previous 7 days",
             (2026, 10, 13, 1): "Previous 7 days", (2026, 10, 1): "Previous 30 days", (2026, 2, 1): "March", (2024, 1, 1): "2024",
             (2027, 1, 1): "Today"}
    groups = page.evaluate("""async (dates) => {
        const { groupOf } = await import('/web/chat/dates.js');
        const now = new Date(2026, 10, 20, 0, 30);
        return dates.map((d) => groupOf(new Date(...d).toISOString(), now)); }""", [list(date) for date in dates])
    assert groups == list(dates.values()), groups


def check_axe(page, view):
    page.evaluate(AXE)
    passes, violations = page.evaluate("""axe.run(document, { resultTypes: ['violations'] }).then((r) => [r.passes.length,
        r.violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + n.failureSummary)])])""")
    assert not violations, (view, violations)
    assert passes > 15, (view, f"only {passes} axe rules applied")
    unexplained = page.evaluate("""[...document.querySelectorAll('button, a, summary')].filter((e) => e.checkVisibility({ checkVisibilityCSS: true }))
        .filter((e) => !e.textContent.trim() && !(e.title && e.ariaLabel)).map((e) => e.id || e.ariaLabel || e.className)""")
    assert not unexplained, (view, unexplained)


def open_from_header(page, label, id):
    """Opens a dialog from the header: with a button, or on narrow pages with a menu."""
    if page.viewport_size["width"] >= 768:
        return page.click("#" + id)
    page.click("#more")
    page.click(f"role=menuitem[name='{label}']")


def test_accessibility(stage):
    """All axe rules on every view, light and wide, dark and narrow."""
    for scheme, width in (("light", 1180), ("dark", 360)):
        if stage.world:
            stage.world.training = True
        page = stage.open(width=width, color_scheme=scheme, reduced_motion="reduce")
        check_axe(page, "welcome")
        page.goto(stage.url + "/#/register")
        page.click("#account-submit")
        check_axe(page, "register")
        stage.register(page)
        show(page, stage.url + "/#/account", ".account-row")
        page.click("#delete-account")
        check_axe(page, "account")
        page.goto(stage.url + "/#/")
        ask(page, "/markdown")
        answered(page)
        check_axe(page, "chat")
        click(page, "[aria-label='Regenerate answer']", ".alternatives")
        answered(page)
        click(page, "[aria-label='Bad answer']", ".reasons")
        check_axe(page, "alternatives and rating")
        page.keyboard.press("Escape")
        page.click("[aria-label='Correct answer']")
        check_axe(page, "correction")
        page.fill(".correct textarea", "Better")
        click(page, ".correct .primary", ".corrected")
        check_axe(page, "corrected")
        open_from_header(page, "This conversation", "open-conversation")
        check_axe(page, "conversation")
        page.keyboard.press("Escape")
        open_from_header(page, "Settings", "open-settings")
        check_axe(page, "settings")
        page.keyboard.press("Escape")
        if width < 768:
            page.click("#toggle-sidebar")
            check_axe(page, "drawer")
        else:
            page.click("#open-shortcuts")
            check_axe(page, "shortcuts")
            page.keyboard.press("Escape")
        page.click("#conversations .icon-button")
        check_axe(page, "menu")

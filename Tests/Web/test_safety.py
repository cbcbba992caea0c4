"""What an answer may do to the page: nothing. And what everybody can read of it: all."""
import pathlib

import axe_playwright_python

import hostile
from stage import answered, ask, wide

AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

# All that an answer may be made of.
SAFE = {"P", "STRONG", "EM", "DEL", "CODE", "PRE", "DIV", "SPAN", "A", "BDI", "UL", "OL", "LI", "H3", "H4", "H5", "H6", "HR", "BLOCKQUOTE", "TABLE", "THEAD", "TBODY", "TR",
        "TH", "TD", "BUTTON", "svg", "use"}
LOOK = """() => { const body = document.querySelector('.message.assistant .body');
    const all = [...body.querySelectorAll('*')];
    return { tags: [...new Set(all.map((e) => e.tagName))],
        attributes: [...new Set(all.flatMap((e) => [...e.attributes].map((a) => a.name)))],
        links: all.filter((e) => e.tagName === 'A').map((e) => [e.href, e.rel, e.target, e.textContent]),
        text: body.textContent, harmed: window.harmed ?? 0, title: document.title, address: location.href,
        painted: getComputedStyle(document.querySelector('#composer')).display,
        below: body.getBoundingClientRect().right - document.querySelector('#thread').getBoundingClientRect().right }; }"""
ATTRIBUTES = {"dir", "class", "href", "target", "rel", "title", "start", "tabindex", "role", "aria-label", "type", "aria-hidden", "scope"}
ACTING = {chr(code) for code in [*range(0x20), 0x7f, *range(0x80, 0xa0), *range(0x202a, 0x202f)]} - {"\n", "\t"}


def test_hostile_answers(stage):
    """Each is shown the way an answer is that streams in, in two halves; the page must be whole after each of them."""
    page = stage.open(width=390, height=700)
    assert len(hostile.ANSWERS) == 200
    page.evaluate("""async () => { const { Thread } = await import('/web/thread.js');
        window.show = (text) => { const list = document.getElementById('thread'); const thread = new Thread({});
            thread.clear(); const message = { role: 'assistant', content: text.slice(0, text.length / 2), state: 'streaming' };
            thread.show([message]); message.content = text; message.state = undefined; thread.show([message]); }; }""")
    address, title = page.url, page.title()
    for number, answer in enumerate(hostile.ANSWERS):
        page.evaluate("(text) => window.show(text)", answer)
        seen = page.evaluate(LOOK)
        where = f"answer {number}: {answer[:60]!r}"
        assert set(seen["tags"]) <= SAFE, (where, seen["tags"])
        assert set(seen["attributes"]) <= ATTRIBUTES, (where, seen["attributes"])
        for href, rel, target, text in seen["links"]:
            assert href.startswith(("https://", "http://")) and "@" not in href.split("/")[2] and rel == "noopener noreferrer nofollow" and target == "_blank", (where, href)
            assert href.split("/")[2] in text, (where, href, text)
        assert not ACTING & set(seen["text"]), (where, ACTING & set(seen["text"]))
        assert seen["harmed"] == 0 and seen["title"] == title and seen["address"] == address and seen["painted"] == "flex", (where, seen)
        assert wide(page) == [0] and seen["below"] <= 1, (where, wide(page))
        assert not stage.troubles, (where, stage.troubles)
    assert page.is_enabled("#message")


def test_hostile_answers_from_the_server(stage):
    """Some of each kind, all the way through the network."""
    page = stage.open()
    for number in (0, 20, 45, 80, 98, 113, 128, 162, 194, 195, 199):
        page.click("#new-chat")
        ask(page, f"/hostile {number}")
        assert not stage.troubles and page.evaluate("window.harmed") is None, (number, stage.troubles)
    assert page.locator(".message.assistant").count() == 1


test_hostile_answers_from_the_server.scripted = True


def test_hostile_names(stage):
    """Titles come from questions, and questions from anybody."""
    page = stage.open()
    stage.register(page)
    ask(page, "<img src=x onerror=alert(1)> \u202e **x** " + "w" * 300)
    page.wait_for_selector("#conversations a")
    assert page.locator("#conversations img, .message.user img, .message.user strong").count() == 0 and wide(page) == [0], wide(page)
    assert "\u202e" not in page.inner_text("#conversations") + page.inner_text(".user .body")


def test_policy(stage):
    """The browser was told, and obeys: even a script that got into the page would not run."""
    page = stage.open()
    stage.allowed += ["policy:", "Content Security Policy", "404"]
    policy = page.evaluate("fetch('/').then((r) => r.headers.get('Content-Security-Policy'))")
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"):
        assert part in policy, part
    page.evaluate("""() => { const script = document.createElement('script'); script.textContent = 'window.harmed = 1'; document.body.append(script);
        const image = document.createElement('div'); image.innerHTML = '<img src=x onerror="window.harmed = 1">'; document.body.append(image); }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.harmed") is None
    for name in page.evaluate("performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.endsWith('.js'))"):
        text = page.evaluate("(address) => fetch(address).then((r) => r.text())", name)
        assert not any(word in text for word in (".innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser")), name


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
        "| a | b |\n|---|:-:|\n| 1 |": "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td></td></tr></tbody></table>",
        "a | b": "<p>a | b</p>",
        "```py\nx = '**'\n```\nafter": "<pre><code>x = '**'</code></pre><p>after</p>",
        "~~~\n```\n~~~": "<pre><code>```</code></pre>",
        "```\nopen": "<pre><code>open</code></pre>",
        "[a](https://b.example/c)": "<p><a>a (b.example)</a></p>",
        "https://b.example/c.": "<p><a>https://b.example/c</a>.</p>",
        "(see https://b.example/a_(b))": "<p>(see <a>https://b.example/a_(b)</a>)</p>",
        "[a](javascript:b) <b>c</b> &amp;": "<p>[a](javascript:b) &lt;b&gt;c&lt;/b&gt; &amp;amp;</p>",
        "line\nbreak": "<p>line\nbreak</p>",
        "": "",
    }
    draw = """async (text) => { const { MarkdownView } = await import('/web/markdown.js'); const element = document.createElement('div'); new MarkdownView(element).show(text);
        element.querySelectorAll('.code, .table').forEach((e) => e.replaceWith(e.querySelector('pre, table')));
        element.querySelectorAll('a').forEach((e) => { e.textContent = e.textContent; });
        element.querySelectorAll('*').forEach((e) => [...e.attributes].forEach((a) => a.name === 'start' || e.removeAttribute(a.name))); return element.innerHTML; }"""
    for text, wanted in cases.items():
        found = page.evaluate(draw, text)
        assert found == wanted, f"{text!r}: {found}"
    # However it is torn while it streams, in the end it is the same as at once; blocks that stayed have their nodes.
    same = page.evaluate("""async (text) => { const { MarkdownView } = await import('/web/markdown.js'); const torn = document.createElement('div'), whole = document.createElement('div');
        const view = new MarkdownView(torn); let first; for (let n = 0; n <= text.length; n++) { view.show(text.slice(0, n)); if (n === 40) first = torn.firstChild; }
        new MarkdownView(whole).show(text); return [torn.innerHTML === whole.innerHTML, torn.firstChild === first]; }""", "# Title of the text\n\nA paragraph, **bold**.\n\n" + "\n\n".join(cases))
    assert same == [True, True], same


def test_events(stage):
    """Server-sent events, torn at every byte, with every kind of line end."""
    page = stage.open()
    stream = ": beat\r\nevent: start\r\ndata: {\"a\":1}\r\n\r\ndata:é\ndata: two\n\nevent: x\rdata: ☃\r\r: only a comment\n\nid: 7\ndata: last\n\ndata: torn"
    found = page.evaluate("""async (text) => { const { events } = await import('/web/sse.js'); const bytes = new TextEncoder().encode(text), all = new Set();
        for (let at = 0; at <= bytes.length; at++) { const body = new ReadableStream({ start(c) { if (at) c.enqueue(bytes.slice(0, at)); c.enqueue(bytes.slice(at)); c.close(); } });
            const list = []; for await (const e of events(body)) list.push([e.event, e.data]); all.add(JSON.stringify(list)); } return [...all]; }""", stream)
    assert found == ['[["start","{\\"a\\":1}"],["message","é\\ntwo"],["x","☃"],["message","last"]]'], found


def test_dates(stage):
    page = stage.open()
    groups = page.evaluate("""async () => { const { groupOf } = await import('/web/dates.js'); const now = new Date(2026, 10, 20, 0, 30);
        return [[2026, 10, 20, 0, 10], [2026, 10, 19, 23, 50], [2026, 10, 18, 12], [2026, 10, 13, 1], [2026, 10, 1], [2026, 2, 1], [2024, 1, 1], [2027, 1, 1]].map((d) => groupOf(new Date(...d).toISOString(), now)); }""")
    assert groups == ["Today", "Yesterday", "Previous 7 days", "Previous 7 days", "Previous 30 days", "March", "2024", "Today"], groups


def check_axe(page, what):
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then((r) => [r.passes.length, r.violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + n.failureSummary)])])")
    assert not found[1], (what, found[1])
    assert found[0] > 15, (what, "axe looked at nothing")


def test_accessibility(stage):
    """axe's rules, all of them, on every view, light and dark, wide and narrow."""
    for scheme, width in (("light", 1180), ("dark", 360)):
        page = stage.open(width=width, color_scheme=scheme, reduced_motion="reduce")
        check_axe(page, "welcome")
        page.goto(stage.url + "/#/register")
        page.click("#account-submit")
        check_axe(page, "register")
        stage.register(page)
        ask(page, "/markdown")
        answered(page)
        check_axe(page, "chat")
        page.click("#open-settings")
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

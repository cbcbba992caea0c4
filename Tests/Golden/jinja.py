"""Templates that use every feature of Jinja that slm's interpreter has, conversations, and what transformers renders for them.

    python Tests/Golden/jinja.py            # writes Tests/JinjaTests/golden.jsonl; needs transformers and jinja2
    python Tests/Golden/jinja.py --check    # writes nothing; compares the file with what jinja2 gives
"""
import datetime
import json
import sys
from pathlib import Path

import jinja2
from transformers.utils import chat_template_utils

FILE = Path(__file__).parent.parent / "JinjaTests" / "golden.jsonl"


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 21, 13, 4, 5)


chat_template_utils.datetime = Clock


def rendered(source, variables):
    try:
        return {"text": chat_template_utils._compile_jinja_template(source).render(**variables)}
    except jinja2.exceptions.TemplateSyntaxError as error:
        return {"error": error.message}
    except SyntaxError as error:
        return {"error": error.msg}
    except KeyError as error:
        return {"error": str(error)}
    except Exception as error:
        return {"error": str(error)}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather", "description": "The weather in a city, in \"degrees\" <b>now</b>.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name, as in Zürich"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "array", "items": {"type": "integer"}},
                "options": {"type": "object", "properties": {"wind": {"type": "boolean"}}},
            },
            "required": ["city"],
        },
        "return": {"type": "string", "description": "a sentence"},
    },
}
SEARCH = {"type": "function", "function": {"name": "search", "description": "Search.", "parameters": {"type": "object", "properties": {}}}}


def call(id, name, arguments):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations():
    """Names and variables of a rendering."""
    tool_calls = [call("call00001", "get_weather", {"city": "Zürich", "days": [1, 2], "metric": True, "limit": None, "factor": 0.5})]
    answer = {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"temperature\": 21.5}"}
    chats = {
        "one turn": [user("Hi")],
        "system": [system("You are terse."), user("Hi")],
        "several turns": [user("Hi"), assistant("Hello!"), user("How are you?"), assistant("Fine."), user("Good.")],
        "system and turns": [system("Be kind."), user("1+1?"), assistant("2"), user("2+2?"), assistant("4")],
        "white space": [system("  \n"), user("  a\n\n b \n"), assistant("\n c\t"), user("\u00a0d\u3000")],
        "empty": [user(""), assistant(""), user("")],
        "Unicode": [system("日本語で。"), user("Ünïcödé 😀 e\u0301 ﷺ \u202e"), assistant("ß → ẞ İ ı"), user("😀")],
        "HTML and quotes": [user("<b>\"it's\" & {{ x }} {% y %}</b> \\n \\"), assistant("<think>a</think>b"), user("</s><|im_end|>")],
        "tools": ([user("Weather?")], [WEATHER]),
        "two tools and system": ([system("Use tools."), user("Weather?")], [WEATHER, SEARCH]),
        "tool call": ([user("Weather?"), assistant("", tool_calls=tool_calls), answer], [WEATHER]),
        "tool call and answer": ([
            system("S"), user("Weather?"), assistant("I look.", tool_calls=tool_calls), answer, assistant("21.5 degrees."), user("Thanks"),
        ], [WEATHER, SEARCH]),
        "null content": ([user("Weather?"), assistant(None, tool_calls=tool_calls), answer], [WEATHER]),
        "two tool calls": ([
            user("Weather?"),
            assistant("", tool_calls=tool_calls + [call("call00002", "search", {"query": "a \"b\" <c>"})]), answer,
            {**answer, "tool_call_id": "call00002", "name": "search", "content": "nothing"}, assistant("Done"),
        ], [WEATHER, SEARCH]),
        "arguments as text": ([user("W?"), assistant("", tool_calls=[call("call00003", "search", "{\"q\": 1}")]), {**answer, "tool_call_id": "call00003"}], [SEARCH]),
        "reasoning": [user("1+1?"), assistant("2", reasoning_content="One and one.", thinking="One and one."), user("Sure?"), assistant("<think>\nyes\n</think>\n\nYes.")],
        "parts": [user([{"type": "text", "text": "What is "}, {"type": "text", "text": "this?"}]), assistant([{"type": "text", "text": "A test."}])],
        "image": [user([{"type": "image"}, {"type": "text", "text": "What is this?"}])],
        "two users": [user("a"), user("b")],
        "assistant first": [assistant("a"), user("b")],
        "unknown role": [user("a"), {"role": "critic", "content": "b"}],
        "developer": [{"role": "developer", "content": "D"}, user("b")],
        "no messages": [],
        "no content": [user("Hi"), {"role": "assistant"}],
    }
    for name, chat in chats.items():
        messages, tools = chat if isinstance(chat, tuple) else (chat, None)
        for prompt in [True, False]:
            yield f"{name}, {'with' if prompt else 'without'} prompt", {
                "messages": messages, "tools": tools, "documents": None, "add_generation_prompt": prompt, "bos_token": "<s>",
                "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
            }
    yield "without thinking", {**shared(), "enable_thinking": False}
    yield "with thinking", {**shared(), "enable_thinking": True, "thinking": True, "reasoning_effort": "high"}
    yield "documents", {**shared(), "documents": [{"title": "T", "text": "Some text"}, {"title": "U", "text": "more"}]}
    yield "no tokens", {"messages": [user("Hi")], "add_generation_prompt": True}


def shared():
    return {
        "messages": [system("S"), user("Hi"), assistant("Hello"), user("Bye")], "tools": None, "documents": None,
        "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>",
    }


VALUES = {
    "none": None, "yes": True, "no": False, "zero": 0, "seven": 7, "minus": -3, "half": 0.5, "tiny": 1.5e-7, "large": 1e22, "empty": "",
    "text": "  Hello, Wörld! ", "lines": "a\n\nb \r\nc", "word": "straße", "list": [3, 1, 2], "names": ["b", "A", "c", "a", "B"],
    "dict": {"b": 1, "a": [1, {"c": None}], "é": "x\ty\"", "items": "own"}, "nested": [[1, 2], [3, [4, 5]]],
    "people": [{"name": "Ann", "age": 30, "pet": {"kind": "cat"}}, {"name": "bob", "age": 25}, {"name": "Cy", "age": 30}],
    "html": "<a href='x'>&\"</a>", "messages": [user("Hi"), assistant("Hello")], "emoji": "a😀b́c", "sigma": "ΑΣ ΣΑΣ",
    "tree": [{"n": 1, "c": [{"n": 2, "c": []}, {"n": 3, "c": [{"n": 4, "c": []}]}]}, {"n": 5, "c": []}],
}

EXPRESSIONS = r"""
1 + 2 * 3 - 4 / 2 | 7 // 2, -7 // 2, 7 % 3, -7 % 3, 7.5 // 2, -7.5 % 2 | 2 ** 10, 2 ** -1, 2 ** 3 ** 2 | -seven, +seven, -half, not none
1e3, 1.5, 1.0e-7, 2E+2, tiny, large, 1e16, 123456789012345680.0, 0.1 + 0.2, 100.0 | 1 / 3, 10 / 2, 3.0, 1e100
"a" "b" ~ 1 ~ none ~ yes ~ half ~ list ~ dict | "a" + "b", [1] + [2], (1,) + (2,), "ab" * 3, 2 * [1], "x" * -1
1 < 2 < 3, 1 < 3 < 2, 1 == 1.0, yes == 1, "a" == "a", "a" != "b", [1] == [1], {"a": 1} == {"a": 1.0}, none == none, "a" < "b", [1, 2] < [1, 3]
"l" in text, 3 in list, 9 not in list, "b" in dict, "x" in undefined_name, "" in "" | yes and "x", no or "y", no and x.y, yes or x.y, not no and yes
seven if yes else 0, (seven if no), "a" if no else "b" if no else "c" | [1, 2, 3][1], [1, 2, 3][-1], "abc"[0], dict["b"], dict.b, dict["nope"], people[0].name, people.1.name, list[9]
list[1:], list[::-1], list[:-1], text[2:7], text[::-2], text[-3:], emoji[1], emoji[1:3], emoji | length, list[5:], list[-9:2], nested[1][1][0], ()[:1] | dict.items, dict["items"] | messages[0]["role"], messages[-1].content
text.strip(), text.lstrip(), text.rstrip(), text.strip(" !H"), "xxaxx".strip("x"), text.upper(), text.lower(), text.title(), "hello world".capitalize(), word.upper(), sigma.lower(), "ǆ".title()
"a,b,,c".split(","), "a b  c ".split(), "a b c".split(" ", 1), "a b c".split(none, 1), "a,b,c".rsplit(",", 1), " a  b ".rsplit(none, 1), "abc".split("x"), "a b c".split(maxsplit=1), "".split(), "".split(",") 
"a-b-c".partition("-"), "a-b-c".rpartition("-"), "abc".partition("x"), "abc".rpartition("x"), lines.splitlines(), lines.splitlines(true), "a\x0bb\x85c\u2028d".splitlines()
"abc".startswith("ab"), "abc".endswith(("x", "c")), "abc".startswith("b", 1), "abcabc".find("c"), "abcabc".rfind("c"), "abc".find("x"), "abcabc".index("b"), "abcabc".count("bc"), "aaa".count(""), "abc".find("c", -1), "abc".count("b", 0, 1)
"abcabc".replace("b", "X"), "abcabc".replace("b", "X", 1), "abc".replace("", "-"), "abc".removeprefix("a"), "abc".removesuffix("c"), "-".join(["a", "b"]), "".join(names), "a".join("xyz")
"abc".isalpha(), "12".isdigit(), "a1".isalnum(), " ".isspace(), "AB".isupper(), "ab".islower(), "²".isdigit()
"{} and {}".format(1, "b"), "{1}{0}".format("a", "b"), "{x}-{y}".format(x=1, y=[2]), "{{}}".format()
"%s and %d and %5.2f and %r and %%" % ("a", 7, 3.14159, "q"), "%s" % 1, "%-5s|%5s|%05d" % ("a", "b", 7), "%02d %05d %.2s" % (3.9, -7, "abc"), "%5d|%-5d|%s" % (42, 42, [1])
dict.get("b"), dict.get("x"), dict.get("x", 5), dict.keys() | list, dict.values() | list, dict.items() | list, dict.copy() == dict, dict.keys(), {"a": 1}.items(), list.index(1), list.count(3), (1, 2).index(2), "b" in dict.keys()
{"a": 1, "b": [1, "x", none, true, 1.5]}, ("a",), (), [], {}, ["it's", 'say "hi"', "both '\"", "\n\t\\\x00\x7f\xa0é😀\u200b"], (1, (2,)), -0.0, 1e-5, 1.0, [none, true]
text | trim, text | upper, text | lower, "hello wORLD foo-bar (baz)" | title, "hELLO" | capitalize, " a " | trim | length, "xax" | trim("x"), 42 | string + "x", "<x>" | string | upper
list | length, dict | length, "häh" | length, undefined_name | length, list | count | list | first, list | last, [] | first, "abc" | first, "abc" | last, names | join(", "), list | join, people | join("+", attribute="name"), [1, [2]] | join("-")
list | sort, names | sort, names | sort(case_sensitive=true), names | sort(reverse=true), people | sort(attribute="age") | map(attribute="name") | list, people | sort(attribute="age,name", reverse=true) | map(attribute="name") | list, dict | dictsort, {"b": 1, "A": 3, "c": 2} | dictsort(by="value"), {"b": 1, "A": 3} | dictsort(true), {"b": 1, "A": 3} | dictsort(reverse=true)
list | min, list | max, names | min, people | max(attribute="age"), [] | max, names | unique | list, names | unique(case_sensitive=true) | list, people | unique(attribute="age") | map(attribute="name") | list
people | map(attribute="name") | list, people | map(attribute="pet.kind", default="-") | list, names | map("upper") | join, ["a-b", "c-d"] | map("replace", "-", "+") | list, list | map("string") | join("/"), nested | map("first") | list, nested | map(attribute=0) | list
list | select("odd") | list, list | reject("odd") | list, [0, 1, "", "x", none] | select | list, [0, 1] | reject | list, people | selectattr("age", "equalto", 30) | map(attribute="name") | list, people | selectattr("pet") | list | length, people | rejectattr("pet.kind", "defined") | map(attribute="name") | list, people | rejectattr("age", ">", 26) | list | length, list | select("in", [1, 2]) | list
list | reverse | list, "abc" | reverse, dict | items | list, undefined_name | items | list, dict | list, "abc" | list
undefined_name | default("d"), none | default("d"), none | default("d", true), "" | d("e", boolean=true), undefined_name | default, "7" | int, "x" | int, "x" | int(5), "0x1f" | int(0, 16), "3.9" | int, 3.9 | int, none | int, "1.5" | float, "x" | float, "inf" | float, 7 | float, [] | float(2.5)
2.5 | round, 3.5 | round, 2.567 | round(2), 2.5 | round(0, "ceil"), 2.5 | round(0, "floor"), 42 | round, 1234 | round(-2), 0.125 | round(2), 2.675 | round(2), -3 | abs, -1.5 | abs, 1e300 | round(1)
lines | indent, lines | indent(2), lines | indent(2, true), lines | indent(2, first=true, blank=true), lines | indent("> "), "" | indent(2, true), "%s-%s" | format(1, 2), "abc" | replace("b", "x"), 121 | replace(1, 3), "aaa" | replace("a", "b", 2)
html | escape, html | e | upper, html | safe, (html | safe) ~ "<", (html | safe) + "<", "<" + (html | safe), (html | escape) | escape, ("<b>" | safe).upper(), ["<", "&" | safe] | join("'"), ("<" | safe) * 2
dict | tojson, list | tojson, html | tojson, lines | tojson, "é😀\x00\x1f\x7f\u2028" | tojson, none | tojson, [true, false, none, 1, 1.5, 1e22, 1e-7, 100.0] | tojson, (1, 2) | tojson, {1: 2, none: 3, true: 4, 1.5: 5} | tojson, people | tojson(indent=2), {} | tojson(indent=2), [[], [1]] | tojson(indent=4), dict | tojson(ensure_ascii=true), dict | tojson(separators=(",", ":")), dict | tojson(sort_keys=true), [1, [2]] | tojson(indent="\t"), [1] | tojson(indent=0), {"b": {"d": 1, "c": 2}, "a": 1} | tojson(sort_keys=true, indent=1), (html | safe) | tojson, "😀" | tojson(ensure_ascii=true)
none is none, undefined_name is defined, undefined_name is undefined, dict.x is defined, 1 is odd, 2 is even, 9 is divisibleby 3, 9 is divisibleby(2), "a" is string, 1 is string, 1 is number, true is number, 1.5 is float, 1 is integer, true is integer, true is boolean, 1 is boolean, true is true, 1 is true, false is false, dict is mapping, list is mapping, list is sequence, "a" is sequence, dict is sequence, 1 is sequence, undefined_name is sequence, list is iterable, 1 is iterable, "a" is iterable, undefined_name is iterable
"a" is in "abc", 1 is in(list), 5 is not in list, 1 is eq 1, 1 is equalto(2), 1 is ne 2, 2 is gt 1, 2 is ge 2, 1 is lessthan 2, 1 is le 0, "ABC" is upper, "abc" is lower, not 1 is odd, 1 is not even
range(5) | list, range(2, 8, 3) | list, range(5, 0, -2) | list, range(3), range(10)[2:5] | list, range(4) | length, 3 in range(5), range(0) | list, dict(a=1, b=2), dict([["a", 1]], c=3), dict(), strftime_now("%d %b %Y %H:%M:%S %A %j %y %B %p %I %m %a %e %U %W %w %%"), strftime_now("%Y-%m-%d"), strftime_now("%-d/%-m %F %T")
namespace(a=1).a, namespace({"x": 2}).x, namespace().nope is defined, [1, 2,], (1, 2,), {"a": 1,}, [] == (), "\x41\u00e9\U0001F600\101\'\"\\\q", "a\
b" | length, "ümlaut\é", 'single "x"', "new
line"
"abc".__class__, dict.__init__ is defined, list.append is defined, dict.pop | string, 7 .reality is defined, (1).x is defined, true.x is defined, none.x is defined, none["x"] is defined, text.nope is defined, text["upper"]() | trim, "x".encodes is defined
seven | float | string | replace(".", ","), (1, 2) | first, {"a": 1} | first, {"b": 1, "a": 2} | last, "b" ~ ["a"] | join, (list | sort)[0], -seven | abs, -(seven | abs), 2 ** 3 | string, 1 + 2 | string | length, "a" "b" | upper, not "a" == "b", 1 if 0 is defined else 2, 1 ~ 2 + 3
"ﬁ" | upper, "İ" | lower | length, "ŉ".upper(), "ß".title(), "ΑΣ".lower(), "Σ".lower(), "aΣb".lower(), "ა".upper(), "ʰello".title(), "they're bill's" | title, "they're bill's".title(), "x\u00a0y".split(), "x\u200by".split(), "\x1cx\x1f".strip() | length, "１２".isdigit() , "１２" | int
"""

FAILING = r"""
undefined_name.x | none.x.y | undefined_name + 1 | "a" + 1 | "a" + undefined_name | 1 + "a" | [1] + "a" | none + 1 | {} + {} | undefined_name() | none() | "a"() | 1 / 0 | 1 // 0 | 1 % 0 | 1.5 % 0 | 1.5 / 0 | "a" * "b" | "a" * 1.5 | 1 < "a" | none < 1 | undefined_name < 1 | [1] < ["a"] | 1 in 5 | 1 in "a" | [1] in {} | {[1]: 2}
list | nope | list is nope | (list | first).x.y | (5 | length) | (5 | list) | (5 | first) | (none | join) | (none | list) | (x for x in y) | undefined_name | tojson | [undefined_name] | tojson | namespace() | tojson | {(1, 2): 3} | tojson | (dict | items | tojson) | -"a" | -undefined_name | +none | list.append(1) | dict.pop("a") | dict.update({}) | list.sort() | "a".__class__.x
raise_exception("My sentence: é") | raise_exception("a" ~ 1) | range(100001) | range("a") | range() | range(1, 2, 0) | "abc".index("x") | "abc".split("") | "abc".split(1) | "abc".join(5) | "".join([1]) | "abc".replace("a") | "abc".startswith(1) | "abc".strip(1) | [1, 2, 3][::0] | none | indent | undefined_name | indent | (5 | items | list) | 5 | dictsort | [1, "a"] | sort | ([{}] | unique | list) | (list | map | list) | (list | map("nope") | list) | (list | select("nope") | list) | (list | selectattr | list) | loop.index | dict.get() | dict.get(1, 2, 3) | dict.get([1]) | "%d" % "a" | "%s %s" % (1,) | "%s" % (1, 2) | "{} {}".format(1) | "{".format() | "}".format() | "{x}".format() | namespace(_a=1) | dict(1) | "abc".nope() | [].x() | list[0].x.y | messages[5].role | messages[0].nope.x | messages[0]["nope"]["x"] | people["x"].y | text.nope.x | seven.x.y | yes.x.y | none | round | "a" | abs | none | abs
"""

BLOCKS = {
    "trim and lstrip": "  {% if yes %}\n  a\n  {% endif %}\n\t{# comment #}\n b {% if yes %} c {% endif %} \n{%- if yes -%}  d  {%- endif +%}\n {{- 'e' -}} \n f {%+ if yes %}g{% endif %}\n",
    "comments": "a{# x #}\nb{#- y -#}\n c {#+ z +#}\n d{# {{ nope }} {% nope %} #}e",
    "raw": "{% raw %}{{ x }}{% y %}{% endraw %}\n a {%- raw -%}  {{ z }}  {%- endraw -%}  b\n  {% raw %}  c {% endraw +%}\nd",
    "line ends": "a\r\nb\rc\n{% if yes %}\r\nd{% endif %}\r\n",
    "elif": "{% for x in [0, 1, 2, 3] %}{% if x == 0 %}a{% elif x == 1 %}b{% elif x == 2 %}c{% else %}d{% endif %}{% endfor %}",
    "loop variables": "{% for x in names %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('o', 'e') }};{% endfor %}",
    "loop else": "{% for x in [] %}a{% else %}b{% endfor %}{% for x in undefined_name %}a{% else %}c{% endfor %}{% for x in [1] if x > 1 %}a{% else %}d{% endfor %}",
    "loop filter": "{% for x in list if x > 1 %}{{ loop.index }}{{ x }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    "lazy loop filter": "{% set ns = namespace(stop=false) %}{% for x in [1, 2, 3, 4] if not ns.stop %}{{ x }}{% if x == 2 %}{% set ns.stop = true %}{% endif %}{% endfor %}",
    "loop unpacking": "{% for k, v in dict.items() %}{{ k }}={{ v }};{% endfor %}{% for (a, b) in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}{% for a, (b, c) in [] %}{% endfor %}{% for k in dict %}{{ k }}{% endfor %}{% for c in emoji %}{{ c }}.{% endfor %}",
    "break and continue": "{% for x in range(9) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}{% for x in [1, 2] %}{% for y in [1, 2] %}{% if y == 2 %}{% break %}{% endif %}{{ x }}{{ y }}{% endfor %}{% endfor %}",
    "scopes": "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}{% if yes %}{% set x = 9 %}{% endif %}{{ x }}{% with x = 5, y = x %}{{ x }}{{ y }}{% set x = 6 %}{% endwith %}{{ x }}",
    "namespace": "{% set ns = namespace(a=0, b='x') %}{% for i in list %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{% set ns.c = [ns.a] %}{{ ns.c }}{{ ns.d is defined }}{{ ns['a'] }}",
    "namespace errors": "{% set d = {} %}{% set d.x = 1 %}",
    "namespace underscore": "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "set tuples": "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}{% set e = 1, 2 %}{{ e }}",
    "unpack none": "{% set a, b = none %}", "unpack few": "{% set a, b = [1] %}", "unpack many": "{% for a, b in [[1, 2, 3]] %}{% endfor %}",
    "set block": "{% set x %}a {{ seven }} b{% endset %}[{{ x }}]{% set y | upper | replace('A', 'z') %}a{% set inner = 1 %}b{% endset %}{{ y }}{{ inner is defined }}",
    "filter block": "{% filter upper %}a{{ word }}{% filter replace('B', 'x') %}b{% endfilter %}{% endfilter %}{% filter trim | replace('a', 'x') %}  ab {% endfilter %}",
    "macro": "{% macro m(a, b=2, c=b * 2) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=1, a=0) }}{{ m(c=0) }}",
    "unpacked arguments": "{% macro m(a, b, c=3) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(*[1, 2]) }}{{ m(1, *[2, 4]) }}{{ m(1, **{'b': 5}) }}{{ m(*[1, 2], **{'c': 5}) }}{{ namespace(**dict).b }}",
    "macro recursion": "{% macro f(n) %}{% if n > 0 %}{{ n }},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}{{ f(20) | length }}",
    "macro scope": "{% set x = 1 %}{% macro m() %}{{ x }}{% set x = 5 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}{% set x = 2 %}{{ m() }}{% for x in [7] %}{{ m() }}{% endfor %}",
    "macro errors 1": "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "macro errors 2": "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}",
    "macro errors 3": "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}", "macro errors 4": "{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}",
    "macro in loop": "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}",
    "call": "{% macro box(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call box('b') %}x{{ seven }}{% endcall %}{% macro each(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(x, i=0) each(list) %}{{ i }}={{ x }};{% endcall %}",
    "no caller": "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "generation": "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}</s>{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "conditional sets": "{% if no %}{% set messages = [] %}{% endif %}{{ messages | length }}{% if yes %}{% set q = 1 %}{% endif %}{{ q }}",
    "unknown filter in a branch": "{% if no %}{{ 1 | from_json }}{% endif %}{{ (1 | from_json) if no else 2 }}ok",
    "unknown filter in a branch that runs": "{% if yes %}{{ 1 | from_json }}{% endif %}", "unknown filter": "a{{ 1 | from_json }}", "unknown test": "a{{ 1 is thing }}",
    "tag ends": "{% if yes: %}a{% endif %}{{ {'a': {'b': 1}}['a']['b'] }}{{ '%}' }}{{ \"}}\" }}{{ [1,2][0]}}",
    "syntax 1": "{% if %}", "syntax 2": "{% if yes %}", "syntax 3": "{{ 1 +", "syntax 4": "{{ 1 2 }}", "syntax 5": "{% endif %}", "syntax 6": "{% for x in y %}{% endif %}",
    "syntax 7": "{# a", "syntax 8": "{{ 'a }}", "syntax 9": "{{ a! }}", "syntax 10": "{% raw %}a", "syntax 11": "{% nope %}", "syntax 12": "{{ (1 }}", "syntax 13": "{{ 1) }}",
    "syntax 14": "{% set 1 = 2 %}", "syntax 15": "{% set a + b = 2 %}", "syntax 16": "{{ f(a=1, 2) }}", "syntax 17": "{% macro m(a=1, b) %}{% endmacro %}", "syntax 18": "{{ }}",
    "syntax 19": "{{ a.( }}", "syntax 20": "{{ '\\x4' }}", "syntax 21": "{{ a is b is c }}", "syntax 22": "{% call 5 %}{% endcall %}", "syntax 23": "{% for %}{% endfor %}", "syntax 24": "{% set x %}a",
    "syntax 25": "{% do 1 %}", "syntax 26": "{% break %}", "syntax 27": "{{ a | }}", "syntax 28": "{% if yes %}{% else %}{% elif no %}{% endif %}", "syntax 30": "{% 5 %}",
    "recursive macro over values": "{% macro dump(v) %}{% if v is mapping %}{ {%- for k, x in v | dictsort %}{{ k }}:{{ dump(x) }},{% endfor %} }{% elif v is string %}'{{ v }}'{% elif v is iterable %}[{% for x in v %}{{ dump(x) }}{% if not loop.last %},{% endif %}{% endfor %}]{% else %}{{ v | tojson }}{% endif %}{% endmacro %}{{ dump(dict) }}{{ dump(people) }}",
}

CHATS = {
    "ChatML": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "default system": "{%- if messages[0].role != 'system' %}\n    {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}\n{%- endif %}\n{%- for m in messages %}\n    {{- '<|im_start|>' ~ m.role ~ '\\n' ~ (m.content or '') | trim ~ '<|im_end|>\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
    "alternating": "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate user/assistant/…') }}{% endif %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'].strip() + ' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "tools": "{%- if tools %}{{ tools | tojson(indent=2) }}\n{% for t in tools %}{{ t.function.name }}({% for n, p in t.function.parameters.properties.items() %}{{ n }}: {{ p.type | default('any') }}{{ '?' if n not in t.function.parameters.get('required', []) }}{{ ', ' if not loop.last }}{% endfor %})\n{% endfor %}{% endif %}{% for m in messages %}{{ m.role | upper }}: {{ m.content if m.content is string else m.content | tojson }}{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}</call>{% endfor %}\n{% endfor %}",
}


def pieces(text):
    """Lines of expressions with " | " between groups are split at newlines only: a filter uses the same sign."""
    joined = text.strip().replace("\\\nb\"", "\\\x00b\"").replace("\"new\nline\"", "\"new\x00line\"")
    return [line.replace("\x00", "\n") for line in joined.split("\n")]


def top_level(line, mark):
    """Splits at a sign outside of brackets and strings."""
    parts, depth, quote, start, i = [], 0, "", 0, 0
    while i < len(line):
        c = line[i]
        if quote:
            if c == "\\":
                i += 1
            elif c == quote:
                quote = ""
        elif c in "'\"":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif depth == 0 and line.startswith(mark, i):
            parts.append(line[start:i])
            start = i + len(mark)
        i += 1
    return parts + [line[start:]]


def cases():
    for line in pieces(EXPRESSIONS):
        for expression in top_level(line, ", "):
            yield expression, "{{ " + expression + " }}", VALUES
    for line in pieces(FAILING):
        # A filter may follow "|" too: every prefix that ends at one is an expression of its own.
        parts = top_level(line, " | ")
        for index in range(len(parts)):
            yield parts[index], "{{ " + parts[index] + " }}", VALUES
            if index:
                both = parts[index - 1] + " | " + parts[index]
                yield both, "{{ " + both + " }}", VALUES
    for name, source in BLOCKS.items():
        yield name, source, VALUES
    for name, source in CHATS.items():
        for conversation, variables in conversations():
            yield f"{name}, {conversation}", source, variables


def main():
    lines = []
    for name, source, variables in cases():
        # Most cases share their variables, which the first line has.
        answer = rendered(source, variables)
        case = {"name": name, "template": source, **answer}
        if variables is not VALUES:
            case["variables"] = variables
        lines.append(json.dumps(case, ensure_ascii=False))
    text = json.dumps({"variables": VALUES}, ensure_ascii=False) + "\n" + "\n".join(lines) + "\n"
    if "--check" in sys.argv:
        assert FILE.read_text() == text, f"{FILE} is not what jinja2 gives: run Tests/Golden/jinja.py"
    else:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(text)
    print(f"{len(lines)} renderings")


if __name__ == "__main__":
    main()

import Jinja
import TestSupport
import Testing

@Suite struct JinjaTemplateTests {
    private let clock = JinjaClock(year: 2026, month: 2, day: 28, hour: 9)

    private func render(_ source: String, _ variables: [String: JinjaValue] = [:],
        limits: JinjaLimits = JinjaLimits()) throws(JinjaError) -> JinjaText {
        try JinjaTemplate(source).render(variables, clock: clock, limits: limits)
    }

    /// The characters that each source wrote, the template's as source 0.
    private func written(_ text: JinjaText) -> [Int: String] {
        var result: [Int: String] = [:]
        for unit in text.units {
            result[JinjaText.source(of: unit), default: ""].unicodeScalars.append(Unicode.Scalar(unit & JinjaText.scalarMask) ?? "?")
        }
        return result
    }

    @Test(
        "string operations keep the source of each character",
        arguments: [
            ("{{ 'a' + x + 'b' }}", " X<y> ", "ab"), ("{{ x.strip().upper() ~ '!' }}", "X<Y>", "!"), ("{{ x[::-1] }}", " >y<X ", ""),
            ("{{ x.replace('X', '-') }}", " <y> ", "-"), ("{{ '-'.join([x, 'b', x]) }}", " X<y>  X<y> ", "-b-"),
            ("{{ x.split('<')[0] }}", " X", ""), ("{{ x | tojson }}", " X<y> ", "\"\""), ("{{ {'k': x} | tojson }}", " X<y> ",
                "{\"k\": \"\"}"),
            ("{{ [x] }}", " X<y> ", "['']"), ("{{ '%s|%s' % (x, 'c') }}", " X<y> ", "|c"), ("{{ '{}|{}'.format(x, x) }}",
                " X<y>  X<y> ", "|"),
            ("{% set z %}[{{ x }}]{% endset %}{{ z | trim | indent }}", " X<y> ", "[]"), ("{% for c in x %}{{ c }}.{% endfor %}",
                " X<y> ", "......"),
            ("{% macro m(a) %}({{ a }}{{ caller() }}){% endmacro %}{% call m(x) %}{{ x }}{% endcall %}", " X<y>  X<y> ", "()"),
            ("{{ x | e }}", " X&lt;y&gt; ", ""), ("{{ (x ~ 'q') | replace('y', x) }}", " X< X<y> > ", "q"), ("{{ x * 2 }}",
                " X<y>  X<y> ", ""),
        ])
    func sources(template: String, fromValue: String, fromTemplate: String) throws {
        let text = written(try render(template, ["x": .string(" X<y> ", source: 7)]))
        #expect(text[7] ?? "" == fromValue)
        #expect(text[0] ?? "" == fromTemplate)
    }

    @Test func `what generation blocks write is marked`() throws {
        let text = try render(
            "a{% generation %}b{{ x }}{% endgeneration %}c{% set y %}{% generation %}d{% endgeneration %}{% endset %}{{ y }}",
            ["x": .string("x")])
        #expect(text.string == "abxcd")
        #expect(text.units.map { $0 & JinjaText.generationBit != 0 } == [false, true, true, false, true])
    }

    @Test func `errors name the line`() throws {
        let error = #expect(throws: JinjaError.self) { try render("a\n\n{{ raise_exception('Only user messages') }}") }
        #expect(error == JinjaError(.raised, "Only user messages", line: 3))
        #expect(error?.description == "Only user messages (line 3 of the chat template)")
        #expect(throws: JinjaError(.syntax, "unexpected '}'", line: 2)) { try render("a\n{{ }") }
        #expect(throws: JinjaError(.evaluation, "'x' is undefined", line: 2)) { try render("{% if true %}\n{{ x.y }}{% endif %}") }
    }

    @Test(arguments: [
        ("{{ [1] | batch(2) }}", "the filter 'batch' is not supported in chat templates"),
        ("{{ '{:>5}'.format(1) }}", "':' in a field of str.format is not supported in chat templates"),
        ("{{ '%x' % 10 }}", "the format '%x' is not supported in chat templates"),
        ("{{ '%(a)s' | format(a=1) }}", "named values of 'format' are not supported in chat templates"),
        ("{{ 'a'.zfill(3) }}", "'str object' has no attribute 'zfill'"),
        ("{% block a %}{% endblock %}", "Encountered unknown tag 'block'."),
    ])
    func `features of Jinja that no chat template uses are errors`(source: String, message: String) throws {
        let error = #expect(throws: JinjaError.self) { try render(source) }
        #expect(error?.message == message)
    }

    @Test func `the clock formats the date`() throws {
        #expect(try render("{{ strftime_now('%d %B %Y, %a') }}").string == "28 February 2026, Sat")
        #expect(JinjaClock(year: 2024, month: 12, day: 31).formatted("%j %A") == "366 Tuesday")
        #expect(JinjaClock(year: 2026, month: 1, day: 5).formatted("%-d.%-m. %U %W") == "5.1. 01 01")
    }

    @Test(
        "a template cannot take much time, memory or stack",
        arguments: [
            "{{ 'a' * 10 ** 9 }}", "{{ 'a' * 10 ** 18 }}", "{{ [0] * 10 ** 9 }}", "{{ '%999999999d' % 1 }}",
            "{{ 'a\\nb' | indent(10 ** 10) }}", "{{ [1] | tojson(indent=10 ** 10) }}",
            "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
            "{% for i in range(100000) %}{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 100 }}{% endfor %}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                "{% macro f(x) %}{% call f(x) %}{{ caller() }}{% endcall %}{% endmacro %}{{ f(1) }}",
            "{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}",
            "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x == ns.x }}{{ ns.x }}",
            "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
            "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x | replace('a', ns.x) %}{% endfor %}",
            "{% set a = 'a' * 1000000 %}{% for i in range(100000) %}{{ a == a ~ 'b' }}{{ 'b' in a }}{% endfor %}",
            "{% set a = 'a' * 1000000 %}{% for i in range(100000) %}{% if a.count('aab') %}{% endif %}{% endfor %}",
            "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 64 }}", "{{ -9223372036854775807 - 2 }}", "{{ 99999999999999999999 }}",
        ])
    func bounds(source: String) throws {
        let error = #expect(throws: JinjaError.self) { try render(source) }
        #expect(error?.kind == .limit, "\(String(describing: error))")
    }

    @Test func `syntax that nests deeply is rejected`() throws {
        for source in [
            "{{ " + String(repeating: "(", count: 5_000) + "1", "{{ " + String(repeating: "[", count: 5_000),
                "{{ " + String(repeating: "not ", count: 5_000) + "1 }}",
            "{{ " + String(repeating: "-", count: 5_000) + "1 }}", "{{ 1" + String(repeating: " + 1", count: 5_000) + " }}",
            "{{ a" + String(repeating: ".b", count: 5_000) + " }}", "{{ a" + String(repeating: "|upper", count: 5_000) + " }}",
            String(repeating: "{% if 1 %}", count: 5_000), "{{ 1" + String(repeating: " if 1 else 1", count: 5_000) + " }}",
            "{{ 1" + String(repeating: " and 1", count: 5_000) + " }}", "{{ 1" + String(repeating: " if 1", count: 5_000) + " }}",
            "{{ 1" + String(repeating: " ** 1", count: 5_000) + " }}", "{% if 1 %}" + String(repeating: "{% elif 1 %}",
                count: 5) + String(repeating: "{% for x in y %}", count: 200),
        ] {
            let error = #expect(throws: JinjaError.self) { try JinjaTemplate(source) }
            #expect(error?.kind == .limit, "\(source.prefix(30)): \(String(describing: error))")
        }
    }

    /// Names and values that refer to each other would never be released, or would be released one inside of the other.
    @Test func `long chains of values are released without recursion`() throws {
        _ = try render(
            "{% set ns = namespace() %}{% set ns.self = ns %}{% macro m() %}{{ caller() }}{% endmacro %}"
                + "{% for i in range(20000) %}{% set prev = ns.x %}{% call m() %}{{ prev is defined }}{% endcall %}"
                + "{% set ns.x = namespace(next=ns.x) %}{% endfor %}")
        _ = try render(
            "{% set ns = namespace(x=0) %}{% for i in range(20000) %}{% for j in [ns.x] %}{% set ns.x = loop %}{% endfor %}{% endfor %}ok")
    }

    @Test func `values of a JSON document keep its order`() throws {
        let dict = JinjaDict()
        for index in 0..<20 { dict.set(.string("k\(19 - index)"), .int(index)) }
        #expect(try render("{{ d.k3 }}{{ (d | list)[0] }}{{ d['k0'] }}", ["d": .dict(dict)]).string == "16k1919")
    }
}

import Jinja
import TestSupport
import Testing

@Suite struct JinjaFuzzTests {
    private static let seeds = [
        "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' + m['content'] | trim }}{% if not loop.last %}{{ '\\n' }}{% endif %}{% endfor %}",
        "{%- set ns = namespace(a=0) -%}{%- for x in range(3) if x > 0 %}{% set ns.a = ns.a + x %}{{ loop.index"
            + " }}{%- else %}-{%- endfor -%}{{ ns.a }}",
        "{% macro f(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1, *[3], **{'c': 5}) }}{% call(x)"
            + " f(2) %}{{ x }}{% endcall %}",
        "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list | tojson(indent=2) }}{{"
            + " messages[::-1][0].content[1:5:2] }}",
        "{{ '%s %5.2f' % ('a', 1.5) }}{{ '{} {x}'.format(1, x='b') }}{{ strftime_now('%Y-%m-%d') }}{{"
            + " raise_exception('no') if 1 is odd and 2 not in [1] }}",
        "{# c #}{% raw %}{{ x }}{% endraw %}{% set x %}a\nb{% endset %}{{ x | indent(4, true) | upper | replace('A', 'é')"
            + " }}{% filter upper %}q{% endfilter %}{% generation %}g{% endgeneration %}",
        "{{ {'a': [1, (2, 3)], 'b': none} | dictsort }}{{ [3, 1] | sort | join(', ') }}{{ 7 // 2 ** 3 % 5 - -1 }}{{ 'a' if x"
            + " is defined else \"\\x41\\u00e9\" }}",
    ]
    private static let pieces = [
        "{%", "%}", "{{", "}}", "{#", "#}", "-", "+", "(", ")", "[", "]", "{", "}", "|", ".", ",", ":", "'", "\"", "\\", " ", "\n", "if",
            "for", "in", "set", "endif",
        "endfor", "else", "is", "not", "and", "loop", "messages", "0", "1", "9999999999", "1e999", "**", "*", "~", "==", "<", "items()",
            "tojson", "map", "sort", "{}",
        "format", "é", "😀", "\u{0}", "range", "namespace", "macro", "endmacro", "call", "endcall", "* 99999999",
            ".split('')", "[::0]",
    ]

    @Test func `mutated templates render or throw, within their limits`() throws {
        var random = TestRandom(11)
        var limits = JinjaLimits()
        limits.steps = 200_000
        limits.bytes = 8 << 20
        let message = JinjaDict()
        message.set(.string("role"), .string("user"))
        message.set(.string("content"), .string("Hé 😀", source: 3))
        var rendered = 0
        for round in 0..<fuzzRounds(default: 4_000) {
            var scalars = Array(Self.seeds[Int(random.next() % UInt64(Self.seeds.count))].unicodeScalars)
            for _ in 0..<(1 + random.next() % 4) {
                let start = Int(random.next() % UInt64(scalars.count + 1))
                switch random.next() % 4 {
                case 0: scalars.removeSubrange(start..<min(scalars.count, start + Int(random.next() % 6)))
                case 1: scalars.insert(contentsOf: Self.pieces[Int(random.next() % UInt64(Self.pieces.count))].unicodeScalars, at: start)
                case 2:
                    let part = scalars[start..<min(scalars.count, start + Int(random.next() % 40))]
                    scalars.insert(contentsOf: part, at: Int(random.next() % UInt64(scalars.count + 1)))
                default: scalars.removeSubrange(start...)
                }
            }
            var source = String.UnicodeScalarView()
            source.append(contentsOf: scalars)
            do throws(JinjaError) {
                let template = try JinjaTemplate(String(source))
                _ = try template.render(
                    ["messages": .list([.dict(message)])], clock: JinjaClock(year: 2026, month: 1, day: 1), limits: limits)
                rendered += 1
            } catch {
                #expect(error.line > 0, "round \(round): \(String(source))")
            }
        }
        #expect(rendered > 0)
    }
}

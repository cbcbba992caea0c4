import Files
import JSON
import Jinja
import TestSupport
import Testing

/// What Python's jinja2 gives with the settings of transformers: `golden.jsonl`, written by Tests/Golden/jinja.py.
@Suite struct JinjaGoldenTests {
    static let clock = JinjaClock(year: 2026, month: 11, day: 21, hour: 13, minute: 4, second: 5)

    static func variables(_ element: JSONElement) throws -> [String: JinjaValue] {
        var variables: [String: JinjaValue] = [:]
        for (key, value) in try #require(element.members) { variables[try #require(key.string)] = try JinjaValue(value) }
        return variables
    }

    @Test func `templates render and fail as in jinja2`() throws {
        let path = String(#filePath.dropLast("JinjaGoldenTests.swift".count)) + "golden.jsonl"
        let lines = String(decoding: try InputFile.contents(of: path), as: UTF8.self).split(separator: "\n")
        var parser = JSONParser()
        let shared = try Self.variables(try #require(try parser.parse(String(lines[0]))["variables"]))
        #expect(lines.count > 900)
        for line in lines.dropFirst() {
            let golden = try JSONElement(parsing: String(line))
            let name = golden["name"]?.string ?? ""
            let variables = try golden["variables"].map { try Self.variables($0) } ?? shared
            do throws(JinjaError) {
                let text = try JinjaTemplate(golden["template"]?.string ?? "").render(variables, clock: Self.clock)
                #expect(text.string == golden["text"]?.string, "\(name)")
            } catch {
                #expect(error.message == golden["error"]?.string, "\(name)")
                #expect(error.line > 0, "\(name)")
            }
        }
    }
}

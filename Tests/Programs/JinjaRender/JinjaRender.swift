import JSON
import Jinja

/// Renders templates for Tests/Peers/check_jinja.py: a line `{"template": …, "variables": {…}}` gives a line `{"text": …}` or
/// `{"error": …, "line": …}`.
@main struct JinjaRender {
    static func main() throws {
        var parser = JSONParser()
        while let line = readLine() {
            let request = try parser.parse(line)
            var writer = JSONWriter()
            writer.object { object in
                do throws(JinjaError) {
                    let text = try render(request).string
                    object["text"] = text
                } catch {
                    object["error"] = error.message
                    object["line"] = error.line
                }
            }
            print(writer.text)
        }
    }

    private static func render(_ request: JSONElement) throws(JinjaError) -> JinjaText {
        let template = try JinjaTemplate(request["template"]?.string ?? "")
        var variables: [String: JinjaValue] = [:]
        if let members = request["variables"]?.members {
            for (key, value) in members { variables[key.string ?? ""] = try JinjaValue(value) }
        }
        return try template.render(variables, clock: JinjaClock(year: 2026, month: 11, day: 21, hour: 13, minute: 4, second: 5))
    }
}

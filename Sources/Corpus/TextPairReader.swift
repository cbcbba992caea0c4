import Files
import JSON

/// Reads questions with passages that answer them: a file with a JSON object on each line, as data sets for sentence-transformers have it.
///
///     try TextPairReader.forEach(in: "pairs.jsonl") { question, passage in … }
///     {"question": "how do I reset the pump", "passage": "Hold the red button …"}
///
/// Other keys are ignored.
package enum TextPairReader {
    static let questionKeys = ["question", "query", "anchor"], passageKeys = ["passage", "document", "positive", "answer"]

    package static func forEach(
        in path: String, _ body: (_ question: String, _ passage: String) throws(CorpusError) -> Void
    ) throws(CorpusError) {
        var blocks: LineBlocks, parser = JSONParser()
        do { blocks = try LineBlocks(path) } catch { throw .file(error) }
        while true {
            let block: LineBlock?
            do { block = try blocks.next() } catch { throw .file(error) }
            guard let block else { return }
            try block.forEachLine { line, number throws(CorpusError) in
                if line.isEmpty { return }
                let found: (question: String, passage: String)
                do throws(LineError) { found = try pair(line, &parser) } catch {
                    throw .malformed(MalformedLine(path: path, line: number, reason: error.reason))
                }
                try body(found.question, found.passage)
            }
        }
    }

    private static func pair(_ line: Span<UInt8>, _ parser: inout JSONParser) throws(LineError) -> (question: String, passage: String) {
        let root: JSONElement
        do throws(JSONError) { root = try parser.parse(line) } catch { throw LineError(error.description) }
        guard root.kind == .object else { throw .notOneObjectPerLine }
        func text(_ keys: [String]) throws(LineError) -> String {
            guard let key = keys.first(where: { root[$0] != nil }), let value = root[key] else {
                throw LineError("expected \(keys.map { "\"\($0)\"" }.joined(separator: " or ")), found neither")
            }
            guard let text = value.string else { throw LineError("\"\(key)\": expected a string, found \(value.kind.rawValue)") }
            return text
        }
        return (try text(questionKeys), try text(passageKeys))
    }
}

import Documents
import JSON

/// A passage of a document as one line of JSON.
///
///     printLine(PassageRecord(passage))                        // {"file":"notes.md","title":"Notes","heading":"Pump","line":12,…}
struct PassageRecord: CustomStringConvertible {
    let passage: Passage

    init(_ passage: Passage) { self.passage = passage }

    var description: String {
        var writer = JSONWriter(.oneLine)
        writer.object { writeMembers(to: &$0) }
        return writer.text
    }

    func writeMembers(to writer: inout JSONWriter) {
        writer["file"] = passage.file
        writer["title"] = passage.title
        writer["heading"] = passage.heading
        if let page = passage.page { writer["page"] = page }
        writer["line"] = passage.line
        writer["tokens"] = passage.tokens
        if passage.score != 0 { writer["score"] = (passage.score * 1e4).rounded() / 1e4 }
        writer["text"] = passage.text
    }
}

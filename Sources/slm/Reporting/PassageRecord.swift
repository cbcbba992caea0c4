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
        writer.object { passage.write(to: &$0) }
        return writer.text
    }
}

import Documents
import JSON

/// A passage of a document as one line of JSON.
///
///     printLine(PassageRecord(passage))                        // {"file":"notes.md","title":"Notes","heading":"Pump","line":12,…}
struct PassageRecord: CustomStringConvertible {
    let passage: Passage

    init(_ passage: Passage) { self.passage = passage }

    var description: String {
        JSONWriter.text { object in
            passage.write(to: &object)
            if let coverage = passage.coverage { object["coverage"] = coverage.rounded(toPlaces: 4) }
        }
    }
}

package import Tokenize

/// What became of every conversation, and what was made of them.
///
///     let report = try encoding.write(["data"], to: "data")
///     "\(report.kept) kept, \(report.malformed) malformed, such as \(report.malformedLines.first?.description ?? "none")"
package struct CorpusReport: Sendable, Equatable {
    /// Conversations that are whole in the tokens, and those of which only the beginning is. A plain text is one for each part that has
    /// some of it.
    package var kept = 0, cut = 0
    /// Those left out: nobody says anything in them; they are not what their format says.
    package var empty = 0, malformed = 0
    /// The first few of the malformed.
    package private(set) var faults: [Fault] = []
    package var train = Counts(), val = Counts()

    package init() {}

    package static let mostFaults = 10

    /// What a file of tokens holds.
    package struct Counts: Sendable, Equatable {
        package var conversations = 0, messages = 0, tokens = 0, turns = 0
        package var bytes = ChatTokens.Bytes()

        package init() {}
    }

    mutating func add(_ fault: Fault, skipsBad: Bool) throws(CorpusError) {
        guard skipsBad else { throw .malformed(fault) }
        malformed += 1
        if faults.count < Self.mostFaults { faults.append(fault) }
    }
}

import Hashing
import JSON
import Store

/// A comparison as owners see it: the result of `slm gate`, with the answers of both models in a random order until they have voted.
struct ComparisonView {
    enum Choice: String { case left, right, tie }

    /// What a vote says, independent of the order.
    private enum Vote: String { case candidate, active, tie }

    private let comparison: ModelComparisonRecord
    private let result: JSONElement?
    private let votes: [String: Vote]

    init(_ comparison: ModelComparisonRecord) {
        self.comparison = comparison
        var parser = JSONParser()
        result = comparison.result.flatMap { try? parser.parse($0) }
        var votes: [String: Vote] = [:]
        if let members = (try? parser.parse(comparison.votes))?.members {
            for (key, value) in members { votes[key.string ?? ""] = value.string.flatMap { Vote(rawValue: $0) } }
        }
        self.votes = votes
    }

    /// With the members id, text, expected, candidate and active.
    var questions: [JSONElement] { result?["questions"]?.elements.map { Array($0) } ?? [] }

    /// Whether the candidate's answer is on the left. It depends on both ids, so that it stays the same.
    private func isCandidateLeft(_ question: String) -> Bool { Digest.fraction(of: "\(comparison.id) \(question)") < 0.5 }

    /// The votes with another one, as JSON.
    func votes(adding choice: Choice, to question: String) -> String {
        var votes = votes
        votes[question] = switch choice {
        case .left: isCandidateLeft(question) ? .candidate : .active
        case .right: isCandidateLeft(question) ? .active : .candidate
        case .tie: .tie
        }
        return JSONWriter.text { object in
            for (question, vote) in votes.sorted(by: { $0.key < $1.key }) {
                object[question] = vote.rawValue
            }
        }
    }

    func write(to object: inout JSONWriter) {
        object["id"] = comparison.id.description
        object["candidate"] = comparison.candidate.description
        object["active"] = comparison.active.description
        object["state"] = comparison.state.rawValue
        object["verdict"] = comparison.verdict?.rawValue
        object["passed"] = comparison.state == .finished ? comparison.isPassed : nil
        object["message"] = comparison.message
        object["created_at"] = comparison.createdAt.description
        object["created_by"] = comparison.createdBy
        object["finished_at"] = comparison.finishedAt?.description
        object.json("gate", comparison.gate)
        for member in ["reasons", "missing", "held_out", "replay", "own_text", "speed", "size"] {
            if result?[member] == nil, member == "reasons" || member == "missing" {
                object[member] = [] as [String]
            } else {
                object.element(member, result?[member])
            }
        }
        object.objects("questions", questions) { write($0, to: &$1) }
        object.object("votes") { counts in
            for (key, vote) in [("candidate", Vote.candidate), ("active", .active), ("ties", .tie)] {
                counts[key] = votes.values.count { $0 == vote }
            }
        }
    }

    private func write(_ question: JSONElement, to object: inout JSONWriter) {
        let id = question["id"]?.string ?? "", isLeft = isCandidateLeft(id), vote = votes[id]
        for member in ["id", "text", "expected"] { object.element(member, question[member]) }
        for (side, member) in [("left", isLeft ? "candidate" : "active"), ("right", isLeft ? "active" : "candidate")] {
            object[side] = question[member]?.string ?? ""
        }
        object["vote"] = switch vote {
        case .candidate: isLeft ? "left" : "right"
        case .active: isLeft ? "right" : "left"
        case .tie: "tie"
        case nil: nil
        }
        // Who answered, and whether it was right, would decide the vote.
        object["candidate_side"] = vote.map { _ in isLeft ? "left" : "right" }
        for member in ["candidate_right", "active_right"] where vote != nil { object.element(member, question[member]) }
    }
}

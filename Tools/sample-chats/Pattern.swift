/// A grammar for many variants of a text: each line is an alternative, `(a|b|)` a choice, `{slot}` a placeholder.
///
///     Pattern("What is the (capital|main city) of {country}?").text(filling: ["country": "Peru"], &random)
///
/// Choices can be nested, and the text of a slot can contain choices and slots. All alternatives of a choice are equally likely. The
/// first letter is capitalized, except in names that are always lower case.
struct Pattern {
    private let pattern: String
    private static let lowercaseNames = ["slm", "gpt2", "eugpt", "last.h5", "best.h5", "log.jsonl", "report.html"]

    init(_ pattern: String) { self.pattern = pattern }

    func text(filling slots: [String: String], _ random: inout SplitMix64) -> String {
        let lines = pattern.utf8.split(separator: UInt8(ascii: "\n"))
        var text: [UInt8] = []
        Self.append(Array(lines[random.below(lines.count)])[...], filling: slots, to: &text, &random)
        if !Self.lowercaseNames.contains(where: { text.starts(with: $0.utf8) }), let first = text.first, (97...122).contains(first) {
            text[0] = first - 32
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func append(
        _ part: ArraySlice<UInt8>, filling slots: [String: String], to text: inout [UInt8], _ random: inout SplitMix64
    ) {
        var at = part.startIndex
        while at < part.endIndex {
            switch part[at] {
            case UInt8(ascii: "("):
                let choices = choices(in: part[at...])
                append(choices[random.below(choices.count)], filling: slots, to: &text, &random)
                // The alternatives, the bars between them, and the parentheses.
                at += choices.reduce(0) { $0 + $1.count } + choices.count + 1
            case UInt8(ascii: "{"):
                guard let end = part[at...].firstIndex(of: UInt8(ascii: "}")) else {
                    preconditionFailure("no } in \(String(decoding: part, as: UTF8.self))")
                }
                let name = String(decoding: part[(at + 1)..<end], as: UTF8.self)
                guard let value = slots[name] else {
                    preconditionFailure("no value for the slot {\(name)} in \(String(decoding: part, as: UTF8.self))")
                }
                append(Array(value.utf8)[...], filling: slots, to: &text, &random)
                at = end + 1
            default:
                text.append(part[at])
                at += 1
            }
        }
    }

    /// The alternatives of the choice with which `part` begins.
    private static func choices(in part: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var choices: [ArraySlice<UInt8>] = [], depth = 0, start = part.startIndex + 1
        for at in part.indices {
            switch part[at] {
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: "|") where depth == 1:
                choices.append(part[start..<at])
                start = at + 1
            case UInt8(ascii: ")"):
                depth -= 1
                if depth == 0 { return choices + [part[start..<at]] }
            default: break
            }
        }
        preconditionFailure("no ) in \(String(decoding: part, as: UTF8.self))")
    }
}

import AdminAPI
import JSON
import Store
import Terminal

/// The options that choose chats.
extension AdminOptions {
    static var filterOptions: OptionGroup<AdminOptions> {
        OptionGroup("Chats", TrainingFilter.members.map { option($0, in: \.filter) })
    }

    /// The chats of a run, among those that are included.
    static var includedChatOptions: OptionGroup<AdminOptions> {
        OptionGroup("Chats", TrainingFilter.members.filter { $0.name != "state" }.map { option($0, in: \.run.filter) })
    }

    private static func option(
        _ member: TrainingFilter.Member, in filter: WritableKeyPath<AdminOptions, TrainingFilter>
    ) -> CommandOption<AdminOptions> {
        let name = member.name == "q" ? "search" : member.name.replacing("_", with: "-")
        return switch member.kind {
        case .text(let path): .option(name, filter.appending(path: path), value: member.name == "q" ? "TEXT" : "NAME", member.help)
        case .choice(let choices, let path): .option(name, filter.appending(path: path), value: "NAME", member.help).oneOf(choices)
        case .time(let path): .option(name, filter.appending(path: path), member.help)
        case .count(let path): .option(name, filter.appending(path: path), in: 0...Int(Int32.max), member.help)
        }
    }
}

extension TrainingFilter {
    func write(to object: inout JSONWriter) { for (name, value) in parameters { object[name] = value } }
}

extension TrainingFilter.SortKey: OptionValue {}

extension Timestamp: OptionValue {
    init?(optionText: String) { self.init(dateOrTime: optionText) }
    var optionText: String { description }
    static var metavariable: String { "DATE" }
    static var expectation: String { "a date such as 2026-11-01 or a time such as 2026-11-01T00:00:00Z" }
}

/// A chat as a server describes it.
struct AreaChat {
    let json: JSONElement

    func text(_ name: String) -> String { json[name]?.string?.printable ?? "" }
    func count(_ name: String) -> Int { json[name]?.integer ?? 0 }
    func list(_ name: String) -> [String] { json[name]?.elements?.compactMap { $0.string?.printable } ?? [] }

    var id: String { text("id") }
    var person: String { text("person").isEmpty ? text("source") : text("person") }
    var messages: [JSONElement] { json.list("messages") }

    /// What an owner should know before including it.
    var remarks: [String] {
        var remarks: [String] = []
        if count("good") > 0 { remarks.append("\(count("good")) good") }
        if count("bad") > 0 { remarks.append("\(count("bad")) bad") }
        let corrections = count("corrections") + count("owner_corrections")
        if corrections > 0 { remarks.append("\(corrections) corrected") }
        if count("duplicates") > 0 { remarks.append("\(count("duplicates")) near-duplicates") }
        if !list("personal").isEmpty { remarks.append("personal: " + list("personal").joined(separator: ", ")) }
        if json["held_out"]?.boolean == true { remarks.append("held out") }
        if !list("tags").isEmpty { remarks.append("tags: " + list("tags").joined(separator: ", ")) }
        return remarks
    }
}

/// A page of the list.
struct AreaChatPage {
    let chats: [AreaChat]
    let next: String?
    let total: Int
    /// Whether `total` is not a lower bound.
    let isExact: Bool

    init(_ client: AdminClient, _ parameters: [(name: String, value: String)], limit: Int, after: String?) throws {
        let root = try client.document(
            "GET", "chats", parameters + [("limit", "\(limit)")] + (after.map { [("after", $0)] } ?? [])).json
        chats = root.list("items").map { AreaChat(json: $0) }
        next = root["next"]?.string
        total = root["total"]?.integer ?? 0
        isExact = root["total_is_exact"]?.boolean ?? true
    }
}

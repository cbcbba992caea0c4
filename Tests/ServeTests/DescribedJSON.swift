import Foundation
import JSON
import Store

/// The text of a JSON value, such as `{id: id, title: Rain, created_at: time}`. What differs from run to run is replaced by its kind:
/// times, ids, digests, codes, folders, durations and sizes of memory.
///
/// - Parameter varying: Names of further members whose numbers and truth values differ.
func described(_ value: JSONElement, _ name: String = "", varying: Set<String> = []) -> String {
    if let members = value.members {
        return "{" + members.map { key, value in
            let name = key.string ?? ""
            return "\(name): \(described(value, name, varying: varying))"
        }.joined(separator: ", ") + "}"
    }
    if let elements = value.elements {
        return "[" + elements.map { described($0, name, varying: varying) }.joined(separator: ", ") + "]"
    }
    if let text = value.string { return described(text, name) }
    if value.isNull { return "null" }
    if let boolean = value.boolean { return varying.contains(name) ? "boolean" : "\(boolean)" }
    if varyingNumbers.contains(name) || varying.contains(name) { return (value.number ?? -1) >= 0 ? "number" : "no number" }
    return value.integer.map { "\($0)" } ?? "\(value.number ?? .nan)"
}

private let varyingNumbers: Set = [
    "seconds", "tokens_per_s", "first_token_seconds", "uptime_seconds", "created", "created_at", "completed_at", "last_active_at",
    "loaded_at", "cpu_seconds", "resident_bytes", "open_files", "max_files", "cores", "memory_bytes", "used_bytes", "free_bytes",
    "free_disk_bytes", "size_bytes", "total_duration", "eval_duration", "prompt_eval_duration",
]

private func described(_ text: String, _ name: String) -> String {
    if ["code", "key", "access_token"].contains(name), text.count >= 16 { return "secret" }
    if ["machine", "person"].contains(name) { return name }
    if ConversationID(text) != nil { return "id" }
    for prefix in ["vs_", "vsfb_", "file-", "resp_", "msg_", "fc_", "fs_"] where text.hasPrefix(prefix) { return prefix + "…" }
    if (try? /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/.wholeMatch(in: text)) != nil { return "time" }
    if (try? /([0-9a-f]{32}){1,2}/.wholeMatch(in: text)) != nil { return "digest" }
    return text.replacing(/\/\S*slm-tests-\w+/, with: "…")
}

import CSQLite
import Glibc

/// Registers `slm_contains(text, part)`, which returns 1 if `text` contains `part`, ignoring case.
///
/// SQLite's LIKE ignores case for ASCII letters only.
func registerContains(on database: OpaquePointer) {
    sqlite3_create_function_v2(database, "slm_contains", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nil, { context, _, arguments in
        guard let arguments, let text = bytes(arguments[0]), let part = bytes(arguments[1]) else { return sqlite3_result_int(context, 0) }
        if isASCII(text), isASCII(part) { return sqlite3_result_int(context, asciiContains(text, part) ? 1 : 0) }
        sqlite3_result_int(context, contains(lowercased(text), lowercased(part)) ? 1 : 0)
    }, nil, nil, nil)
}

private func bytes(_ value: OpaquePointer?) -> UnsafeBufferPointer<UInt8>? {
    guard let text = sqlite3_value_text(value) else { return nil }
    return UnsafeBufferPointer(start: text, count: Int(sqlite3_value_bytes(value)))
}

private func isASCII(_ text: UnsafeBufferPointer<UInt8>) -> Bool { text.allSatisfy { $0 < 0x80 } }

/// Without copies of the texts: a search of the administrator compares the titles of all conversations.
private func asciiContains(_ text: UnsafeBufferPointer<UInt8>, _ part: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let first = part.first.map(lowercased), text.count >= part.count else { return part.isEmpty }
    return (0...text.count - part.count).contains { start in
        lowercased(text[start]) == first && part.indices.allSatisfy { lowercased(text[start + $0]) == lowercased(part[$0]) }
    }
}

private func lowercased(_ byte: UInt8) -> UInt8 { 0x41...0x5A ~= byte ? byte | 0x20 : byte }

private func lowercased(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    if isASCII(text) { return text.map(lowercased) }
    return Array(String(decoding: text, as: UTF8.self).lowercased().utf8)
}

private func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
    guard let first = part.first else { return true }
    return text.withUnsafeBytes { text in
        part.withUnsafeBytes { part in
            guard var rest = text.baseAddress, let wanted = part.baseAddress else { return false }
            let last = rest + text.count - part.count                // the last possible start
            while rest <= last, let start = memchr(rest, Int32(first), last - rest + 1) {
                if memcmp(start, wanted, part.count) == 0 { return true }
                rest = UnsafeRawPointer(start) + 1
            }
            return false
        }
    }
}

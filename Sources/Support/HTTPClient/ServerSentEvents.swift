/// Parses a stream of server-sent events (WHATWG HTML, 9.2) that arrives in pieces of any size.
///
///     var events = ServerSentEvents()
///     try events.add(bytes) { data in … }                      // the data of each complete event
///
/// Lines end with LF, CR LF or CR. A leading byte-order mark, comments and other fields are ignored. Several `data` lines are
/// joined with LF. An empty line completes an event.
package struct ServerSentEvents: Sendable {
    /// An event that is larger than the limit.
    package struct TooLong: Error, Equatable {
        package let limit: Int
    }

    private let limit: Int
    private var line: [UInt8] = []
    /// nil before the first `data` line of an event.
    private var data: [UInt8]?
    private var endsWithCR = false
    private var isFirstLine = true

    package init(limit: Int = 8 << 20) { self.limit = limit }

    package mutating func add(_ bytes: Span<UInt8>, _ body: (_ data: [UInt8]) -> Void) throws(TooLong) {
        for i in bytes.indices {
            let byte = bytes[i]
            defer { endsWithCR = byte == 13 }
            if byte == 10, endsWithCR { continue }
            if byte == 10 || byte == 13 {
                endLine(body)
            } else {
                line.append(byte)
                if line.count + (data?.count ?? 0) > limit { throw TooLong(limit: limit) }
            }
        }
    }

    private mutating func endLine(_ body: ([UInt8]) -> Void) {
        defer { line.removeAll(keepingCapacity: true) }
        if isFirstLine {
            isFirstLine = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        }
        if line.isEmpty {
            if let data { body(data) }
            data = nil
        } else if let value = value(of: "data") {
            data = data.map { $0 + [10] + value } ?? Array(value)
        }
    }

    /// The value of a field in the current line, without one space after the colon.
    private func value(of field: String) -> ArraySlice<UInt8>? {
        guard line.starts(with: field.utf8) else { return nil }
        let rest = line[field.utf8.count...]
        if rest.isEmpty { return rest }
        guard rest.first == UInt8(ascii: ":") else { return nil }
        return rest.dropFirst().first == 32 ? rest.dropFirst(2) : rest.dropFirst()
    }
}

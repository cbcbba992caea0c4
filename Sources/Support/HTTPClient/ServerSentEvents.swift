/// Reads a stream of server-sent events (WHATWG HTML, 9.2), however it is cut into pieces.
///
///     var events = ServerSentEvents()
///     try events.add(bytes) { data in … }                      // the data of each event that is whole
///
/// Lines end with LF, CR LF or CR; a byte-order mark at the beginning and comments are left out; several `data` lines are joined by line ends. Other fields are not
/// kept. What comes behind the last empty line is not an event yet.
package struct ServerSentEvents: Sendable {
    /// An event with more data than anybody should send.
    package struct TooLong: Error, Equatable {
        package let limit: Int
    }

    private let limit: Int
    private var line: [UInt8] = []
    /// nil until a `data` line has come.
    private var data: [UInt8]?
    private var endsWithCR = false, isFirstLine = true

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

    /// What the line says of a field; one space behind the colon does not count.
    private func value(of field: String) -> ArraySlice<UInt8>? {
        guard line.starts(with: field.utf8) else { return nil }
        let rest = line[field.utf8.count...]
        if rest.isEmpty { return rest }
        guard rest.first == UInt8(ascii: ":") else { return nil }
        return rest.dropFirst().first == 32 ? rest.dropFirst(2) : rest.dropFirst()
    }
}

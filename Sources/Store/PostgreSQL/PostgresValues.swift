import CPQ

/// The values of a statement as libpq takes them: texts that end in a zero, and nothing for NULL.
struct Parameters {
    private var bytes: [CChar] = []
    private var starts: [Int?] = []

    init(_ values: [Value]) {
        for value in values {
            let text: String? = switch value {
            case .null: nil
            case .integer(let number): "\(number)"
            case .real(let number): "\(number)"
            case .text(let text): text.storable
            }
            starts.append(text == nil ? nil : bytes.count)
            if let text { bytes += text.utf8CString }
        }
    }

    func lend<Result>(_ body: (Int32, [UnsafePointer<CChar>?]) throws(StoreError) -> Result) throws(StoreError) -> Result {
        // A Swift closure over a C array says only `any Error`.
        let result = bytes.withUnsafeBufferPointer { all in
            let texts = starts.map { start in start.flatMap { start in all.baseAddress.map { $0 + start } } }
            return Swift.Result { () throws(StoreError) in try body(Int32(texts.count), texts) }
        }
        return try result.get()
    }
}

/// Lends C an array of C's strings with nil at its end.
func withCStrings<Result>(_ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
    var bytes: [CChar] = [], starts: [Int] = []
    for string in strings {
        starts.append(bytes.count)
        bytes += string.utf8CString
    }
    return bytes.withUnsafeBufferPointer { all in body(starts.map { start in all.baseAddress.map { $0 + start } } + [nil]) }
}

/// What the server answered, in the kinds of value that the columns have.
struct PostgresRows {
    private let result: OpaquePointer
    private let store: String

    init(_ result: OpaquePointer, store: String) { (self.result, self.store) = (result, store) }

    var rows: [Row] {
        let columns = PQnfields(result), kinds = (0..<columns).map { PQftype(result, $0) }
        return (0..<PQntuples(result)).map { row in
            Row(values: (0..<columns).map { value(row, $0, kinds[Int($0)]) }, store: store)
        }
    }

    private func value(_ row: Int32, _ column: Int32, _ kind: Oid) -> Value {
        guard PQgetisnull(result, row, column) == 0, let start = PQgetvalue(result, row, column) else { return .null }
        let text = start.withMemoryRebound(to: UInt8.self, capacity: Int(PQgetlength(result, row, column))) {
            String(decoding: UnsafeBufferPointer(start: $0, count: Int(PQgetlength(result, row, column))), as: UTF8.self)
        }
        switch kind {
        case 20, 21, 23: return Int64(text).map { .integer($0) } ?? .text(text)          // int8, int2, int4
        case 700, 701: return Double(text).map { .real($0) } ?? .text(text)              // float4, float8
        default: return .text(text)
        }
    }
}

import CPQ

/// The parameters of a statement in libpq's text format: NUL-terminated strings, and nil for NULL.
struct PostgresParameters {
    private var bytes: [CChar] = []
    private var starts: [Int?] = []

    init(_ values: [SQLValue]) {
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

    func withPointers<Result>(_ body: (Int32, [UnsafePointer<CChar>?]) throws(StoreError) -> Result) throws(StoreError) -> Result {
        // `withUnsafeBufferPointer` does not preserve typed throws, so the error travels in a Result.
        let result = bytes.withUnsafeBufferPointer { all in
            let texts = starts.map { start in start.flatMap { start in all.baseAddress.map { $0 + start } } }
            return Swift.Result { () throws(StoreError) in try body(Int32(texts.count), texts) }
        }
        return try result.get()
    }
}

/// Passes a nil-terminated array of C strings to `body`.
func withCStrings<Result>(_ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
    var bytes: [CChar] = []
    var starts: [Int] = []
    for string in strings {
        starts.append(bytes.count)
        bytes += string.utf8CString
    }
    return bytes.withUnsafeBufferPointer { all in body(starts.map { start in all.baseAddress.map { $0 + start } } + [nil]) }
}

/// The rows of a result, with values converted by column type.
struct PostgresRows {
    private let result: OpaquePointer
    private let store: String
    private let pq: slm_pq_functions

    init(_ result: OpaquePointer, store: String, _ pq: slm_pq_functions) {
        self.result = result
        self.store = store
        self.pq = pq
    }

    var rows: [Row] {
        let places = 0..<pq.nfields(result)
        let columns = places.map { pq.fname(result, $0).map { String(cString: $0) } ?? "" }
        let types = places.map { pq.ftype(result, $0) }
        return (0..<pq.ntuples(result)).map { row in
            Row(columns: columns, values: places.map { value(row, $0, types[Int($0)]) }, store: store)
        }
    }

    private func value(_ row: Int32, _ column: Int32, _ type: Oid) -> SQLValue {
        guard pq.getisnull(result, row, column) == 0, let start = pq.getvalue(result, row, column) else { return .null }
        let text = start.withMemoryRebound(to: UInt8.self, capacity: Int(pq.getlength(result, row, column))) {
            String(decoding: UnsafeBufferPointer(start: $0, count: Int(pq.getlength(result, row, column))), as: UTF8.self)
        }
        switch type {
        case 20, 21, 23: return Int64(text).map { .integer($0) } ?? .text(text)          // int8, int2, int4
        case 700, 701: return Double(text).map { .real($0) } ?? .text(text)              // float4, float8
        default: return .text(text)
        }
    }
}

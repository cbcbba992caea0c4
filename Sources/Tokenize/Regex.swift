struct Regex {
    init(_ pattern: String) throws(TokenizeError) { throw .badPattern(pattern, at: 0, reason: "to come") }
    mutating func cut(_ text: Span<UInt8>, isLast: Bool, into ends: inout [UInt32]) throws(TokenizeError) {}
}

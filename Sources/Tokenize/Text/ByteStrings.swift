/// Many short byte strings in one buffer.
///
///     var strings = ByteStrings()
///     strings.append("th".utf8)
///     Array(strings[0])          // [116, 104]
package struct ByteStrings: Sendable, Equatable {
    /// All strings, concatenated.
    private(set) package var bytes: [UInt8] = []
    /// The offset at which each string ends.
    private var ends: [Int] = []

    package init() {}

    package var count: Int { ends.count }
    package var indices: Range<Int> { 0..<ends.count }

    package mutating func append(_ string: some Sequence<UInt8>) {
        bytes.append(contentsOf: string)
        ends.append(bytes.count)
    }

    package mutating func reserveCapacity(_ count: Int, bytes: Int) {
        ends.reserveCapacity(count)
        self.bytes.reserveCapacity(bytes)
    }

    /// The range of string `i` in `bytes`.
    package func range(of i: Int) -> Range<Int> { (i == 0 ? 0 : ends[i - 1])..<ends[i] }

    package subscript(i: Int) -> ArraySlice<UInt8> { bytes[range(of: i)] }
}

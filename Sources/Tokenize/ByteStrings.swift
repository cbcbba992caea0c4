/// Many short strings of bytes, one behind the other.
///
///     var names = ByteStrings()
///     names.append("th".utf8)
///     Array(names[0])          // [116, 104]
package struct ByteStrings: Sendable, Equatable {
    private(set) package var bytes: [UInt8] = []
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

    package func range(of i: Int) -> Range<Int> { (i == 0 ? 0 : ends[i - 1])..<ends[i] }

    package subscript(i: Int) -> ArraySlice<UInt8> { bytes[range(of: i)] }
}

// Numbers in files: the formats that slm reads and writes have the lowest byte first.

extension FixedWidthInteger {
    /// Reads a number. High bytes that are not there are 0.
    ///
    ///     let length = UInt64(littleEndian: file.extracting(0..<8))
    @inlinable
    package init(littleEndian bytes: Span<UInt8>) {
        self = 0
        for i in bytes.indices.reversed() { self = self << 8 | Self(truncatingIfNeeded: bytes[i]) }
    }

    package var littleEndianBytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: self)
        return bytes
    }
}

extension [UInt8] {
    @inlinable
    package mutating func append(littleEndian number: some FixedWidthInteger) {
        for shift in stride(from: 0, to: number.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: number >> shift)) }
    }
}

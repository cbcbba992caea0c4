import Files

/// Encodes a protocol buffers message. Fields have numbers; omitted fields have their default.
///
///     var event = ProtobufMessage()
///     event.add(1, 12.5)                                       // double wall_time = 1
///     event.add(5) { $0.add(1) { $0.add(1, "train/loss") } }   // nested messages
package struct ProtobufMessage {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    private enum WireType: UInt64 { case varint = 0, eightBytes = 1, lengthDelimited = 2, fourBytes = 5 }

    package mutating func add(_ field: UInt64, _ number: Int) {
        begin(field, .varint)
        varint(UInt64(bitPattern: Int64(number)))
    }

    package mutating func add(_ field: UInt64, _ number: Double) {
        begin(field, .eightBytes)
        bytes.append(littleEndian: number.bitPattern)
    }

    package mutating func add(_ field: UInt64, _ number: Float) {
        begin(field, .fourBytes)
        bytes.append(littleEndian: number.bitPattern)
    }

    package mutating func add(_ field: UInt64, _ text: String) { add(field, Array(text.utf8)) }

    package mutating func add(_ field: UInt64, _ body: (inout ProtobufMessage) -> Void) {
        var inner = ProtobufMessage()
        body(&inner)
        add(field, inner.bytes)
    }

    private mutating func add(_ field: UInt64, _ content: [UInt8]) {
        begin(field, .lengthDelimited)
        varint(UInt64(content.count))
        bytes += content
    }

    private mutating func begin(_ field: UInt64, _ wireType: WireType) { varint(field << 3 | wireType.rawValue) }

    /// Seven bits per byte, least significant first.
    private mutating func varint(_ number: UInt64) {
        var rest = number
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

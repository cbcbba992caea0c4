import Files
import Report
import Testing

/// Tests/Peers/check_report.py reads a whole file with TensorBoard itself.
@Suite struct EventFileTests {
    /// RFC 3720, B.4.
    @Test(
        arguments: [
            (Array("123456789".utf8), 0xE306_9283), ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
            (Array(0..<32), 0x46DD_794E), ([], 0),
        ] as [([UInt8], UInt32)])
    func `checksums match RFC 3720`(bytes: [UInt8], crc: UInt32) {
        #expect(CRC32C.of(bytes) == crc)
        #expect(CRC32C.masked(bytes) == (crc >> 15 | crc << 17) &+ 0xA282_EAD8)
    }

    /// Examples of the protocol buffers documentation, and varints near byte boundaries.
    @Test func `messages have the encoding of protocol buffers`() {
        var message = ProtobufMessage()
        message.add(1, 150)
        message.add(2, "testing")
        message.add(3) { $0.add(1, 150) }
        #expect(message.bytes == [0x08, 0x96, 0x01, 0x12, 0x07] + Array("testing".utf8) + [0x1A, 0x03, 0x08, 0x96, 0x01])
        var numbers = ProtobufMessage()
        for number in [127, 128, -1] { numbers.add(16, number) }
        numbers.add(2, Float(1))
        numbers.add(1, 1.0)
        #expect(numbers.bytes == [0x80, 0x01, 0x7F, 0x80, 0x01, 0x80, 0x01, 0x80, 0x01] + [UInt8](repeating: 0xFF, count: 9) + [0x01]
            + [0x15, 0, 0, 0x80, 0x3F, 0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F])
    }

    @Test func `a record contains its length, content and both checksums`() {
        let record = EventFile.record(Array("abc".utf8))
        #expect(
            record.count == 8 + 4 + 3 + 4 && record.prefix(8).elementsEqual([3, 0, 0, 0, 0, 0, 0, 0])
                && record[12..<15].elementsEqual("abc".utf8))
        #expect(Array(record[8..<12]) == CRC32C.masked([3, 0, 0, 0, 0, 0, 0, 0]).littleEndianBytes)
        #expect(Array(record[15...]) == CRC32C.masked(Array("abc".utf8)).littleEndianBytes)
    }
}

import Files
import Testing

@Suite struct LittleEndianTests {
    @Test func `numbers have their lowest byte first`() {
        #expect(UInt16(0x0102).littleEndianBytes == [2, 1])
        #expect((-2).littleEndianBytes == [0xFE] + [UInt8](repeating: 0xFF, count: 7))
        for number in [0, 1, -1, .min, .max] as [Int64] { #expect(Int64(littleEndian: number.littleEndianBytes.span) == number) }
    }

    @Test func `bytes that are not there are 0`() {
        let bytes: [UInt8] = [0xFF, 1, 9]
        #expect(Int(littleEndian: bytes.span.extracting(0..<2)) == 0x1FF)
        #expect(UInt32(littleEndian: bytes.span.extracting(3..<3)) == 0)
    }
}

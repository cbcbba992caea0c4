import Files
import Testing

@Suite struct ByteSearchTests {
    @Test(arguments: [("ab", 0, 1..<3), ("ab", 2, 4..<6), ("ab", 5, nil), ("ab", 99, nil), ("abc", 0, 4..<7), ("abd", 0, nil)])
    func `the first place of a text is found`(text: String, start: Int, range: Range<Int>?) {
        let bytes = Array(" ab abc".utf8)
        #expect(bytes.range(of: text.utf8, from: start) == range)
        #expect(bytes[0...].range(of: text.utf8, from: start) == range)
    }
}

import Files
import Testing

@Suite struct TrimmingTests {
    @Test(arguments: [("", "", ""), (" \n", "", ""), ("a", "a", "a"), (" a b ", "a b", " a b"), ("\r\na\r\n", "a", "\r\na")])
    func `white space is dropped at both ends, or at the end`(text: String, trimmed: String, withPrefix: String) {
        #expect(text.trimming(while: \.isWhitespace) == trimmed)
        #expect(text.trimmingSuffix(while: \.isWhitespace) == withPrefix)
        #expect(Array(text.utf8).trimming(while: \.isSpace).elementsEqual(trimmed.utf8))
    }
}

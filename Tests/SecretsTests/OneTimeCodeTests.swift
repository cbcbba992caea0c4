import Secrets
import Testing

@Suite struct OneTimeCodeTests {
    @Test func `a code has sixteen digits in four groups, and is found however it is typed`() throws {
        let code = OneTimeCode(), text = code.text
        #expect(text.utf8.count == 19 && text.split(separator: "-").map(\.count) == [4, 4, 4, 4])
        for typed in [text, text.lowercased(), text.replacing("-", with: ""), " \(text.replacing("-", with: " ")) "] {
            #expect(OneTimeCode(typed)?.digest == code.digest)
        }
        let digits = "0000-1111-2222-ABCD"
        for typed in ["oOo0-iIlL-2222-abcd", "0000 1111 2222 ABCD"] { #expect(OneTimeCode(typed)?.text == digits) }
        // Python: hashlib.sha256(b"000011112222ABCD").hexdigest()
        #expect(OneTimeCode(digits)?.digest == "e670053083c51adb59d5631250c55d1982e326d649f9842e91538fe3e5bfd678")
    }

    @Test func `other texts are not codes`() {
        for text in [
            "", "-", "0000-1111-2222", "0000-1111-2222-3333-4", "0000-1111-2222-ABCU", "0000-1111-2222-ABCß",
            String(repeating: "-", count: 100),
        ] {
            #expect(OneTimeCode(text) == nil, "\(text)")
        }
    }

    @Test func `codes differ and are never printed`() {
        let codes = (0..<1_000).map { _ in OneTimeCode() }
        #expect(Set(codes.map(\.digest)).count == 1_000)
        #expect(Set(codes.flatMap { $0.text.filter { $0 != "-" } }).count == 32)
        #expect("\(codes[0])" == "(code)" && !String(reflecting: codes[0]).contains(codes[0].text.prefix(4)))
    }
}

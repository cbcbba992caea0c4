import Infer
import Testing

@Suite struct GeneratedTextTests {
    @Test(arguments: [
        ("One. Two! Thr", "One. Two!"), ("One.", "One."), ("no end", ""), ("", ""), ("a list:\n- one\n- tw", "a list:\n- one"),
        ("version 1.5 of it", ""), ("Is 1.5 more? Yes, 1.", "Is 1.5 more? Yes, 1."), ("一。二", "一。"), ("a\n\nb", "a"),
    ])
    func `an answer that is cut ends with a whole sentence or line`(text: String, whole: String) {
        #expect(GeneratedText.wholeSentences(of: text) == whole)
    }
}

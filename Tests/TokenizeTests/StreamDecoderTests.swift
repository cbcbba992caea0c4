import Testing
import Tokenize
import TestSupport

@Suite struct StreamDecoderTests {
    @Test func `a character is returned when it is complete`() throws {
        var decoder = StreamDecoder(try VocabularyFixtures.trained(256))
        #expect("a€b".utf8.map { decoder.add(TokenID($0)) } == ["a", "", "", "€", "b"])
    }

    @Test func `invalid bytes are returned as U+FFFD as soon as they are known to be invalid`() throws {
        var decoder = StreamDecoder(try VocabularyFixtures.trained(256))
        #expect([0xE2, 0x82, 0x41, 0xFF, 0xF0, 0x9F].map { decoder.add(TokenID($0)) } == ["", "", "\u{FFFD}A", "\u{FFFD}", "", ""])
        #expect(decoder.add(0x41) == "\u{FFFD}A")
    }

    @Test func `the pieces of random bytes concatenate to the decoded whole`() throws {
        var random = TestRandom(5)
        let vocabulary = try VocabularyFixtures.trained(specialTokens: ["日本"], first: false)
        for round in 0..<2_000 {
            let bytes = round % 2 == 0 ? random.text(pieces: 12, broken: true) : random.bytes(12)
            var decoder = StreamDecoder(vocabulary), text = "", at = 0
            while at < bytes.count {
                let end = min(bytes.count, at + random.below(4))
                let incomplete = Array(bytes[..<end]).span.incompleteUTF8Suffix
                text += decoder.add(bytes[at..<end])
                #expect(text.utf8.elementsEqual(String(decoding: bytes[..<(end - incomplete)], as: UTF8.self).utf8))
                at = end
            }
        }
    }

    @Test func `invalid ids have no text`() throws {
        var decoder = StreamDecoder(try VocabularyFixtures.trained(256))
        #expect([-1, 256, .max, .min].map { decoder.add($0) } == ["", "", "", ""])
    }
}

import Documents
import Foundation
import Testing
import TestSupport

/// What a question finds.
@Suite struct SearchTests {
    private let folder = TemporaryFolder()

    /// An index of texts, each in a file of its own: a.md, b.md, …
    private func index(_ texts: String..., stemming: DocumentIndex.Stemming = .english) throws -> DocumentIndex {
        for (i, text) in texts.enumerated() { folder.write(text, to: "\(Character(Unicode.Scalar(UInt8(97 + i)))).md") }
        try IndexBuilder(reader: DocumentReader(programs: "")).build([folder.path], at: folder("x.index"), stemming: stemming)
        return try DocumentIndex(folder("x.index"))
    }

    /// The letters of the files that are found.
    private func files(_ index: DocumentIndex, _ question: String, limit: Int = 10) throws -> String {
        try index.search(question, limit: limit).passages.map { String($0.file.suffix(4).prefix(1)) }.joined()
    }

    @Test func `rare words count more than frequent ones`() throws {
        let index = try index("The pump and the pump.", "The valve of the pump.", "A pump with a gauge.", "The pump again.")
        #expect(try files(index, "gauge pump").first == "c" && files(index, "the valve?").first == "b")
        #expect(try files(index, "pump", limit: 2).count == 2)
    }

    @Test func `words of headings count more than words of the text`() throws {
        let index = try index("# Pump\nIt is here, with a valve.", "# Valve\nIt is here, with a pump.", "# Other\nNothing about these.")
        #expect(try files(index, "pump") == "ab" && files(index, "valve") == "ba")
    }

    @Test func `words that only connect others do not decide`() throws {
        let index = try index("How do I do what I do? How, and why?", "Hold the button. The pump restarts.", "Another text of this kind.")
        #expect(try files(index, "how do I restart the pump") == "b")
        #expect(try files(index, "how") == "a", "they count if there are no others")
    }

    @Test func `endings and accents do not matter; a word that is not found matches its beginning`() throws {
        let index = try index("Configuration of the café.", "Resetting pumps", "Größe")
        #expect(try files(index, "cafe") == "a" && files(index, "CAFÉ") == "a" && files(index, "pump reset") == "b")
        #expect(try files(index, "grosse").isEmpty && files(index, "große") == "c" && files(index, "GROSSE gröss").isEmpty)
        #expect(try files(index, "configur") == "a" && files(index, "conf") == "a", "a prefix")
        #expect(try files(index, "co").isEmpty, "too short for a prefix")
    }

    @Test func `without stemming, other endings are other words`() throws {
        let index = try index("pumps", "pump", stemming: .none)
        #expect(try files(index, "pump") == "b" && files(index, "pumps") == "a")
    }

    @Test func `words that are in no document are named`() throws {
        let index = try index("The pump.")
        let result = try index.search("Does the pump need xylophones or a zither?", limit: 5)
        #expect(result.passages.count == 1 && result.unknownWords == ["need", "xylophones", "zither"])
        let none = try index.search("xylophone", limit: 5)
        #expect(none.passages.isEmpty && none.unknownWords == ["xylophone"])
        let nothing = try index.search(" ?! ", limit: 5)
        #expect(nothing.passages.isEmpty && nothing.unknownWords.isEmpty)
    }

    @Test func `the coverage of a passage is the share of the question's words that it has, by their rarity`() throws {
        let index = try index("The pump of the cellar.", "The pump of the garden.", "The pump.", "The pump.", "The pump.")
        func coverage(_ question: String) throws -> [Double?] { try index.search(question, limit: 9).passages.map(\.coverage) }
        #expect(try coverage("Where is the pump of the cellar?").prefix(1) == [1])
        // log(1 + 5/(0.5 + n)) for n of 5 passages.
        let all = log(1 + 5 / 5.5), one = log(1 + 5 / 1.5), none = log(1 + 5 / 0.5)
        let found = try coverage("Where is the crane of the pump of the cellar?")
        let first = try #require(found[0]), fourth = try #require(found[3])
        #expect(abs(first - (all + one) / (all + one + none)) < 1e-12 && abs(fourth - all / (all + one + none)) < 1e-12)
        #expect(found.count == 5 && found[4] == nil)
        #expect(try coverage("Please tell me where it is: cellar").first == 1, "words of requests need not be there")
        #expect(try coverage("crane").isEmpty)
    }

    @Test func `equal scores are in the order of files and lines`() throws {
        let text = "# Same\nThe same text.\n# Same\nThe same text.\n"
        let index = try index(text, text, text)
        let places = try index.search("same text", limit: 10).passages.map { String($0.place.suffix(6)) }
        #expect(places == ["a.md:2", "a.md:4", "b.md:2", "b.md:4", "c.md:2", "c.md:4"])
    }

    @Test(arguments: [
        "pump AND NOT button", "\"pump", "pump*", "NEAR(pump button)", "title:pump", "{body}: pump", "pump - button", "^pump", "(pump",
        "pump OR", "pump'; DROP TABLE passages; --", "pump + \"\"",
        "a\u{0}pump", "pump\\", "$1 pump", "%pump_", "“pump”", "pump\n\tbutton",
    ])
    func `operators and quotes are text`(question: String) throws {
        #expect(try files(index("The pump."), question) == "a")
    }

    @Test func `any question is answered`() throws {
        let index = try index("The pump and the button.", "Ünïcödé 日本語 text 123.")
        var mutator = Mutator(seed: 4, words: ["\"", "*", "NEAR(", " OR ", "title:", "日本", "e\u{301}", "pump", "$2"])
        for _ in 0..<fuzzRounds(default: 2_000) {
            var bytes = Array("how do I reset the pump, button 日本語 123?".utf8)
            for _ in 0..<3 { mutator.damage(&bytes) }
            #expect(throws: Never.self) { try index.search(String(decoding: bytes, as: UTF8.self), limit: 3) }
        }
        let long = (0..<5_000).map { "word\($0)" }.joined(separator: " ") + " pump"
        #expect(throws: Never.self) { try index.search(long, limit: 3) }
    }
}

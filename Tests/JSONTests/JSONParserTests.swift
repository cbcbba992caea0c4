import JSON
import Testing

@Suite struct JSONParserTests {
    @Test func `values and the order of members are those of the document`() throws {
        var parser = JSONParser()
        let root = try parser.parse(#" {"b": [1, -2.5, true, null, "x\n\u00e9\ud83d\ude00"], "a": {"": {}}, "big": 18446744073709551615} "#)
        let list = try #require(root["b"]?.elements.map(Array.init))
        #expect(list.map(\.kind) == [.number, .number, .boolean, .null, .string])
        #expect(list[0].integer == 1 && list[0].number == 1)
        #expect(list[1].integer == nil && list[1].number == -2.5)
        #expect(list[2].boolean == true && list[3].isNull)
        #expect(list[4].string == "x\né😀")
        #expect(root["big"]?.integer == nil && root["big"]?.number == 0x1p64)
        #expect(root.members?.map { $0.key.string } == ["b", "a", "big"])
        #expect(root["a"]?[""]?.kind == .object && root["a"]?["x"] == nil && root["b"]?["x"] == nil)
        #expect(list[4].members == nil && root.elements == nil && root.string == nil)
    }

    @Test func `the last of duplicate keys counts and all are members`() throws {
        var parser = JSONParser()
        let root = try parser.parse(#"{"a": 1, "b": 2, "a": 3}"#)
        #expect(root["a"]?.integer == 3)
        #expect(root.members?.compactMap { $0.value.integer } == [1, 2, 3])
    }

    @Test func `values remain valid after the next document is parsed`() throws {
        var parser = JSONParser()
        let first = try parser.parse(#"["first"]"#)
        let second = try parser.parse(#"["second, and longer"]"#)
        #expect(throws: JSONError.self) { try parser.parse("[") }
        #expect(first.elements?.compactMap(\.string) == ["first"])
        #expect(second.elements?.compactMap(\.string) == ["second, and longer"])
    }

    @Test func `whole numbers beyond 64 bits are doubles`() throws {
        var parser = JSONParser()
        let root = try parser.parse(
            #"{"model_max_length": 1000000000000000019884624838656, "a": [18446744073709551616,18446744073709551615], "#
                + #""b": "18446744073709551616", "c": -9223372036854775809}"#
        )
        #expect(root["model_max_length"]?.number == 1e30 && root["model_max_length"]?.integer == nil)
        #expect(root["a"]?.elements?.map(\.number) == [0x1p64, 0x1p64] && root["a"]?.elements?.map(\.unsigned) == [nil, .max])
        #expect(root["b"]?.string == "18446744073709551616" && root["c"]?.number == -0x1p63)
        #expect(try parser.parse("18446744073709551616").number == 0x1p64)
    }

    @Test func `a NUL inside a string is part of it`() throws {
        var parser = JSONParser()
        #expect(try parser.parse(#""a\u0000b""#).bytes == [97, 0, 98])
    }

    @Test(arguments: [
        Refusal("", at: 0, "a value", "the end"),
        Refusal("  ", at: 2, "a value", "the end"),
        Refusal("{\"a\": }", at: 6, "a value", "'}'"),
        Refusal("{\"a\" 1}", at: 5, "a colon", "'1'"),
        Refusal("{a: 1}", at: 1, "a key in quotation marks", "'a'"),
        Refusal("{\"a\": 1,}", at: 8, "a key in quotation marks", "'}'"),
        Refusal("[1 2]", at: 3, "a comma or ']'", "'2'"),
        Refusal("[1, 2", at: 5, "a comma or ']'", "the end"),
        Refusal("{} {}", at: 3, "the end of the document", "'{'"),
        Refusal("\"abc", at: 4, "a quotation mark that ends the string", "the end"),
        Refusal("\"a\nb\"", at: 2, "an escaped control character", "byte 0x0A"),
        Refusal("\"a\0b\"", at: 2, "an escaped control character", "byte 0x00"),
        Refusal(#""\x""#, at: 2, #"one of "\/bfnrtu"#, "'x'"),
        Refusal(#""\u12g4""#, at: 5, "four hexadecimal digits", "'g'"),
        Refusal(#""ab\ud800""#, at: 3, "both halves of a surrogate pair", "one"),
        Refusal(#""\ud800\u0041""#, at: 1, "both halves of a surrogate pair", "one"),
        Refusal(#""\udc00""#, at: 1, "both halves of a surrogate pair", "one"),
        Refusal("[nul]", at: 1, "a value", "'n'"),
        Refusal("truex", at: 4, "the end of a value", "'x'"),
        Refusal("01", at: 1, "the end of a value", "'1'"),
        Refusal("-", at: 1, "a digit", "the end"),
        Refusal("[1.]", at: 3, "a digit", "']'"),
        Refusal("[" + String(repeating: "9", count: 400) + "]", at: 1, "a number below 1.8e308", "a larger one"),
        Refusal("[18446744073709551616, }", at: 23, "a value", "'}'"),
        Refusal("1e999", at: 0, "a number below 1.8e308", "a larger one"),
        Refusal("\u{FEFF}{}", at: 0, "a value", "byte 0xEF"),
    ])
    func `malformed JSON is reported with its offset`(_ refusal: Refusal) {
        var parser = JSONParser()
        #expect(throws: refusal.error) { try parser.parse(refusal.text) }
    }

    @Test(
        arguments: [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22],
            [0x22, 0xC3, 0x22],
        ] as [[UInt8]])
    func `invalid UTF-8 is reported at its first byte`(_ text: [UInt8]) {
        var parser = JSONParser()
        #expect(throws: JSONError.malformed(offset: 1, expected: "UTF-8", found: "byte 0x" + String(text[1], radix: 16, uppercase: true))) {
            try parser.parse(text)
        }
    }

    @Test func `the number of levels is limited`() throws {
        var parser = JSONParser()
        for (levels, fits) in [(1, true), (1_000, true), (1_023, true), (1_025, false), (1_000_000, false)] {
            let text = String(repeating: "[", count: levels) + "1" + String(repeating: "]", count: levels)
            if fits {
                #expect(throws: Never.self) { try parser.parse(text) }
            } else {
                #expect(throws: JSONError.malformed(offset: 1_023, expected: "at most 1,024 levels", found: "more")) {
                    try parser.parse(text)
                }
            }
        }
    }

    @Test func `a missing or mismatched value is reported with its key`() throws {
        var parser = JSONParser()
        let root = try parser.parse(#"{"name": "x", "size": 1.5, "none": null}"#)
        #expect(
            try root.string("name") == "x" && root.number("size") == 1.5 && root.integer("none", default: 7) == 7
                && root.integer("absent", default: 8) == 8)
        #expect(throws: JSONError.mismatch(key: "size", expected: "a whole number", found: "1.5")) { try root.integer("size", default: 3) }
        #expect(throws: JSONError.mismatch(key: "name", expected: "an array", found: "a string")) { try root.array("name") }
        #expect(throws: JSONError.mismatch(key: "absent", expected: "a string", found: "nothing")) { try root.string("absent") }
        let error = #expect(throws: JSONError.self) { try root.object("none") }
        #expect(error?.description == #""none": expected an object, found null"#)
        #expect(throws: JSONError.mismatch(key: "", expected: #"an object with "a""#, found: "an array")) {
            try parser.parse("[]").string("a")
        }
    }
}

struct Refusal: CustomTestStringConvertible {
    let text: String, error: JSONError

    init(_ text: String, at offset: Int, _ expected: String, _ found: String) {
        self.text = text
        error = .malformed(offset: offset, expected: expected, found: found)
    }

    var testDescription: String { text.debugDescription }
}

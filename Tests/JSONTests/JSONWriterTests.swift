import JSON
import Testing

@Suite struct JSONWriterTests {
    @Test func `one line has no white space`() {
        #expect(written(.oneLine) == #"{"a":1,"b":[true,null,"x",{}],"c":{"d":-2.5},"e":[]}"#)
    }

    @Test func `pretty has one value per line`() {
        #expect(written(.pretty) == """
            {
              "a": 1,
              "b": [
                true,
                null,
                "x",
                {}
              ],
              "c": {
                "d": -2.5
              },
              "e": []
            }
            """)
    }

    @Test func `a list is an array with an object for each element`() {
        let text = JSONWriter.text { $0.objects("items", [1, 2]) { number, object in object["n"] = number } }
        #expect(text == #"{"items":[{"n":1},{"n":2}]}"#)
    }

    @Test func `members are set by key, and nil is null`() {
        var writer = JSONWriter()
        writer.object {
            $0["text"] = "x"
            $0["count"] = UInt8(3)
            $0["share"] = 0.5
            $0["isNew"] = true
            $0["no number"] = Double.infinity
            $0["none"] = nil as String?
            $0["no count"] = nil as Int?
        }
        #expect(
            writer.text == #"{"text":"x","count":3,"share":0.5,"isNew":true,"no number":null,"none":null,"no count":null}"#)
    }

    private func written(_ layout: JSONWriter.Layout) -> String {
        var writer = JSONWriter(layout)
        writer.object {
            $0.key("a"); $0.integer(1)
            $0.key("b"); $0.array { $0.boolean(true); $0.null(); $0.string("x"); $0.object { _ in } }
            $0.key("c"); $0.object { $0.key("d"); $0.number(-2.5) }
            $0.key("e"); $0.array { _ in }
        }
        return writer.text
    }

    @Test func `every character is read back, in keys and strings`() throws {
        let text = String(String.UnicodeScalarView((0..<0x3000).compactMap(Unicode.Scalar.init) + ["😀", "\u{10FFFF}"]))
        var writer = JSONWriter(), parser = JSONParser()
        writer.object { $0.key(text); $0.string(text) }
        let members = try #require(try parser.parse(writer.bytes).members.map(Array.init))
        #expect(members.count == 1 && members[0].key.string == text && members[0].value.string == text)
    }

    @Test func `short escapes are preferred`() {
        var writer = JSONWriter()
        writer.string("\"\\/\u{8}\t\n\u{C}\r\u{0}\u{1F}\u{7F}é")
        #expect(writer.text == #""\"\\/\b\t\n\f\r\u0000\u001f"# + "\u{7F}é\"")
    }

    @Test func `invalid UTF-8 becomes U+FFFD`() {
        var writer = JSONWriter()
        writer.string([0x61, 0xFF, 0x62])
        #expect(writer.text == "\"a\u{FFFD}b\"")
    }

    @Test(arguments: [0, -0.0, 1, 0.1, 1e16, 1e-300, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -123456.789])
    func `a number reads back as the same`(_ number: Double) throws {
        var writer = JSONWriter(), parser = JSONParser()
        writer.number(number)
        #expect(try parser.parse(writer.bytes).number?.bitPattern == number.bitPattern)
    }

    @Test func `infinity and NaN are null`() {
        var writer = JSONWriter()
        writer.array { $0.number(.nan); $0.number(-.infinity); $0.integer(UInt64.max); $0.integer(Int64.min) }
        #expect(writer.text == "[null,null,18446744073709551615,-9223372036854775808]")
    }

    @Test func `documents are separated by newlines`() {
        var writer = JSONWriter()
        for i in 1...2 {
            writer.object { $0.key("i"); $0.integer(i) }
            writer.newline()
        }
        #expect(writer.text == "{\"i\":1}\n{\"i\":2}\n")
    }
}

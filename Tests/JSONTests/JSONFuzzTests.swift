import JSON
import TestSupport
import Testing

@Suite struct JSONFuzzTests {
    static let seeds = [
        #"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"text","text":"H\u00e9 \ud83d\ude00"}]}]}"#,
        #"{"timestamp":"2025-01-01T00:00:00","user":"a\nb","assistant":"c\\d\"e"}"#,
        #"[0,-1,2.5,1e10,1E-3,-0.0,18446744073709551615,-9223372036854775808,true,false,null,{},[],[[]],{"":{}}]"#,
        #"{"é":"日本😀","a":1,"a":2}"#,
        #""abc""#, "12", "true", " [ 1 , 2 ] ",
    ]

    /// simdjson and `JSONSyntaxChecker` accept the same language.
    @Test func `any input is parsed or rejected with an offset`() throws {
        var random = TestRandom(7), parser = JSONParser()
        for round in 0..<fuzzRounds(default: 5_000) {
            var text = Array(Self.seeds[Int(random.next() % UInt64(Self.seeds.count))].utf8)
            for _ in 0..<(random.next() % 5) { random.mutate(&text) }
            do throws(JSONError) {
                _ = try parser.parse(text)
                do throws(JSONError) {
                    _ = try parser.parse(text + [32, 120])
                    Issue.record("round \(round): accepted with an x after it: \(String(decoding: text, as: UTF8.self))")
                } catch {
                    guard case .malformed(text.count + 1, _, "'x'") = error else {
                        Issue.record("round \(round): \(error) although the text is valid: \(String(decoding: text, as: UTF8.self))")
                        continue
                    }
                }
            } catch {
                guard case .malformed(0...text.count, let expected, _) = error, expected != "JSON" else {
                    Issue.record("round \(round): no offset for \(error): \(String(decoding: text, as: UTF8.self))")
                    continue
                }
            }
        }
    }
}

extension TestRandom {
    fileprivate mutating func mutate(_ text: inout [UInt8]) {
        let letters = Array("{}[]\",:\\u0123456789eE+-.truefalsn \n\0\u{7F}é😀".utf8) + [0xFF, 0xC0, 0xED, 0xA0]
        let start = text.isEmpty ? 0 : Int.random(in: 0..<text.count, using: &self)
        let length = Int.random(in: 0...min(8, text.count - start), using: &self)
        switch next() % 5 {
        case 0: text.insert(letters.randomElement(using: &self)!, at: start)
        case 1: text.removeSubrange(start..<start + length)
        case 2: text.insert(contentsOf: Array(text[start..<start + length]), at: Int.random(in: 0...text.count, using: &self))
        case 3: text.removeSubrange(start...)
        default: if start < text.count { text[start] = letters.randomElement(using: &self)! }
        }
    }
}

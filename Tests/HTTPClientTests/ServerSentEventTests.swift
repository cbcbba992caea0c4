import HTTPClient
import Testing
import TestSupport

@Suite struct ServerSentEventTests {
    private func events(_ pieces: [[UInt8]], limit: Int = 1 << 20) throws -> [String] {
        var parser = ServerSentEvents(limit: limit), found: [String] = []
        for piece in pieces { try parser.add(piece.span) { found.append(String(decoding: $0, as: UTF8.self)) } }
        return found
    }

    /// The steps of the standard, applied to the whole text.
    private func expectedEvents(_ text: [UInt8]) -> [String] {
        var text = text, found: [String] = [], data: [[UInt8]] = []
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text.removeFirst(3) }
        var lines: [[UInt8]] = [[]], i = 0
        while i < text.count {
            if text[i] == 13 || text[i] == 10 {
                if text[i] == 13, i + 1 < text.count, text[i + 1] == 10 { i += 1 }
                lines.append([])
            } else {
                lines[lines.count - 1].append(text[i])
            }
            i += 1
        }
        for line in lines.dropLast() {
            if line.isEmpty {
                if !data.isEmpty { found.append(String(decoding: Array(data.joined(separator: [10])), as: UTF8.self)) }
                data = []
                continue
            }
            let colon = line.firstIndex(of: 0x3A) ?? line.count
            guard String(decoding: line[..<colon], as: UTF8.self) == "data" else { continue }
            var value = Array(line.dropFirst(colon + 1))
            if value.first == 32 { value.removeFirst() }
            data.append(value)
        }
        return found
    }

    @Test func `all three line ends are accepted, comments and other fields are ignored`() throws {
        let text = "\u{FEFF}data: a\r\ndata:b\rdata\n\n: comment\nevent: x\nid: 1\n\ndata:  c\n\ndata: incomplete"
        #expect(try events([Array(text.utf8)]) == ["a\nb\n", " c"])
    }

    @Test func `fuzz: any text in pieces of any size gives the events of the standard`() throws {
        var noise = TestRandom(9)
        let parts = [
            "data:", "data: x", "data", "dat", ":", "\n", "\r", "\r\n", "\n\n", " ", "é", "\u{FEFF}", "event: y",
            "data: {\"a\":1}", "\u{0}",
        ]
        for round in 0..<fuzzRounds(default: 4_000) {
            let text = (0..<noise.below(14)).flatMap { _ in Array(parts[noise.below(parts.count)].utf8) }
            var pieces: [[UInt8]] = [], start = 0
            while start < text.count {
                let end = min(text.count, start + 1 + noise.below(4))
                pieces.append(Array(text[start..<end]))
                start = end
            }
            #expect(try events(pieces) == expectedEvents(text), "\(round): \(String(decoding: text, as: UTF8.self).debugDescription)")
        }
    }

    @Test func `an event over the limit throws`() {
        #expect(throws: ServerSentEvents.TooLong.self) {
            try events([Array("data: ".utf8), [UInt8](repeating: 65, count: 200)], limit: 100)
        }
        #expect(throws: ServerSentEvents.TooLong.self) {
            try events([Array(String(repeating: "data: 123456789\n", count: 20).utf8)], limit: 100)
        }
    }
}

import Files
import Glibc
import JSON
import Terminal
import Tokenize

/// Encoding, decoding, counting and showing tokens: standard input to standard output.
extension TokenizeOptions {
    func encode() throws {
        var output = StandardOutput()
        var isFirst = true
        try encodeInput { ids, isEnd in
            for id in ids {
                if !isFirst { try output.write(CollectionOfOne(0x20)) }
                try output.write(id)
                isFirst = false
            }
            if isEnd {
                try output.write(CollectionOfOne(0x0A))
                isFirst = true
            }
        }
        try output.flush()
    }

    func count() throws {
        var tokens = 0
        try encodeInput { ids, isEnd in
            tokens += ids.count
            if byLine, isEnd {
                printLine(tokens)
                tokens = 0
            }
        }
        if !byLine { printLine(json ? "\(JSONLine(["tokens": .whole(tokens)]))" : "\(tokens)") }
    }

    /// Encodes standard input as one text, or line by line, in bounded memory.
    ///
    /// - Parameter body: receives the next ids, and whether they end a text.
    private func encodeInput(_ body: (_ ids: [TokenID], _ isEnd: Bool) throws -> Void) throws {
        let tokenizer = try Tokenizer(vocabulary())
        var input = try InputFile("-")
        var encoder = try Encoder(tokenizer)
        var bytes: [UInt8] = []
        var ids: [TokenID] = []
        if recognizesSpecials || byLine || tokenizer.vocabulary.prefixSpace != .never {
            // Lines are read one by one. Special tokens and a prefix space need the whole text.
            while try input.read(atMost: 1 << 20, into: &bytes) > 0 {
                guard byLine, let end = bytes.lastIndex(of: 0x0A) else { continue }
                for line in bytes[..<end].split(separator: 0x0A, omittingEmptySubsequences: false) { try encode(Array(line)) }
                bytes.removeFirst(end + 1)
            }
            if !byLine || !bytes.isEmpty { try encode(bytes) }
            return
        }
        while true {
            let isLast = try input.read(atMost: max(1 << 20, bytes.count), into: &bytes) == 0
            ids.removeAll(keepingCapacity: true)
            let used = try encoder.encode(bytes.span, isLast: isLast, into: &ids)
            try body(ids, isLast)
            if isLast { return }
            bytes.removeFirst(used)
        }

        func encode(_ text: [UInt8]) throws {
            ids.removeAll(keepingCapacity: true)
            if recognizesSpecials {
                ids = try tokenizer.ids(of: text, specialTokens: .recognized)
            } else {
                try encoder.encode(text.span, into: &ids)
            }
            try body(ids, true)
        }
    }

    func decode() throws {
        let vocabulary = try vocabulary()
        var input = try InputFile("-")
        var output = StandardOutput()
        var bytes: [UInt8] = []
        var number: Int?
        var position = 0
        func writeToken() throws {
            guard let id = number else { return }
            position += 1
            guard id < vocabulary.count else {
                throw TokenizeError.malformed(
                    path: "standard input", location: "number \(position)", expected: "an id below \(vocabulary.count)", found: "\(id)")
            }
            let token = vocabulary.tokens[id]
            try output.write(position == 1 && vocabulary.dropsLeadingSpace && token.first == 0x20 ? token.dropFirst() : token)
            number = nil
        }
        while try input.read(atMost: 1 << 20, into: &bytes) > 0 {
            for byte in bytes {
                switch byte {
                case 48...57: number = min((number ?? 0) * 10 + Int(byte - 48), Int(Int32.max))
                case 0x20, 0x09...0x0D: try writeToken()
                default:
                    throw TokenizeError.malformed(
                        path: "standard input",
                        location: "number \(position + 1)",
                        expected: "ids separated by spaces",
                        found: "'\(Unicode.Scalar(byte))'")
                }
            }
            bytes.removeAll(keepingCapacity: true)
        }
        try writeToken()
        try output.flush()
    }

    /// Prints each token with its id, in color in a terminal.
    func show(_ text: String) throws {
        let tokenizer = try Tokenizer(vocabulary())
        let specialTokens = Set(tokenizer.vocabulary.specialTokens.map(\.id))
        let ids = try tokenizer.ids(of: text, specialTokens: recognizesSpecials ? .recognized : .asText)
        if json {
            return printLine(JSONLine(["tokens": .whole(ids.count), "ids": .text(ids.map(String.init).joined(separator: " "))]))
        }
        let pieces = ids.map { (id: $0, text: Self.visible(tokenizer.vocabulary.tokens[Int($0)])) }
        let isTerminal = TerminalMode.isTerminal(STDOUT_FILENO)
        func paint(_ text: String, _ i: Int) -> String {
            let color = specialTokens.contains(ids[i]) ? "7" : "30;\([103, 102, 106, 105, 101, 107][i % 6])"
            return isTerminal ? "\u{1B}[\(color)m\(text)\u{1B}[0m" : text
        }
        if isTerminal { printLine(pieces.enumerated().map { paint($1.text, $0) }.joined()) }
        let width = pieces.map { String($0.id).count }.max() ?? 0
        for (i, piece) in pieces.enumerated() { printLine("\(String(piece.id).leftPadded(to: width))  \(paint(piece.text, i))") }
        let average = ids.isEmpty ? "" : ", \((Double(text.utf8.count) / Double(ids.count)).fixed(2)) bytes per token"
        printLine("\(ids.count) tokens, \(text.utf8.count) bytes\(average)")
    }

    /// A token on one line: spaces and line ends as symbols, incomplete characters as hexadecimal bytes.
    static func visible(_ bytes: ArraySlice<UInt8>) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return bytes.map { "\\x" + String($0, radix: 16, uppercase: true) }.joined()
        }
        return text.unicodeScalars.map { scalar in
            switch scalar {
            case " ": "·"
            case "\n": "⏎"
            case "\t": "⇥"
            case "\r": "␍"
            default: scalar.properties.generalCategory == .control ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
            }
        }.joined()
    }
}

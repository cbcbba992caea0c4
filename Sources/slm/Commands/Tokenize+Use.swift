import Files
import Glibc
import JSON
import Tokenize

/// `--encode`, `--decode`, `--count` and `--show`: one tokenizer, standard input, standard output.
extension TokenizeOptions {
    func encode() throws {
        var output = StandardOutput(), isFirst = true
        try eachInput { ids, isEnd in
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
        try eachInput { ids, isEnd in
            tokens += ids.count
            if byLine, isEnd {
                say(tokens)
                tokens = 0
            }
        }
        if !byLine { say(json ? "\(JSONLine(["tokens": .whole(tokens)]))" : "\(tokens)") }
    }

    /// Encodes standard input as one text, or line by line, in bounded memory. `isEnd` is said once for each text.
    private func eachInput(_ body: (_ ids: [TokenID], _ isEnd: Bool) throws -> Void) throws {
        let tokenizer = try Tokenizer(vocabulary())
        var input = try InputFile("-"), encoder = try Encoder(tokenizer), bytes: [UInt8] = [], ids: [TokenID] = []
        if recognizesSpecials || byLine || tokenizer.vocabulary.addsPrefixSpace {
            // Each line is a text for itself, or the text has to be there as a whole.
            while try input.read(atMost: 1 << 20, into: &bytes) > 0 {
                guard byLine, let end = bytes.lastIndex(of: 0x0A) else { continue }
                for line in bytes[..<end].split(separator: 0x0A, omittingEmptySubsequences: false) { try text(Array(line)) }
                bytes.removeFirst(end + 1)
            }
            if !byLine || !bytes.isEmpty { try text(bytes) }
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

        func text(_ text: [UInt8]) throws {
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
        var input = try InputFile("-"), output = StandardOutput(), bytes: [UInt8] = [], number: Int?, place = 0
        func finish() throws {
            guard let id = number else { return }
            place += 1
            guard id < vocabulary.count else {
                throw TokenizeError.malformed(
                    path: "standard input", place: "number \(place)", expected: "an id below \(vocabulary.count)", found: "\(id)")
            }
            try output.write(vocabulary.tokens[id])
            number = nil
        }
        while try input.read(atMost: 1 << 20, into: &bytes) > 0 {
            for byte in bytes {
                switch byte {
                case 48...57: number = min((number ?? 0) * 10 + Int(byte - 48), Int(Int32.max))
                case 0x20, 0x09...0x0D: try finish()
                default:
                    throw TokenizeError.malformed(path: "standard input", place: "number \(place + 1)", expected: "ids with spaces between",
                                                  found: "'\(Unicode.Scalar(byte))'")
                }
            }
            bytes.removeAll(keepingCapacity: true)
        }
        try finish()
        try output.flush()
    }

    /// A text in colours, a colour a token, and what each token is.
    func show(_ text: String) throws {
        let tokenizer = try Tokenizer(vocabulary()), specialTokens = Set(tokenizer.vocabulary.specialTokens.map(\.id))
        let ids = try tokenizer.ids(of: text, specialTokens: recognizesSpecials ? .recognized : .asText)
        let pieces = ids.map { (id: $0, text: shown(tokenizer.vocabulary.tokens[Int($0)])) }
        if json {
            return say(JSONLine(["tokens": .whole(ids.count), "ids": .text(ids.map(String.init).joined(separator: " "))]))
        }
        let isTerminal = isatty(STDOUT_FILENO) == 1
        let paint = { (text: String, i: Int) in
            isTerminal
                ? "\u{1B}[\(specialTokens.contains(ids[i]) ? "7" : "30;\([103, 102, 106, 105, 101, 107][i % 6])")m\(text)\u{1B}[0m" : text
        }
        if isTerminal { say(pieces.enumerated().map { paint($1.text, $0) }.joined()) }
        let width = (pieces.map { String($0.id).count }.max() ?? 0)
        for (i, piece) in pieces.enumerated() { say("\(String(piece.id).leftPadded(to: width))  \(paint(piece.text, i))") }
        say(
            "\(ids.count) tokens, \(text.utf8.count) bytes"
                + (ids.isEmpty ? "" : ", \((Double(text.utf8.count) / Double(ids.count)).fixed(2)) bytes a token"))
    }

    /// A token's bytes in one line: blanks to be seen, what is no whole character in hexadecimal.
    func shown(_ bytes: ArraySlice<UInt8>) -> String {
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

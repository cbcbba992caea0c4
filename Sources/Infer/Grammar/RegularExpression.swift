/// A regular expression that cannot be read, or that no automaton can be made of.
struct RegularExpressionError: Error, Equatable {
    let reason: String
}

/// A regular expression as in ECMAScript, without what no automaton can express: look-around, back-references and word boundaries.
///
///     let name = try RegularExpression("^[a-z_]\\w{0,30}$")
struct RegularExpression {
    indirect enum Node {
        case characters(CodePointSet)
        case sequence([Node])
        case alternatives([Node])
        /// nil as `atMost`: any number.
        case repeated(Node, atLeast: Int, atMost: Int?)
        case start, end
    }

    static let maxLength = 20_000
    static let maxRepetitions = 10_000
    private static let maxDepth = 100

    let root: Node

    init(_ source: String) throws(RegularExpressionError) {
        let scalars = Array(source.unicodeScalars.prefix(Self.maxLength + 1))
        guard scalars.count <= Self.maxLength else {
            throw RegularExpressionError(reason: "expected at most \(Self.maxLength) characters.")
        }
        var reader = Reader(scalars: scalars)
        let node = try reader.alternatives(depth: 0)
        guard reader.isAtEnd else { throw reader.unexpected("the end, or ( before )") }
        root = node
    }

    private struct Reader {
        let scalars: [Unicode.Scalar]
        var at = 0

        init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

        var isAtEnd: Bool { at == scalars.count }
        private var next: Unicode.Scalar? { isAtEnd ? nil : scalars[at] }

        func unexpected(_ expected: String) -> RegularExpressionError {
            let found = next.map { "'\($0)'" } ?? "the end"
            return RegularExpressionError(reason: "expected \(expected), found \(found) at character \(at + 1).")
        }

        private func unsupported(_ what: String) -> RegularExpressionError {
            RegularExpressionError(reason: "\(what) at character \(at + 1) cannot be expressed by a grammar.")
        }

        private mutating func take(_ text: String) -> Bool {
            guard scalars[at...].starts(with: text.unicodeScalars) else { return false }
            at += text.unicodeScalars.count
            return true
        }

        mutating func alternatives(depth: Int) throws(RegularExpressionError) -> Node {
            guard depth <= RegularExpression.maxDepth else {
                throw RegularExpressionError(reason: "expected at most \(RegularExpression.maxDepth) groups in each other.")
            }
            var list = [try sequence(depth)]
            while take("|") { list.append(try sequence(depth)) }
            return list.count == 1 ? list[0] : .alternatives(list)
        }

        private mutating func sequence(_ depth: Int) throws(RegularExpressionError) -> Node {
            var parts: [Node] = []
            while let scalar = next, scalar != "|", scalar != ")" {
                let part = try atom(depth)
                parts.append(try quantified(part))
            }
            return parts.count == 1 ? parts[0] : .sequence(parts)
        }

        private mutating func quantified(_ node: Node) throws(RegularExpressionError) -> Node {
            let limits: (least: Int, most: Int?)
            let mark = next
            at += 1
            switch mark {
            case "{": limits = try counts()
            case "*": limits = (0, nil)
            case "+": limits = (1, nil)
            case "?": limits = (0, 1)
            default:
                at -= 1
                return node
            }
            switch node {
            case .start, .end: throw RegularExpressionError(reason: "expected no quantifier of ^ or $, before character \(at + 1).")
            default: break
            }
            _ = take("?")                                      // a lazy quantifier matches the same texts
            if let next, "*+?{".unicodeScalars.contains(next) { throw unexpected("one quantifier") }
            return .repeated(node, atLeast: limits.least, atMost: limits.most)
        }

        /// Reads from behind the opening brace.
        private mutating func counts() throws(RegularExpressionError) -> (least: Int, most: Int?) {
            guard let least = try number() else { throw unexpected("a number after {") }
            var most: Int? = least
            if take(",") { most = try number() }
            guard take("}") else { throw unexpected("}") }
            guard least <= most ?? .max else {
                throw RegularExpressionError(reason: "expected {\(least),…} with a larger number after it.")
            }
            return (least, most)
        }

        private mutating func number() throws(RegularExpressionError) -> Int? {
            var value: Int?
            while let digit = next?.properties.numericType == .decimal ? next.flatMap({ Int(String($0)) }) : nil {
                value = (value ?? 0) * 10 + digit
                at += 1
                guard value ?? 0 <= RegularExpression.maxRepetitions else {
                    let most = RegularExpression.maxRepetitions
                    throw RegularExpressionError(reason: "expected at most \(most) repetitions, before character \(at + 1).")
                }
            }
            return value
        }

        private mutating func atom(_ depth: Int) throws(RegularExpressionError) -> Node {
            guard let scalar = next else { throw unexpected("a character") }
            switch scalar {
            case "^": at += 1; return .start
            case "$": at += 1; return .end
            case ".": at += 1; return .characters(CodePointSet("\n\r\u{2028}\u{2029}").inverted)
            case "[": return .characters(try characterClass())
            case "(": return try group(depth)
            case "\\": return .characters(try escape(inClass: false))
            case "*", "+", "?", "{": throw unexpected("a character before a quantifier")
            default:
                at += 1
                return .characters(CodePointSet([scalar.value...scalar.value]))
            }
        }

        private mutating func group(_ depth: Int) throws(RegularExpressionError) -> Node {
            for (mark, name) in [("(?=", "look-ahead"), ("(?!", "look-ahead"), ("(?<=", "look-behind"), ("(?<!", "look-behind")]
            where scalars[at...].starts(with: mark.unicodeScalars) { throw unsupported(name) }
            if take("(?<") || take("(?P<") {
                while let scalar = next, scalar != ">" { at += 1; if scalar == "(" { throw unexpected("a name of a group") } }
                guard take(">") else { throw unexpected(">") }
            } else if !take("(?:") {
                at += 1
                if next == "?" { throw unexpected("(?: or (?<name>") }
            }
            let node = try alternatives(depth: depth + 1)
            guard take(")") else { throw unexpected(")") }
            return node
        }

        private mutating func characterClass() throws(RegularExpressionError) -> CodePointSet {
            at += 1
            let isInverted = take("^")
            var ranges: [ClosedRange<UInt32>] = []
            while !take("]") {
                let first = try classMember(isInverted)
                guard next == "-", at + 1 < scalars.count, scalars[at + 1] != "]" else {
                    ranges += first.ranges
                    continue
                }
                at += 1
                let last = try classMember(isInverted)
                guard let low = first.single, let high = last.single, low <= high else {
                    throw RegularExpressionError(reason: "expected a range of two characters in order, before character \(at + 1).")
                }
                ranges.append(low...high)
            }
            let set = CodePointSet(ranges)
            return isInverted ? set.inverted : set
        }

        private mutating func classMember(_ isInverted: Bool) throws(RegularExpressionError) -> CodePointSet {
            guard let scalar = next else { throw unexpected("]") }
            if scalar == "\\" { return try escape(inClass: true, isInverted: isInverted) }
            at += 1
            return CodePointSet([scalar.value...scalar.value])
        }

        private mutating func escape(inClass: Bool, isInverted: Bool = false) throws(RegularExpressionError) -> CodePointSet {
            at += 1
            guard let scalar = next else { throw unexpected("a character after \\") }
            switch scalar {
            case "b" where !inClass, "B" where !inClass: throw unsupported("a word boundary")
            case "1"..."9", "k": throw unsupported("a back-reference")
            case "p", "P": throw unsupported("a Unicode property")
            default: break
            }
            at += 1
            func one(_ value: UInt32) -> CodePointSet { CodePointSet([value...value]) }
            switch scalar {
            case "d": return CharacterClass.digits.members(ifInverted: isInverted)
            case "D": return CharacterClass.digits.others(ifInverted: isInverted)
            case "w": return CharacterClass.word.members(ifInverted: isInverted)
            case "W": return CharacterClass.word.others(ifInverted: isInverted)
            case "s": return CharacterClass.spaces.members(ifInverted: isInverted)
            case "S": return CharacterClass.spaces.others(ifInverted: isInverted)
            case "t": return one(9)
            case "n": return one(10)
            case "v": return one(11)
            case "f": return one(12)
            case "r": return one(13)
            case "b": return one(8)
            case "0": return one(0)
            case "x": return one(try hexadecimal(digits: 2))
            case "u":
                guard take("{") else { return one(try hexadecimal(digits: 4)) }
                var count = 0
                while at + count < scalars.count, scalars[at + count] != "}" { count += 1 }
                let value = try hexadecimal(digits: min(count, 7))
                guard take("}") else { throw unexpected("}") }
                return one(value)
            default:
                guard !scalar.properties.isAlphabetic else {
                    at -= 1
                    throw unexpected("a known escape")
                }
                return one(scalar.value)
            }
        }

        private mutating func hexadecimal(digits: Int) throws(RegularExpressionError) -> UInt32 {
            var text = ""
            for _ in 0..<digits { if let next, next.properties.isASCIIHexDigit { text.unicodeScalars.append(next); at += 1 } }
            guard text.utf8.count == digits, let value = UInt32(text, radix: 16), Unicode.Scalar(value) != nil else {
                throw unexpected("the hexadecimal number of a character")
            }
            return value
        }
    }
}

extension CodePointSet {
    fileprivate var single: UInt32? { ranges.count == 1 && ranges[0].count == 1 ? ranges[0].lowerBound : nil }
}

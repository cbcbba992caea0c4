/// A context-free grammar over bytes: what an answer may consist of.
///
///     var grammar = Grammar()
///     let digits = grammar.repeated([.range("0", "9")], 1...3)
///     grammar.start = grammar.rule([Grammar.text("[") + [digits] + Grammar.text("]")])
///
/// Rules may be recursive, but not left-recursive: a rule must not begin with itself, unless that is a whole alternative.
package struct Grammar: Sendable, Equatable {
    package enum Element: Sendable, Equatable {
        case bytes(ByteSet)
        case rule(Int)

        static func range(_ first: Unicode.Scalar, _ last: Unicode.Scalar) -> Element {
            .bytes(ByteSet(UInt8(ascii: first)...UInt8(ascii: last)))
        }
    }

    /// A set of bytes.
    package struct ByteSet: Sendable, Equatable, Hashable {
        private var words = SIMD4<UInt64>()

        package init(_ ranges: ClosedRange<UInt8>...) {
            for range in ranges { for byte in range { words[Int(byte) / 64] |= 1 << UInt64(byte % 64) } }
        }

        package init(_ bytes: some Sequence<UInt8>) { for byte in bytes { words[Int(byte) / 64] |= 1 << UInt64(byte % 64) } }

        /// Calls `body` with each member.
        @inline(__always)
        func forEach(_ body: (Int) -> Void) {
            for index in 0..<4 {
                var rest = words[index]
                while rest != 0 {
                    body(64 * index + rest.trailingZeroBitCount)
                    rest &= rest - 1
                }
            }
        }

        func isSuperset(of other: ByteSet) -> Bool { words & other.words == other.words }

        package func contains(_ byte: UInt8) -> Bool { words[Int(byte) / 64] >> UInt64(byte % 64) & 1 == 1 }
    }

    /// The rule of the whole text.
    package var start = 0
    /// The sequences of all alternatives, one behind the other, each with ``end``: rules, or `-2 - index` of a set of bytes.
    private(set) var code: [Int32] = []
    /// For each rule, where its alternatives begin in `code`.
    private(set) var rules: [[Int32]] = []
    private(set) var sets: [ByteSet] = []
    private var indices: [ByteSet: Int32] = [:]

    /// Ends a sequence in `code`.
    static let end: Int32 = -1

    package init() {}

    /// Adds a rule that matches any of the sequences.
    package mutating func rule(_ alternatives: [[Element]]) -> Element {
        let index = newRule()
        define(index, alternatives)
        return .rule(index)
    }

    /// A rule that is defined later, because it is recursive.
    package mutating func newRule() -> Int {
        rules.append([])
        return rules.count - 1
    }

    package mutating func define(_ rule: Int, _ alternatives: [[Element]]) {
        for sequence in alternatives {
            rules[rule].append(Int32(code.count))
            for element in sequence {
                switch element {
                case .bytes(let set): code.append(-2 - index(of: set))
                case .rule(let index): code.append(Int32(index))
                }
            }
            code.append(Self.end)
        }
    }

    private mutating func index(of set: ByteSet) -> Int32 {
        if let index = indices[set] { return index }
        sets.append(set)
        indices[set] = Int32(sets.count - 1)
        return Int32(sets.count - 1)
    }

    /// Adds the rules of another grammar, and returns its start.
    package mutating func add(_ other: Grammar) -> Element {
        let ruleOffset = Int32(rules.count), codeOffset = Int32(code.count), setIndices = other.sets.map { index(of: $0) }
        code += other.code.map { $0 == Self.end ? $0 : $0 < Self.end ? -2 - setIndices[Int(-2 - $0)] : $0 + ruleOffset }
        rules += other.rules.map { $0.map { $0 + codeOffset } }
        return .rule(Int(ruleOffset) + other.start)
    }

    /// The same after a space or none: some models begin their answers with one.
    package var afterOptionalSpace: Grammar {
        var grammar = self
        grammar.start = grammar.newRule()
        grammar.define(grammar.start, [[.rule(start)], Self.text(" ") + [.rule(start)]])
        return grammar
    }

    // MARK: Parts

    /// A text as it is.
    package static func text(_ bytes: some Sequence<UInt8>) -> [Element] { bytes.map { .bytes(ByteSet(CollectionOfOne($0))) } }
    package static func text(_ string: String) -> [Element] { text(string.utf8) }

    package mutating func optional(_ sequence: [Element]) -> Element { rule([sequence, []]) }

    /// - Parameter count: nil as its end: any number.
    package mutating func repeated(_ sequence: [Element], atLeast least: Int = 0, atMost most: Int? = nil) -> Element {
        let item = sequence.count == 1 ? sequence[0] : rule([sequence])
        var rest: Element
        if let most {
            rest = rule([[]])
            for _ in min(least, most)..<most { rest = rule([[item, rest], []]) }
        } else {
            let star = newRule()
            define(star, [[item, .rule(star)], []])
            rest = .rule(star)
        }
        return least == 0 ? rest : rule([Array(repeating: item, count: least) + [rest]])
    }
}

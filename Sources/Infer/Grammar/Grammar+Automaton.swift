/// Automata as rules: one for each state, which the last place of a sequence leads to, so that stacks do not grow.
extension Grammar {
    enum Spelling: Hashable {
        /// Characters as they are.
        case plain
        /// The inside of a JSON string: quotation marks, backslashes and control characters are escaped, others are not.
        case json
    }

    /// - Parameter end: What follows each accepted text.
    mutating func add(_ automaton: Automaton, _ spelling: Spelling, end: [Element] = []) -> Element {
        var sets: [CodePointSet: [[Element]]] = [:]
        let rules = automaton.states.map { _ in newRule() }
        for (state, rule) in zip(automaton.states, rules) {
            var targets: [Int: [ClosedRange<UInt32>]] = [:], order: [Int] = []
            for edge in state.edges {
                if targets[edge.target] == nil { order.append(edge.target) }
                targets[edge.target, default: []].append(edge.range)
            }
            var alternatives: [[Element]] = state.accepts ? [end] : []
            for target in order {
                let set = CodePointSet(targets[target] ?? [])
                let sequences = sets[set] ?? shared(self.sequences(of: set, spelling))
                sets[set] = sequences
                alternatives += sequences.map { $0 + [.rule(rules[target])] }
            }
            define(rule, alternatives)
        }
        return rules.first.map { .rule($0) } ?? rule([])
    }

    /// One rule in place of many sequences, which would be repeated at each use.
    private mutating func shared(_ sequences: [[Element]]) -> [[Element]] { sequences.count < 3 ? sequences : [[rule(sequences)]] }

    /// The characters of a set, each as a sequence of bytes.
    private func sequences(of set: CodePointSet, _ spelling: Spelling) -> [[Element]] {
        var ascii: [UInt8] = [], sequences: [[Element]] = []
        for range in set.ranges {
            if range.lowerBound < 0x80 { ascii += (range.lowerBound...min(range.upperBound, 0x7F)).map { UInt8($0) } }
            if range.upperBound >= 0x80 { sequences += Self.multibyte(max(range.lowerBound, 0x80)...range.upperBound) }
        }
        let escaped = spelling == .plain ? [] : ascii.filter { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }
        let plain = ascii.filter { !escaped.contains($0) }
        if !plain.isEmpty { sequences.insert([.bytes(ByteSet(plain))], at: 0) }
        let letters: [UInt8: Unicode.Scalar] = [8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 0x22: "\"", 0x5C: "\\"]
        let short = escaped.compactMap { letters[$0].map { UInt8(ascii: $0) } }
        if !short.isEmpty { sequences.append(Self.text("\\") + [.bytes(ByteSet(short))]) }
        for byte in escaped where letters[byte] == nil {
            let digits = String(byte % 16, radix: 16), last = ByteSet((digits + digits.uppercased()).utf8)
            sequences.append(Self.text("\\u00" + String(byte / 16)) + [.bytes(last)])
        }
        return sequences
    }

    /// UTF-8 of code points from 0x80 on: ranges of bytes whose combinations are all within the range.
    static func multibyte(_ range: ClosedRange<UInt32>) -> [[Element]] {
        for limit: UInt32 in [0x7FF, 0xFFFF] where range.lowerBound <= limit && range.upperBound > limit {
            return multibyte(range.lowerBound...limit) + multibyte((limit + 1)...range.upperBound)
        }
        let low = utf8(range.lowerBound), high = utf8(range.upperBound)
        for length in 1..<low.count {
            // The last `length` bytes, of 6 bits each, must cover all values or belong to one beginning.
            let mask = (UInt32(1) << (6 * UInt32(length))) - 1
            guard range.lowerBound & ~mask != range.upperBound & ~mask else { continue }
            if range.lowerBound & mask != 0 {
                let end = range.lowerBound | mask
                return multibyte(range.lowerBound...end) + multibyte((end + 1)...range.upperBound)
            }
            if range.upperBound & mask != mask {
                let start = range.upperBound & ~mask
                return multibyte(range.lowerBound...(start - 1)) + multibyte(start...range.upperBound)
            }
        }
        return [zip(low, high).map { .bytes(ByteSet($0...$1)) }]
    }

    private static func utf8(_ codePoint: UInt32) -> [UInt8] {
        Unicode.Scalar(codePoint).map { Array(String(Character($0)).utf8) } ?? []
    }
}

/// The shortest texts that complete what has begun.
struct GrammarCompletion: Sendable {
    /// The length for what can never be completed.
    static let never: Int32 = 1 << 28

    /// The least number of bytes from each place in `code` to the end of its sequence.
    let costs: [Int32]
    /// The alternative of each rule that needs the fewest bytes.
    let alternatives: [Int32]

    /// Relaxes all sequences until nothing changes, those that use a rule again when it has become shorter.
    init(_ grammar: Grammar) {
        let code = grammar.code
        var ruleCosts = [Int32](repeating: Self.never, count: grammar.rules.count)
        var best = [Int32](repeating: -1, count: grammar.rules.count)
        var users = [[Int32]](repeating: [], count: grammar.rules.count)
        for (rule, alternatives) in grammar.rules.enumerated() {
            for start in alternatives {
                var at = Int(start)
                while code[at] != Grammar.end {
                    if code[at] >= 0, users[Int(code[at])].last != Int32(rule) { users[Int(code[at])].append(Int32(rule)) }
                    at += 1
                }
            }
        }
        func cost(from start: Int32) -> Int32 {
            var at = Int(start), sum: Int32 = 0
            while code[at] != Grammar.end, sum < Self.never {
                sum += code[at] < 0 ? 1 : ruleCosts[Int(code[at])]
                at += 1
            }
            return min(sum, Self.never)
        }
        var work = Array(grammar.rules.indices), isWaiting = [Bool](repeating: true, count: grammar.rules.count)
        while let rule = work.popLast() {
            isWaiting[rule] = false
            var isShorter = false
            for start in grammar.rules[rule] {
                let found = cost(from: start)
                if found < ruleCosts[rule] {
                    ruleCosts[rule] = found
                    best[rule] = start
                    isShorter = true
                }
            }
            if isShorter { for user in users[rule] where !isWaiting[Int(user)] { isWaiting[Int(user)] = true; work.append(Int(user)) } }
        }
        var costs = [Int32](repeating: 0, count: code.count)
        for at in code.indices.reversed() where code[at] != Grammar.end {
            costs[at] = min(Self.never, costs[at + 1] + (code[at] < 0 ? 1 : ruleCosts[Int(code[at])]))
        }
        self.costs = costs
        alternatives = best
    }
}

extension GrammarMatcher {
    /// The least number of bytes that complete a text; nil if nothing does.
    package func bytesToEnd(_ state: State) -> Int? {
        guard state != Self.dead else { return nil }
        let least = stacks(of: state).map { remaining($0) }.min() ?? GrammarCompletion.never
        return least < GrammarCompletion.never ? Int(least) : nil
    }

    /// The bytes that complete a text in the shortest way, if these are not too many.
    package func shortestEnd(_ state: State, atMost limit: Int) -> [UInt8]? {
        guard let least = bytesToEnd(state), least <= limit else { return nil }
        guard var top = stacks(of: state).first(where: { Int(remaining($0)) == least }) else { return nil }
        var text: [UInt8] = [], positions: [Int32] = []
        while let stack = stack(top) {
            positions.append(stack.position)
            while var position = positions.popLast() {
                let element = grammar.code[Int(position)]
                if element == Grammar.end { continue }
                position += 1
                positions.append(position)
                if element < Grammar.end {
                    text.append(grammar.sets[Int(-2 - element)].usualMember)
                } else {
                    positions.append(completion.alternatives[Int(element)])
                }
            }
            top = stack.under
        }
        return text
    }
}

extension Grammar.ByteSet {
    /// A letter, a digit or another visible character rather than a control character.
    fileprivate var usualMember: UInt8 {
        let order = [0x61...0x7A, 0x30...0x39, 0x41...0x5A, 0x20...0x7E, 0x80...0xBF, 0x00...0xFF] as [ClosedRange<UInt8>]
        for range in order { for byte in range where contains(byte) { return byte } }
        return 0
    }
}

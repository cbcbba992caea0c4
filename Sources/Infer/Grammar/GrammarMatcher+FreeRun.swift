/// The inside of a text: a state whose characters nearly all lead to one and the same state.
extension GrammarMatcher {
    /// Characters that a state allows in any order, because they lead to itself or to a state that allows them, too.
    struct FreeRun: Sendable {
        /// The characters that do not belong to them: a bit for each of ASCII, and for each first byte of longer ones from 0xC0 on.
        var otherLow = UInt64.max, otherHigh = UInt64.max, otherLeads = UInt64.max
        /// How many of them may follow each other. `UInt8.max`: any number.
        var length: UInt8 = 0

        /// Whether the characters of another run belong to this one, too.
        fileprivate func includes(_ other: FreeRun) -> Bool {
            otherLow & ~other.otherLow == 0 && otherHigh & ~other.otherHigh == 0 && otherLeads & ~other.otherLeads == 0
        }
    }

    /// The characters of a state that lead to one target.
    struct FreeStep: Sendable {
        fileprivate var run = FreeRun()
        fileprivate var target = GrammarMatcher.dead
    }

    /// - Parameter limit: Of the length that is looked for.
    mutating func freeRun(from state: State, limit: UInt8) -> FreeRun {
        let first = freeStep(from: state)
        var run = first.run, step = first, from = state
        while step.target != Self.dead, step.run.includes(run) {
            if step.target == from {
                run.length = .max
                break
            }
            run.length += 1
            if run.length == limit { break }
            from = step.target
            step = freeStep(from: from)
        }
        return run
    }

    private mutating func freeStep(from state: State) -> FreeStep {
        if let known = freeSteps[state] { return known }
        var step = FreeStep(), votes = 0
        // Boyer and Moore's majority vote.
        for byte in UInt8(0)..<0x80 {
            let next = next(state, byte)
            if next == Self.dead { continue }
            if votes == 0 { step.target = next }
            votes += next == step.target ? 1 : -1
        }
        if step.target != Self.dead {
            for byte in UInt64(0)..<0x40 where next(state, UInt8(byte)) == step.target { step.run.otherLow &= ~(1 << byte) }
            for byte in UInt64(0)..<0x40 where next(state, UInt8(byte + 0x40)) == step.target { step.run.otherHigh &= ~(1 << byte) }
            for (first, rest) in Self.severalBytes {
                var last = Self.dead, isFree = false
                for byte in first {
                    let next = next(state, byte)
                    // Most bytes of a range lead to the same state.
                    if next != last { isFree = leads(next, to: step.target, by: rest, at: 0) }
                    last = next
                    if isFree { step.run.otherLeads &= ~(1 << UInt64(byte - 0xC0)) }
                }
            }
        }
        freeSteps[state] = step
        return step
    }

    /// The bytes of characters of more than one byte, in UTF-8.
    private static let severalBytes: [(first: ClosedRange<UInt8>, rest: [ClosedRange<UInt8>])] = [
        (0xC2...0xDF, [0x80...0xBF]), (0xE0...0xE0, [0xA0...0xBF, 0x80...0xBF]), (0xE1...0xEC, [0x80...0xBF, 0x80...0xBF]),
        (0xED...0xED, [0x80...0x9F, 0x80...0xBF]), (0xEE...0xEF, [0x80...0xBF, 0x80...0xBF]),
        (0xF0...0xF0, [0x90...0xBF, 0x80...0xBF, 0x80...0xBF]), (0xF1...0xF3, [0x80...0xBF, 0x80...0xBF, 0x80...0xBF]),
        (0xF4...0xF4, [0x80...0x8F, 0x80...0xBF, 0x80...0xBF]),
    ]

    /// Whether all bytes of the ranges from an index on lead from a state to another one.
    private mutating func leads(_ state: State, to target: State, by ranges: [ClosedRange<UInt8>], at index: Int) -> Bool {
        if state == Self.dead || index == ranges.count { return state == target }
        var last = Self.dead
        for byte in ranges[index] {
            let next = next(state, byte)
            if next == Self.dead { return false }
            if next != last, !leads(next, to: target, by: ranges, at: index + 1) { return false }
            last = next
        }
        return true
    }
}

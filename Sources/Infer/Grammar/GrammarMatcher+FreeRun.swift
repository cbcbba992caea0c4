/// The inside of a text: a state whose characters nearly all lead to one and the same state.
extension GrammarMatcher {
    /// Characters that a state allows in any order, because they lead to itself or to a state that allows them, too.
    struct FreeRun: Sendable {
        var characters = FirstBytes()
        /// How many of them may follow each other, up to ``longestFreeRun``. `UInt8.max`: any number.
        var length: UInt8 = 0
        /// Whether none of them may follow so many.
        var isLimit = false
    }

    /// The characters of a state that lead to one target.
    struct FreeStep: Sendable {
        fileprivate var characters = FirstBytes()
        fileprivate var target = GrammarMatcher.dead
        /// Also those that lead elsewhere.
        fileprivate var allowed = FirstBytes()
    }

    /// In characters. More may be allowed.
    static let longestFreeRun: UInt8 = 16

    mutating func freeRun(from state: State) -> FreeRun {
        if let known = freeRuns[Int(state)] { return known }
        let first = freeStep(from: state)
        var run = FreeRun(characters: first.characters), step = first, from = state
        while step.target != Self.dead, run.characters.isSubset(of: step.characters) {
            if step.target == from {
                run.length = .max
                break
            }
            run.length += 1
            if run.length == Self.longestFreeRun { break }
            from = step.target
            step = freeStep(from: from)
        }
        run.isLimit = run.length < Self.longestFreeRun && step.allowed.isDisjoint(with: run.characters)
        freeRuns[Int(state)] = run
        return run
    }

    private mutating func freeStep(from state: State) -> FreeStep {
        if let known = freeSteps[Int(state)] { return known }
        var step = FreeStep(), votes = 0
        // Boyer and Moore's majority vote.
        for byte in UInt8(0)..<0x80 {
            let next = next(state, byte)
            if next == Self.dead { continue }
            step.allowed.insert(byte)
            if votes == 0 { step.target = next }
            votes += next == step.target ? 1 : -1
        }
        for byte in UInt8(0xC0)...0xFF where next(state, byte) != Self.dead { step.allowed.insert(byte) }
        if step.target != Self.dead {
            for byte in UInt8(0)..<0x80 where next(state, byte) == step.target { step.characters.insert(byte) }
            addLongCharacters(to: &step.characters, of: state)
        }
        freeSteps[Int(state)] = step
        return step
    }

    /// Finds the characters of several bytes that belong to a run of ASCII, without a state for each of their bytes: their sequences
    /// consist of sets, and go on as those of the run do.
    private mutating func addLongCharacters(to characters: inout FirstBytes, of state: State) {
        let places = stacks(of: state).compactMap { stack($0) }
        guard let first = characters.firstASCII, let expected = continuations(of: places, after: first, []) else { return }
        for (leads, rest) in Self.severalBytes {
            var last = Self.dead, isFree = false
            for byte in leads {
                let next = next(state, byte)
                // Most bytes of a range lead to the same state.
                if next != last { isFree = continuations(of: places, after: byte, rest) == expected }
                last = next
                if isFree { characters.insert(byte) }
            }
        }
    }

    /// Where the text goes on behind a character; nil if not all of the bytes may follow its first one.
    private func continuations(of places: [Stack], after first: UInt8, _ rest: [Grammar.ByteSet]) -> Set<Continuation>? {
        var found: Set<Continuation> = []
        for place in places where bytes(of: place).contains(first) {
            var position = Int(place.position) + 1
            for bytes in rest {
                guard grammar.code[position] < Grammar.end else { return nil }
                guard grammar.sets[Int(-2 - grammar.code[position])].isSuperset(of: bytes) else { return nil }
                position += 1
            }
            let sequence = grammar.code[position...].prefix { $0 != Grammar.end }
            found.insert(Continuation(sequence: sequence, under: place.under))
        }
        return found
    }

    private struct Continuation: Hashable {
        let sequence: ArraySlice<Int32>
        let under: Int32
    }

    /// The bytes of characters of more than one byte, in UTF-8.
    private static let severalBytes: [(first: ClosedRange<UInt8>, rest: [Grammar.ByteSet])] = {
        let any = Grammar.ByteSet(0x80...0xBF)
        return [
            (0xC2...0xDF, [any]), (0xE0...0xE0, [Grammar.ByteSet(0xA0...0xBF), any]), (0xE1...0xEC, [any, any]),
            (0xED...0xED, [Grammar.ByteSet(0x80...0x9F), any]), (0xEE...0xEF, [any, any]),
            (0xF0...0xF0, [Grammar.ByteSet(0x90...0xBF), any, any]), (0xF1...0xF3, [any, any, any]),
            (0xF4...0xF4, [Grammar.ByteSet(0x80...0x8F), any, any]),
        ]
    }()
}

/// Reads a text byte by byte, and knows which bytes may follow.
///
///     var matcher = GrammarMatcher(grammar)
///     let next = matcher.next(matcher.start, UInt8(ascii: "{"))            // GrammarMatcher.dead if that is not allowed
///     matcher.accepts(next)                                                // whether the text may end here
///
/// A state is a set of stacks, each the places in the grammar where the text can go on. States and their transitions are computed when they
/// are needed first, and kept: most bytes of a text lead to a state that is known.
package struct GrammarMatcher: Sendable {
    package typealias State = Int32

    package static let dead: State = -1
    private static let unknown: State = -2
    /// A text that can go on in more places is not allowed: each byte would take too long.
    private static let maxStacks = 4_000
    /// The most places that are visited for one byte.
    private static let maxVisited = 40_000
    /// The stack of a complete text.
    private static let empty: Int32 = 0

    /// What remains of a sequence, and the stack under it.
    struct Stack: Hashable, Sendable {
        let position: Int32
        let under: Int32
    }

    let grammar: Grammar
    let completion: GrammarCompletion
    private var stacks: [Stack] = [Stack(position: -1, under: -1)]
    /// The least number of bytes that complete each stack.
    private var remainingBytes: [Int32] = [0]
    private var stackIndices: [Stack: Int32] = [:]
    /// The sorted stacks of each state.
    private var states: [[Int32]] = []
    private var stateIndices: [[Int32]: State] = [:]
    /// 256 for each state that was left.
    private var transitions: [State] = []
    /// Where the transitions of each state begin; -1 if it was never left.
    private var firstTransitions: [Int32] = []
    /// Known for the states that were asked for.
    var freeSteps: [FreeStep?] = [], freeRuns: [FreeRun?] = []
    package private(set) var start: State = 0

    package init(_ grammar: Grammar) {
        self.grammar = grammar
        completion = GrammarCompletion(grammar)
        let found = expanded(grammar.rules[grammar.start].map { Stack(position: $0, under: Self.empty) })
        start = found.isEmpty ? Self.dead : state(of: found)
    }

    package var stateCount: Int { states.count }

    func stacks(of state: State) -> [Int32] { states[Int(state)] }
    /// nil for the one of a complete text.
    func stack(_ index: Int32) -> Stack? { index == Self.empty ? nil : stacks[Int(index)] }
    func remaining(_ stack: Int32) -> Int32 { remainingBytes[Int(stack)] }

    /// Whether the text may end in a state.
    package func accepts(_ state: State) -> Bool { state != Self.dead && states[Int(state)].first == Self.empty }
    /// Whether the text must end in a state.
    package func isComplete(_ state: State) -> Bool { state != Self.dead && states[Int(state)] == [Self.empty] }

    package mutating func next(_ state: State, _ byte: UInt8) -> State {
        if state == Self.dead { return Self.dead }
        var first = Int(firstTransitions[Int(state)])
        if first >= 0 {
            let known = transitions[first | Int(byte)]
            if known != Self.unknown { return known }
        } else {
            first = transitions.count
            firstTransitions[Int(state)] = Int32(first)
            transitions += repeatElement(Self.unknown, count: 256)
        }
        computeTransitions(of: state, from: first, byte)
        return transitions[first | Int(byte)]
    }

    /// Computes those of all bytes, as bytes that match the same places lead to the same state; of a state with very many places, that of
    /// one byte.
    private mutating func computeTransitions(of state: State, from first: Int, _ byte: UInt8) {
        let tops = states[Int(state)].filter { $0 != Self.empty }.map { stacks[Int($0)] }
        if tops.count > 64 {
            transitions[first | Int(byte)] = target(of: tops.filter { bytes(of: $0).contains(byte) })
            return
        }
        // For each byte, a bit for each place.
        var matching = Array(repeating: UInt64(0), count: 256)
        for (index, top) in tops.enumerated() { bytes(of: top).forEach { matching[$0] |= 1 << UInt64(index) } }
        var targets: [(matching: UInt64, target: State)] = [(0, Self.dead)], last = 0
        for byte in 0..<256 {
            if targets[last].matching != matching[byte] {
                last = targets.firstIndex { $0.matching == matching[byte] } ?? targets.count
                if last == targets.count {
                    let places = tops.indices.filter { matching[byte] >> UInt64($0) & 1 == 1 }.map { tops[$0] }
                    targets.append((matching[byte], target(of: places)))
                }
            }
            transitions[first | byte] = targets[last].target
        }
    }

    /// The bytes that a place allows.
    func bytes(of top: Stack) -> Grammar.ByteSet { grammar.sets[Int(-2 - grammar.code[Int(top.position)])] }

    /// The state behind places whose next byte was read.
    private mutating func target(of places: [Stack]) -> State {
        if places.isEmpty { return Self.dead }
        let found = expanded(places.map { Stack(position: $0.position + 1, under: $0.under) })
        return found.isEmpty ? Self.dead : state(of: found)
    }

    /// The stacks that have a set of bytes on top, and the empty one for a complete text; none if there are too many.
    private mutating func expanded(_ stacks: [Stack]) -> Set<Int32> {
        var found: Set<Int32> = [], work = stacks, visited = Set(stacks)
        func visit(_ stack: Stack) { if visited.insert(stack).inserted { work.append(stack) } }
        while let stack = work.popLast() {
            guard visited.count <= Self.maxVisited else { return [] }
            let element = grammar.code[Int(stack.position)]
            if element == Grammar.end {
                if stack.under == Self.empty { found.insert(Self.empty) } else { visit(self.stacks[Int(stack.under)]) }
            } else if element < Grammar.end {
                found.insert(index(of: stack))
            } else {
                // The last rule of a sequence needs no place to return to, so repetitions do not grow the stack.
                let isLast = grammar.code[Int(stack.position) + 1] == Grammar.end
                let rest = isLast ? stack.under : index(of: Stack(position: stack.position + 1, under: stack.under))
                for alternative in grammar.rules[Int(element)] where completion.costs[Int(alternative)] < GrammarCompletion.never {
                    visit(Stack(position: alternative, under: rest))
                }
            }
        }
        return found.count <= Self.maxStacks ? found : []
    }

    private mutating func index(of stack: Stack) -> Int32 {
        if let index = stackIndices[stack] { return index }
        let index = Int32(stacks.count)
        stacks.append(stack)
        remainingBytes.append(min(GrammarCompletion.never, completion.costs[Int(stack.position)] + remainingBytes[Int(stack.under)]))
        stackIndices[stack] = index
        return index
    }

    private mutating func state(of found: Set<Int32>) -> State {
        let sorted = found.sorted()
        if let index = stateIndices[sorted] { return index }
        let index = State(states.count)
        states.append(sorted)
        stateIndices[sorted] = index
        firstTransitions.append(-1)
        freeSteps.append(nil)
        freeRuns.append(nil)
        return index
    }

    /// Forgets all states but one, which becomes the start: a long text may have many.
    package mutating func forget(allBut state: State) {
        let old = self
        stacks = [Stack(position: -1, under: -1)]
        remainingBytes = [0]
        stackIndices = [:]
        states = []
        stateIndices = [:]
        transitions = []
        firstTransitions = []
        freeSteps = []
        freeRuns = []
        var copies: [Int32: Int32] = [Self.empty: Self.empty]
        let found = old.states[Int(state)].map { copy($0, of: old, &copies) }
        start = self.state(of: Set(found))
    }

    private mutating func copy(_ index: Int32, of old: GrammarMatcher, _ copies: inout [Int32: Int32]) -> Int32 {
        // From the bottom to the top: a stack may be deeper than recursion allows.
        var path: [Int32] = [], at = index
        while copies[at] == nil {
            path.append(at)
            at = old.stacks[Int(at)].under
        }
        for index in path.reversed() {
            let stack = old.stacks[Int(index)]
            copies[index] = self.index(of: Stack(position: stack.position, under: copies[stack.under] ?? Self.empty))
        }
        return copies[index] ?? Self.empty
    }
}

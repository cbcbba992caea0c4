/// A finite automaton over code points. State 0 is the start; every state leads to one that accepts.
///
///     let automaton = try Automaton(RegularExpression("^a+$"), isWhole: false).counting(atLeast: 2, atMost: 9)
struct Automaton: Sendable {
    struct Edge: Sendable {
        let range: ClosedRange<UInt32>
        let target: Int
    }

    struct State: Sendable {
        /// Sorted, and without overlaps in an automaton of a regular expression.
        var edges: [Edge] = []
        var accepts = false
    }

    static let maxStates = 20_000
    static let tooLarge = RegularExpressionError(reason: "too large: expected at most \(maxStates) states, or fewer repetitions.")

    /// Empty if nothing is accepted.
    private(set) var states: [State]

    /// - Parameter states: Those that lead to no end are removed.
    init(_ states: [State]) {
        var sources = [[Int]](repeating: [], count: states.count), isUseful = states.map(\.accepts)
        for (source, state) in states.enumerated() { for edge in state.edges { sources[edge.target].append(source) } }
        var work = states.indices.filter { isUseful[$0] }
        while let state = work.popLast() {
            for source in sources[state] where !isUseful[source] {
                isUseful[source] = true
                work.append(source)
            }
        }
        var numbers = [Int](repeating: -1, count: states.count), count = 0
        for index in states.indices where isUseful[index] {
            numbers[index] = count
            count += 1
        }
        guard isUseful.first == true else {
            self.states = []
            return
        }
        self.states = states.indices.filter { isUseful[$0] }.map { index in
            var state = states[index]
            state.edges = state.edges.filter { isUseful[$0.target] }.map { Edge(range: $0.range, target: numbers[$0.target]) }
            return state
        }
    }

    var isEmpty: Bool { states.isEmpty }

    /// The texts that both accept.
    func intersection(_ other: Automaton) throws(RegularExpressionError) -> Automaton {
        if isEmpty || other.isEmpty { return Automaton([]) }
        return try Self.explored(from: Pair(first: 0, second: 0)) { pair in
            let a = states[pair.first], b = other.states[pair.second]
            var edges: [(ClosedRange<UInt32>, Pair)] = []
            for x in a.edges {
                for y in b.edges where x.range.overlaps(y.range) {
                    edges.append((x.range.clamped(to: y.range), Pair(first: x.target, second: y.target)))
                }
            }
            return (a.accepts && b.accepts, edges)
        }
    }

    /// The accepted texts of `atLeast` to `atMost` code points.
    func counting(atLeast least: Int, atMost most: Int?) throws(RegularExpressionError) -> Automaton {
        if isEmpty || (least == 0 && most == nil) { return self }
        return try Self.explored(from: Pair(first: 0, second: 0)) { pair in
            let state = states[pair.first], count = min(pair.second + 1, most ?? least)
            let edges = most == pair.second ? [] : state.edges.map { ($0.range, Pair(first: $0.target, second: count)) }
            return (state.accepts && pair.second >= least, edges)
        }
    }

    private struct Pair: Hashable {
        let first: Int
        let second: Int
    }

    /// Numbers the states that can be reached.
    static func explored<Key: Hashable>(
        from start: Key, _ expand: (Key) -> (accepts: Bool, edges: [(ClosedRange<UInt32>, Key)])
    ) throws(RegularExpressionError) -> Automaton {
        var numbers = [start: 0], keys = [start], states: [State] = [], edgeCount = 0
        while states.count < keys.count {
            let (accepts, edges) = expand(keys[states.count])
            var state = State(accepts: accepts)
            for (range, key) in edges {
                let number = numbers[key] ?? keys.count
                if number == keys.count {
                    numbers[key] = number
                    keys.append(key)
                }
                state.edges.append(Edge(range: range, target: number))
            }
            states.append(state)
            edgeCount += edges.count
            guard keys.count <= maxStates, edgeCount <= 20 * maxStates else { throw tooLarge }
        }
        return Automaton(states)
    }

    /// Whether it accepts a text.
    func accepts(_ text: some Sequence<Unicode.Scalar>) -> Bool {
        var current: Set<Int> = isEmpty ? [] : [0]
        for scalar in text {
            current = Set(current.flatMap { states[$0].edges.filter { $0.range.contains(scalar.value) }.map(\.target) })
        }
        return current.contains { states[$0].accepts }
    }
}

extension Automaton {
    /// - Parameter isWhole: Whether the expression describes a whole text; otherwise a text that contains what it describes.
    init(_ expression: RegularExpression, isWhole: Bool) throws(RegularExpressionError) {
        var nfa = NFA()
        let start = try nfa.state(), end = try nfa.state(), any = try nfa.state()
        if !isWhole {
            nfa.add(.characters(.all, any), to: any)
            nfa.add(.empty(any), to: start)
        }
        try nfa.add(expression.root, from: isWhole ? start : any, to: end)
        if !isWhole {
            // At the start of the text, without a character before it.
            nfa.add(.characters(.all, end), to: end)
            nfa.anythingState = end
        }
        nfa.end = end
        self = try nfa.automaton(from: start)
    }
}

/// Thompson's construction. `^` is passed before the first character only, `$` only by the end of the text.
private struct NFA {
    enum Edge {
        case characters(CodePointSet, Int)
        case empty(Int)
        case atStart(Int)
        case atEnd(Int)
    }

    private static let maxStates = 40_000
    private static let maxWork = 3_000_000

    private var edges: [[Edge]] = []
    var end = 0
    /// A state from which every text is accepted.
    var anythingState: Int?

    mutating func state() throws(RegularExpressionError) -> Int {
        guard edges.count < Self.maxStates else { throw Automaton.tooLarge }
        edges.append([])
        return edges.count - 1
    }

    mutating func add(_ edge: Edge, to state: Int) { edges[state].append(edge) }

    mutating func add(_ node: RegularExpression.Node, from start: Int, to end: Int) throws(RegularExpressionError) {
        switch node {
        case .characters(let set): add(.characters(set, end), to: start)
        case .start: add(.atStart(end), to: start)
        case .end: add(.atEnd(end), to: start)
        case .alternatives(let list): for node in list { try add(node, from: start, to: end) }
        case .sequence(let list):
            var at = start
            for node in list {
                let next = try state()
                try add(node, from: at, to: next)
                at = next
            }
            add(.empty(end), to: at)
        case .repeated(let node, let least, let most):
            var at = start
            for _ in 0..<least {
                let next = try state()
                try add(node, from: at, to: next)
                at = next
            }
            if let most {
                for _ in least..<most {
                    let next = try state()
                    add(.empty(end), to: at)
                    try add(node, from: at, to: next)
                    at = next
                }
                add(.empty(end), to: at)
            } else {
                let loop = try state(), after = try state()
                add(.empty(loop), to: at)
                try add(node, from: loop, to: after)
                add(.empty(loop), to: after)
                add(.empty(end), to: loop)
            }
        }
    }

    /// The states that can be reached without a character.
    private func closure(_ states: [Int], atStart: Bool, atEnd: Bool, _ work: inout Int) -> [Int] {
        var found = Set(states), stack = states
        while let state = stack.popLast() {
            for edge in edges[state] {
                work += 1
                let target: Int
                switch edge {
                case .empty(let next): target = next
                case .atStart(let next) where atStart: target = next
                case .atEnd(let next) where atEnd: target = next
                default: continue
                }
                if found.insert(target).inserted { stack.append(target) }
            }
        }
        if !atEnd, let anythingState, found.contains(anythingState) { return [anythingState] }
        return found.sorted()
    }

    private struct Subset: Hashable {
        let states: [Int]
        /// Before the first character.
        let isStart: Bool
    }

    func automaton(from start: Int) throws(RegularExpressionError) -> Automaton {
        var work = 0
        let first = Subset(states: closure([start], atStart: true, atEnd: false, &work), isStart: true)
        return try Automaton.explored(from: first) { subset in
            // A subset that would take too long gets no edges, and `explored` is not called further: the check below throws.
            guard work <= Self.maxWork else { return (true, []) }
            let accepts = closure(subset.states, atStart: subset.isStart, atEnd: true, &work).contains(end)
            var bounds: [(at: UInt32, isEnd: Bool, target: Int)] = []
            for state in subset.states {
                for case .characters(let set, let target) in edges[state] {
                    for range in set.ranges {
                        bounds.append((range.lowerBound, false, target))
                        bounds.append((range.upperBound + 1, true, target))
                    }
                }
            }
            bounds.sort { $0.at < $1.at }
            work += bounds.count
            var active: [Int: Int] = [:], i = 0, found: [(ClosedRange<UInt32>, Subset)] = []
            while i < bounds.count {
                let at = bounds[i].at
                while i < bounds.count, bounds[i].at == at {
                    active[bounds[i].target, default: 0] += bounds[i].isEnd ? -1 : 1
                    i += 1
                }
                let targets = active.filter { $0.value > 0 }.map(\.key)
                work += active.count
                if targets.isEmpty || i == bounds.count { continue }
                let next = Subset(states: closure(targets, atStart: false, atEnd: false, &work), isStart: false)
                if let last = found.last, last.1 == next, last.0.upperBound + 1 == at {
                    found[found.count - 1].0 = last.0.lowerBound...(bounds[i].at - 1)
                } else {
                    found.append((at...(bounds[i].at - 1), next))
                }
            }
            return (accepts, found)
        }.checked(work <= Self.maxWork)
    }
}

extension Automaton {
    fileprivate func checked(_ isWithinLimits: Bool) throws(RegularExpressionError) -> Automaton {
        guard isWithinLimits else { throw Self.tooLarge }
        return self
    }
}

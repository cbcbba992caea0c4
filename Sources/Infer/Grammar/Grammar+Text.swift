extension Grammar {
    private static let maxChoices = 10_000
    private static let maxChoiceBytes = 200_000

    /// Texts that a regular expression describes as a whole.
    package init(regex source: String) throws(GrammarTextError) {
        let automaton: Automaton
        do throws(RegularExpressionError) { automaton = try Automaton(RegularExpression(source), isWhole: true) } catch {
            throw GrammarTextError(reason: error.reason)
        }
        if automaton.isEmpty { throw GrammarTextError(reason: "no text matches the expression.") }
        self.init()
        let start = newRule(), text = add(automaton, .plain)
        define(start, [[text]])
        self.start = start
    }

    /// One of the texts.
    package init(choices: [String]) throws(GrammarTextError) {
        guard 1...Self.maxChoices ~= choices.count, choices.reduce(0, { $0 + $1.utf8.count }) <= Self.maxChoiceBytes else {
            let reason = "expected 1 to \(Self.maxChoices) texts of \(Self.maxChoiceBytes) bytes together, found \(choices.count)."
            throw GrammarTextError(reason: reason)
        }
        if choices.contains("") { throw GrammarTextError(reason: "expected no empty text.") }
        self.init()
        // A tree of bytes, so that a text goes on in one place.
        var children: [[UInt8: Int]] = [[:]], ends: Set<Int> = []
        for choice in choices {
            var node = 0
            for byte in choice.utf8 {
                let next = children[node][byte] ?? children.count
                if next == children.count {
                    children[node][byte] = next
                    children.append([:])
                }
                node = next
            }
            ends.insert(node)
        }
        let rules = children.map { _ in newRule() }
        for (node, next) in children.enumerated() {
            let alternatives = next.sorted { $0.key < $1.key }.map { Self.text(CollectionOfOne($0.key)) + [.rule(rules[$0.value])] }
            define(rules[node], alternatives + (ends.contains(node) ? [[]] : []))
        }
        start = rules[0]
    }

    // MARK: Left recursion

    /// A rule that begins with itself, so that stacks would grow without a byte. The last rule of a sequence does not grow them.
    var leftRecursiveRule: Int? {
        let isEmpty = GrammarCompletion(self).isNullable(self)
        var edges = [[(rule: Int, grows: Bool)]](repeating: [], count: rules.count)
        for (rule, alternatives) in rules.enumerated() {
            for start in alternatives {
                var at = Int(start)
                while code[at] >= 0 {
                    edges[rule].append((Int(code[at]), code[at + 1] != Self.end))
                    if !isEmpty[Int(code[at])] { break }
                    at += 1
                }
            }
        }
        let component = Self.components(edges.map { $0.map(\.rule) })
        return edges.indices.first { rule in edges[rule].contains { $0.grows && component[$0.rule] == component[rule] } }
    }

    /// The strongly connected component of each node: Tarjan's algorithm without recursion.
    private static func components(_ edges: [[Int]]) -> [Int] {
        var index = [Int](repeating: -1, count: edges.count), low = index, component = index, stack: [Int] = [], count = 0, found = 0
        for root in edges.indices where index[root] < 0 {
            var path: [(node: Int, edge: Int)] = [(root, 0)]
            while let (node, edge) = path.last {
                if edge == 0 {
                    index[node] = count
                    low[node] = count
                    count += 1
                    stack.append(node)
                }
                if edge < edges[node].count {
                    path[path.count - 1].edge += 1
                    let next = edges[node][edge]
                    if index[next] < 0 { path.append((next, 0)) } else if component[next] < 0 { low[node] = min(low[node], index[next]) }
                    continue
                }
                path.removeLast()
                if let parent = path.last?.node { low[parent] = min(low[parent], low[node]) }
                guard low[node] == index[node] else { continue }
                while let last = stack.popLast() {
                    component[last] = found
                    if last == node { break }
                }
                found += 1
            }
        }
        return component
    }
}

extension GrammarCompletion {
    /// For each rule, whether it matches the empty text.
    func isNullable(_ grammar: Grammar) -> [Bool] { alternatives.map { $0 >= 0 && costs[Int($0)] == 0 } }
}

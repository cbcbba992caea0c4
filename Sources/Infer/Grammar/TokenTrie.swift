import Synchronization
package import Tokenize

/// The tokens of a vocabulary as a tree of their bytes, so that a grammar reads what many tokens begin with once.
///
/// A node is a byte of tokens. Nodes are in the order of the sorted tokens: one, then all that begins with it. Memory: about 70 bytes for
/// each token.
struct TokenTrie: Sendable {
    struct Node: Sendable {
        /// The characters of the node and of those below it.
        var characters = FirstBytes()
        /// The node behind all that begins with this one.
        var end: Int32 = 0
        /// The first of its own tokens in `ids`. Those of the nodes below it follow.
        let firstToken: Int32
        /// 1 for the first byte of tokens.
        let depth: Int32
        let byte: UInt8
        /// Whether they are characters, the last of which may be cut. The node begins one.
        var isUnicode = true
        /// The most characters that begin with the node or below it.
        var height: UInt8 = 0

        init(_ byte: UInt8, depth: Int, firstToken: Int) {
            self.byte = byte
            self.depth = Int32(depth)
            self.firstToken = Int32(firstToken)
            characters.insert(byte)
        }
    }

    /// In the order of their bytes, without unused ids.
    private(set) var ids: [TokenID]
    /// The last one is no byte: it is behind all others, and so are its tokens.
    private(set) var nodes: [Node] = []
    /// The bytes of the longest token.
    private(set) var depth = 0
    /// A bit for each token that is in the trie.
    let everyToken: [UInt64]
    /// A bit for each token of at most 0, 1, 2, … characters, the last of which may be cut.
    let tokensUpTo: [[UInt64]]

    init(_ tokens: ByteStrings) {
        // The first eight bytes decide most comparisons.
        var keys = tokens.indices.filter { !tokens.range(of: $0).isEmpty }.map { id in
            (tokens[id].prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (56 - 8 * UInt64($1.offset)) }, id)
        }
        keys.sort { a, b in
            if a.0 != b.0 { return a.0 < b.0 }
            let first = tokens[a.1], second = tokens[b.1]
            return first.elementsEqual(second) ? a.1 < b.1 : first.lexicographicallyPrecedes(second)
        }
        ids = keys.map { TokenID($0.1) }
        var every = [UInt64](repeating: 0, count: (tokens.count + 63) / 64)
        var upTo = Array(repeating: every, count: Int(GrammarMatcher.longestFreeRun) + 1)
        for id in ids {
            let word = Int(id) / 64, bit: UInt64 = 1 << UInt64(id % 64)
            every[word] |= bit
            let characters = tokens[Int(id)].count { $0 & 0xC0 != 0x80 }
            for count in min(characters, upTo.count)..<upTo.count { upTo[count][word] |= bit }
        }
        everyToken = every
        tokensUpTo = upTo
        var parents: [Int32] = [], path: [Int32] = []
        for (position, id) in ids.enumerated() {
            let token = tokens[Int(id)]
            let shared = position == 0 ? 0 : token.commonPrefixLength(with: tokens[Int(ids[position - 1])])
            for node in path[shared...] { nodes[Int(node)].end = Int32(nodes.count) }
            path.removeLast(path.count - shared)
            for byte in token.dropFirst(shared) {
                parents.append(path.last ?? -1)
                path.append(Int32(nodes.count))
                nodes.append(Node(byte, depth: path.count, firstToken: position))
                depth = max(depth, path.count)
            }
        }
        for node in path { nodes[Int(node)].end = Int32(nodes.count) }
        describe(parents)
        nodes.append(Node(0, depth: 0, firstToken: ids.count))
    }

    /// Calls `body` with the tokens that a text begins with, the shortest first.
    func forEachBeginning(of text: ArraySlice<UInt8>, _ body: (_ ids: ArraySlice<TokenID>, _ length: Int) -> Void) {
        var node = 0, end = nodes.count - 1, length = 0
        for byte in text {
            while node < end, nodes[node].byte != byte { node = Int(nodes[node].end) }
            if node >= end { return }
            length += 1
            body(ids[Int(nodes[node].firstToken)..<Int(nodes[node + 1].firstToken)], length)
            end = Int(nodes[node].end)
            node += 1
        }
    }

    /// Fills what is known of the bytes of each node and of those below it.
    ///
    /// - Parameter parents: The parent of each node; -1 for the first byte of tokens.
    private mutating func describe(_ parents: [Int32]) {
        var positions: [UTF8Position] = []
        positions.reserveCapacity(nodes.count)
        for (node, parent) in zip(nodes, parents) { positions.append((parent < 0 ? .start : positions[Int(parent)]).after(node.byte)) }
        var isInvalid = positions.map { $0 == .invalid }
        for index in nodes.indices.reversed() {
            let parent = Int(parents[index]), beginsCharacter = parent < 0 || positions[parent] == .start
            nodes[index].isUnicode = beginsCharacter && !isInvalid[index]
            if beginsCharacter, nodes[index].height < .max { nodes[index].height += 1 }
            if parent < 0 { continue }
            isInvalid[parent] = isInvalid[parent] || isInvalid[index]
            nodes[parent].characters.formUnion(nodes[index].characters)
            nodes[parent].height = max(nodes[parent].height, nodes[index].height)
        }
    }
}

extension ArraySlice<UInt8> {
    fileprivate func commonPrefixLength(with other: ArraySlice<UInt8>) -> Int {
        var length = 0
        while length < Swift.min(count, other.count), self[startIndex + length] == other[other.startIndex + length] { length += 1 }
        return length
    }
}

/// Where a text in UTF-8 is.
private enum UTF8Position {
    /// Between characters.
    case start
    /// Before this many bytes of the character.
    case one, two, three
    /// Behind a byte that not all bytes may follow.
    case afterE0, afterED, afterF0, afterF4
    case invalid

    func after(_ byte: UInt8) -> UTF8Position {
        switch (self, byte) {
        case (.start, 0x00...0x7F): .start
        case (.start, 0xC2...0xDF): .one
        case (.start, 0xE0): .afterE0
        case (.start, 0xED): .afterED
        case (.start, 0xE1...0xEF): .two
        case (.start, 0xF0): .afterF0
        case (.start, 0xF4): .afterF4
        case (.start, 0xF1...0xF3): .three
        case (.one, 0x80...0xBF): .start
        case (.two, 0x80...0xBF), (.afterE0, 0xA0...0xBF), (.afterED, 0x80...0x9F): .one
        case (.three, 0x80...0xBF), (.afterF0, 0x90...0xBF), (.afterF4, 0x80...0x8F): .two
        default: .invalid
        }
    }
}

/// The tokens of a model for the grammars of its answers. The first one makes the trie.
package final class GrammarTokens: Sendable {
    package let vocabulary: Vocabulary
    private let made = Mutex<TokenTrie?>(nil)

    package init(_ vocabulary: Vocabulary) { self.vocabulary = vocabulary }

    var trie: TokenTrie {
        made.withLock { made in
            let trie = made ?? TokenTrie(vocabulary.tokens)
            made = trie
            return trie
        }
    }
}

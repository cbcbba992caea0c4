package import Tokenize

/// Guesses the next tokens of an answer: those that followed its last tokens where these occurred before, in the prompt or the answer
/// (prompt lookup decoding).
///
///     var lookup = PromptLookup(prompt)
///     lookup.guess(atMost: 8)                                  // a draft, which the model checks in one step
///     lookup.add(id, to: &accuracy)                            // the next token, whether guessed or not
package struct PromptLookup: Sendable {
    private var ids: [TokenID] = []
    /// For the two and the three tokens before each position, the last such position. A key has 21 bits for each token.
    private var places: [UInt64: Int32] = [:]
    /// The earlier position that the text goes on like; nil if there is none.
    private var source: Int?
    /// How many tokens before it are equal to the last ones.
    package private(set) var matchLength = 0

    package init(_ prompt: [TokenID]) {
        ids.reserveCapacity(prompt.count + 256)
        for id in prompt { add(id) }
    }

    /// The tokens that follow at the earlier position. They may lie in the guess itself: a text that repeats goes on repeating.
    package func guess(atMost count: Int) -> [TokenID] {
        guard let source else { return [] }
        let period = ids.count - source
        return (0..<count).map { ids[source + $0 % period] }
    }

    /// Adds the next token, and notes whether it had been guessed.
    package mutating func add(_ id: TokenID, to accuracy: inout GuessAccuracy) {
        if let source { accuracy.add(isRight: ids[source] == id, matchLength: matchLength) }
        add(id)
    }

    private mutating func add(_ id: TokenID) {
        let isGuessed = source.map { ids[$0] == id } ?? false
        ids.append(id)
        if isGuessed {
            source? += 1
            matchLength += 1
        } else {
            source = nil
            matchLength = 0
        }
        // Fewer equal tokens are no evidence.
        for length in [3, 2] where ids.count >= length {
            let key = ids.suffix(length).reduce(1) { $0 << 21 | UInt64(UInt32(bitPattern: $1) & 0x1f_ffff) }
            if source == nil, let place = places[key] {
                source = Int(place)
                matchLength = length
            }
            places[key] = Int32(ids.count)
        }
    }
}

/// How often guesses are right, by the length of the match that they were made from.
package struct GuessAccuracy: Sendable {
    private static let longest = 16
    /// Older guesses count less, so that the figures follow a text that changes.
    private static let decay = 0.98
    /// As if there had been four guesses of each length, with about the shares of SmolLM2 (decisions/speculation.md).
    private var right: [Double], all: [Double]

    package init() {
        all = Array(repeating: 4, count: Self.longest + 1)
        right = (0...Self.longest).map { 4 * max(0, 1 - 1.2 / Double($0)) }
    }

    package mutating func add(isRight: Bool, matchLength: Int) {
        let i = min(matchLength, Self.longest)
        right[i] = right[i] * Self.decay + (isRight ? 1 : 0)
        all[i] = all[i] * Self.decay + 1
    }

    /// The probability that a guess from a match of this length is right.
    package func share(matchLength: Int) -> Double {
        let i = min(matchLength, Self.longest)
        return right[i] / all[i]
    }
}

extension PassagePrompt {
    /// The least share of an answer's words that a passage must have to count as its source.
    private static let leastSupport = 0.75

    /// A known answer with the number of the passage that has its words, as in "At 7:40. [1]"; nil if no passage has at least three
    /// quarters of them. Words such as "it" and "the" do not count, and those of the question only if the answer has no others. An answer
    /// that cites a passage already is not changed.
    package func cited(_ answer: String) -> String? {
        if sources.indices.contains(where: { answer.contains("[\($0 + 1)]") }) { return answer }
        let all = Self.words(of: answer), own = all.subtracting(Self.words(of: question)), words = own.isEmpty ? all : own
        let found = sources.map { words.intersection(Self.words(of: $0.text)).count }
        guard let most = found.max(), most > 0, Double(most) >= Self.leastSupport * Double(words.count) else { return nil }
        return found.firstIndex(of: most).map { "\(answer) [\($0 + 1)]" }
    }

    /// Those that say something, in lower case and without punctuation around them: "7:40" is a word.
    private static func words(of text: String) -> Set<String> {
        let words = Set(text.lowercased().split(whereSeparator: \.isWhitespace).compactMap { word -> String? in
            let isMark = { (character: Character) in !character.isLetter && !character.isNumber }
            guard let start = word.firstIndex(where: { !isMark($0) }), let end = word.lastIndex(where: { !isMark($0) }) else { return nil }
            return String(word[start...end])
        })
        return words.subtracting(DocumentIndex.connectingWords)
    }
}

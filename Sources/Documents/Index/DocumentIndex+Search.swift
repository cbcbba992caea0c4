import Glibc
import SQLite

/// How passages are found.
package enum SearchMethod: String, Sendable, CaseIterable {
    case words, vectors
    /// By both, if the index has vectors and their model is there; otherwise by words.
    case both
}

/// The passages that fit a question, best first.
package struct SearchResult: Sendable, Equatable {
    package var passages: [Passage] = []
    /// Words of the question that are in no document.
    package var unknownWords: [String] = []
}

/// Full-text search.
extension DocumentIndex {
    /// How much a word counts in each column, for BM25. Measured: Documentation/decisions/document-index.md.
    static let titleWeight = 2.0, headingWeight = 2.0, bodyWeight = 1.0

    /// How many passages of each list are fused, at least: one that is in several lists may be far from the first one of each.
    private static let fusedCandidates = 50
    /// The same for a question and earlier ones, whose lists are more different.
    private static let candidatesAfterOthers = 200

    /// The most words of a question that are searched.
    private static let wordLimit = 64

    /// Searches for passages with any of the question's words; those with rare words are first. Words that only connect others are left out
    /// if there are others. A word that no document has matches those that begin with it.
    ///
    /// Operators and quotes of FTS5 are text. Equal scores are in the order of files and of their text.
    ///
    /// - Parameters:
    ///   - earlier: The questions before it in a chat, the latest last. See ``EarlierQuestions``.
    ///   - embedder: The model of the index's vectors. With it, also passages that say the same in other words are found.
    ///   - reranker: Decides on the order of what is found.
    package func search(
        _ question: String, after earlier: [String] = [], limit: Int, by method: SearchMethod = .both, _ embedder: TextEmbedder? = nil,
        _ reranker: TextReranker? = nil
    ) throws(DocumentError) -> SearchResult {
        let context = EarlierQuestions(earlier, before: question)
        guard let reranker else { return try find(question, context, limit, method, embedder) }
        var result = try find(question, context, reranker.candidates(for: limit), method, embedder)
        result.passages = reranker.best(limit, of: result.passages, for: context?.whole(question) ?? question)
        return result
    }

    private func find(
        _ question: String, _ context: EarlierQuestions?, _ limit: Int, _ method: SearchMethod, _ embedder: TextEmbedder?
    ) throws(DocumentError) -> SearchResult {
        if let context, context.isOnlySubject { return try find(context.text, nil, limit, method, embedder) }
        let embedder = method == .words ? nil : embedder
        if let embedder { try check(embedder) }
        let vectors = embedder?.vectors([question] + (context.map { [$0.text] } ?? []), .query) ?? [], width = embedder?.model.width ?? 0
        let candidates = max(limit, context != nil ? Self.candidatesAfterOthers : vectors.isEmpty ? 0 : Self.fusedCandidates)
        return try run { () throws(SQLiteError) in
            var words = WordMatches(), near: [FoundPassage] = []
            if method != .vectors || vectors.isEmpty {
                words = try matches(question, candidates)
                if let context, context.counts(beside: words.found) {
                    words.found.add(try matches(context.text, candidates).found, weight: context.weight)
                }
            }
            if vectors.isEmpty {
                // A question about the earlier ones need not have words of its own in a passage.
                if context?.isReferredTo != true { try measureCoverage(&words) }
                return SearchResult(passages: try passages(words.found.prefix(limit)), unknownWords: words.unknown)
            }
            near = try closest(to: vectors[0], width: width, limit: candidates)
            if let context, context.counts(beside: near) {
                near.add(try closest(to: vectors[1], width: width, limit: candidates), weight: context.weight)
            }
            let found = method == .vectors ? near : fused([words.found, near])
            return SearchResult(passages: try passages(found.prefix(limit)), unknownWords: words.unknown)
        }
    }

    /// The passages with words of a question, best first, the queries of its words, and the words that are in none.
    private struct WordMatches {
        var found: [FoundPassage] = []
        var terms: [String] = [], unknown: [String] = []
    }

    private func matches(_ question: String, _ limit: Int) throws(SQLiteError) -> WordMatches {
        var terms: [String] = [], unknown: [String] = [], found: [FoundPassage] = []
        for word in Self.searchedWords(of: question) {
            // Letters and digits only, so that quotes need no escape.
            if try hasMatch("\"\(word)\"") {
                terms.append("\"\(word)\"")
            } else if word.count >= 3, try hasMatch("\"\(word)\" *") {
                terms.append("\"\(word)\" *")
            } else { unknown.append(word) }
        }
        if terms.isEmpty { return WordMatches(unknown: unknown) }
        try connection.execute("""
            SELECT passages.id, -bm25(passage_search, $2, $3, $4) AS score
            FROM passage_search JOIN passages ON passages.id = passage_search.rowid JOIN files ON files.id = passages.file
            WHERE passage_search MATCH $1 ORDER BY score DESC, files.name, passages.position LIMIT $5
            """, [
                .text(terms.joined(separator: " OR ")), .real(Self.titleWeight), .real(Self.headingWeight), .real(Self.bodyWeight),
                .integer(limit),
            ]) { row in found.append(FoundPassage(row.integer("id"), row.real("score"), best: found.first)) }
        return WordMatches(found: found, terms: terms, unknown: unknown)
    }

    /// How many passages, from the best on, are compared with the words of the question.
    private static let measuredPassages = 4
    /// How many passages with a word are counted, at most: counting those of frequent words in a large index takes longer than the search.
    private static let countLimit = 2_000

    private func measureCoverage(_ matches: inout WordMatches) throws(SQLiteError) {
        if matches.found.isEmpty { return }
        let total = try integer("SELECT count(*) FROM passages")
        /// As in BM25, but above 0 for words that most passages have.
        func weight(_ passages: Int) -> Double { log(1 + Double(total) / (0.5 + Double(passages))) }
        var weights: [Double] = []
        for term in matches.terms {
            weights.append(weight(try integer(
                "SELECT count(*) FROM (SELECT 1 FROM passage_search WHERE passage_search MATCH $1 LIMIT $2)",
                [.text(term), .integer(Self.countLimit)])))
        }
        let unknown = matches.unknown.count { !Self.wordsOfRequests.contains($0) }
        let all = weights.reduce(Double(unknown) * weight(0), +)
        for i in matches.found.indices.prefix(Self.measuredPassages) {
            var covered = 0.0
            for (term, weight) in zip(matches.terms, weights) where try hasMatch(term, in: matches.found[i].id) { covered += weight }
            matches.found[i].coverage = covered / all
        }
    }

    private func passages(_ found: some Sequence<FoundPassage>) throws(SQLiteError) -> [Passage] {
        var passages: [Passage] = []
        for passage in found {
            try connection.execute("""
                SELECT \(Self.passageColumns) FROM passages JOIN files ON files.id = passages.file WHERE passages.id = $1
                """, [.integer(passage.id)]) { row in
                    passages.append(Passage(row, score: passage.score, share: passage.share, coverage: passage.coverage))
                }
        }
        return passages
    }

    /// - Parameter passage: Only this one; nil for any.
    private func hasMatch(_ query: String, in passage: Int? = nil) throws(SQLiteError) -> Bool {
        var isFound = false
        try connection.execute(
            "SELECT 1 FROM passage_search WHERE passage_search MATCH $1 \(passage == nil ? "" : "AND rowid = $2") LIMIT 1",
            [.text(query)] + (passage.map { [.integer($0)] } ?? [])
        ) { _ in isFound = true }
        return isFound
    }

    /// The different words of a question, as many as are searched, and those of the questions that it refers to.
    package static func words(of question: String, after earlier: [String] = []) -> [String] {
        let own = searchedWords(of: question)
        guard let context = EarlierQuestions(earlier, before: question), context.isReferredTo else { return own }
        if context.isOnlySubject { return searchedWords(of: context.text) }
        return own + searchedWords(of: context.text).filter { !own.contains($0) }
    }

    private static func searchedWords(of question: String) -> [String] {
        let words = allWords(of: question), meaningful = words.filter { !connectingWords.contains($0) }
        return Array((meaningful.isEmpty ? words : meaningful).prefix(wordLimit))
    }

    /// The words of a question that say what it is about.
    static func subjects(of question: String) -> [String] {
        allWords(of: question).filter { !connectingWords.contains($0) && !wordsOfRequests.contains($0) }
    }

    /// The different words of a text in their order, in lower case: runs of letters and digits, as FTS5 divides texts.
    static func allWords(of text: String) -> [String] {
        var seen: Set<String> = []
        return text.lowercased().unicodeScalars.split { !isPartOfWord($0) }.map { String($0) }.filter { seen.insert($0).inserted }
    }

    private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber, .letterNumber,
            .otherNumber, .nonspacingMark, .spacingMark: true
        default: false
        }
    }

    /// English words that questions have and that say nothing about their subject. In a text that has few questions they are rare, so that
    /// BM25 would take them for important.
    static let connectingWords = Set("""
        a about all am an and any are as at be been but by can could did do does for from get gets had has have how i if in into is it its \
        me my of on or our should so some than that the their them then there these they this those to us was we were what when where \
        which who why will with would you your s t
        """.split(separator: " ").map(String.init))

    /// English words with which people ask, and which documents need not have: they do not count as a part of the question that is missing.
    private static let wordsOfRequests = Set("""
        able actually again also answer anything ask asking describe exactly explain find give hello help hey hi just kind know let like \
        maybe mean means more need no ok okay please possible question really right say show something sorry sure tell thank thanks thing \
        things think tried trying understand use used using want way well wonder wondering work works yes
        """.split(separator: " ").map(String.init))
}

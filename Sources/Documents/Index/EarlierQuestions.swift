/// The questions before one of a chat, for a search: "And how often?" means nothing without them.
///
///     let earlier = EarlierQuestions(["How do I reset the pump?"], before: "And how often?")
///     earlier?.isReferredTo                   // true
///
/// What fits them counts in addition to what fits the question itself. Measured: Documentation/decisions/document-index.md.
struct EarlierQuestions {
    /// The latest first: of a long text, only the first words are searched.
    let text: String
    /// Whether the question is about them, as far as its words tell. Otherwise it may be about something new.
    let isReferredTo: Bool
    /// Whether the question has no subject of its own, as "And why?", so that only they are searched.
    let isOnlySubject: Bool

    /// How much a passage's share of the best score counts, beside that for the question itself. Below a half, what fits only the earlier
    /// questions does not get into the prompt for a new one.
    var weight: Double { isReferredTo ? 1 : 0.4 }

    /// Whether what fits them counts, where this fits the question itself: nothing but it answers a question about something new.
    func counts(beside found: [FoundPassage]) -> Bool { isReferredTo || !found.isEmpty }

    /// A question with those that it refers to, as one text.
    func whole(_ question: String) -> String { isReferredTo ? "\(text) \(question)" : question }

    /// "And when?" after "And how often?" is about a third one. How many are searched together, at most.
    private static let mostQuestions = 4

    /// - Parameter questions: The latest last.
    init?(_ questions: [String], before question: String) {
        guard !questions.isEmpty else { return nil }
        var texts: [String] = []
        for text in questions.reversed().prefix(Self.mostQuestions) {
            texts.append(text)
            if DocumentIndex.subjects(of: text).count > 1 { break }
        }
        text = texts.joined(separator: " ")
        let words = DocumentIndex.allWords(of: question), subjects = DocumentIndex.subjects(of: question).count
        let hasPronoun = words.contains { Self.pronouns.contains($0) }
        let asksForMore = question.contains("?") || words.contains { Self.wordsOfMore.contains($0) }
        isReferredTo = hasPronoun && subjects <= 2 || asksForMore && subjects <= 1
        isOnlySubject = isReferredTo && subjects == 0
    }

    private static let pronouns: Set = [
        "he", "her", "him", "his", "it", "its", "same", "she", "that", "their", "them", "there", "these", "they", "this", "those",
    ]
    private static let wordsOfMore: Set = [
        "again", "also", "and", "but", "else", "how", "more", "or", "what", "when", "where", "which", "who", "whose", "why",
    ]
}

/// The members of a filter, of which requests, the settings of runs and the options of `slm training` are made. The page has a label for
/// each in `filter.js`.
extension TrainingFilter {
    package struct Member: Sendable {
        package enum Kind: Sendable {
            case text(Path<String>)
            case choice([String], Path<String>)
            /// A day or a time.
            case time(Path<Timestamp>)
            case count(Path<Int>)
        }

        package typealias Path<Value> = any WritableKeyPath<TrainingFilter, Value?> & Sendable

        /// In requests and in the settings of runs.
        package let name: String
        package let kind: Kind
        package let help: String

        fileprivate init(_ name: String, _ kind: Kind, _ help: String) {
            self.name = name
            self.kind = kind
            self.help = help
        }

        fileprivate func text(in filter: TrainingFilter) -> String? {
            switch kind {
            case .text(let path), .choice(_, let path): filter[keyPath: path]
            case .time(let path): filter[keyPath: path]?.description
            case .count(let path): filter[keyPath: path].map { "\($0)" }
            }
        }
    }

    package static let members = [
        Member("q", .text(\.text), "Only chats whose title or messages contain TEXT."),
        Member("state", .choice(TrainingChat.State.allCases.map(\.rawValue), \.stateName), "Only chats in this state."),
        Member("rating", .choice(Rating.allCases.map(\.rawValue), \.ratingName),
               "Only chats with an answer that was rated or corrected so, or with none."),
        Member("tag", .text(\.tag), "Only chats with this tag."),
        Member("model", .text(\.model), "Only chats whose last answer is of this model."),
        Member("source", .choice(TrainingChat.Source.allCases.map(\.rawValue), \.sourceName),
               "Only chats of accounts, of guests, or imported ones."),
        Member("person", .text(\.person), "Only chats of this person, as slm training chats shows it."),
        Member("flag", .choice(Flag.allCases.map(\.rawValue), \.flagName), "Only chats with near-duplicates, or with personal data."),
        Member("from", .time(\.from), "Only chats whose last message is of this day or later, such as 2026-11-01."),
        Member("to", .time(\.to), "Only chats whose last message is before this day."),
        Member("min_turns", .count(\.minTurns), "Only chats of at least N answers."),
        Member("max_turns", .count(\.maxTurns), "Only chats of at most N answers."),
        Member("min_characters", .count(\.minCharacters), "Only chats of at least N characters."),
        Member("max_characters", .count(\.maxCharacters), "Only chats of at most N characters."),
    ]

    /// The members that are set, as texts.
    package var parameters: [(name: String, value: String)] {
        Self.members.compactMap { member in member.text(in: self).map { (member.name, $0) } }
    }

    private var stateName: String? {
        get { state?.rawValue }
        set { state = newValue.flatMap { TrainingChat.State(rawValue: $0) } }
    }

    private var ratingName: String? {
        get { rating?.rawValue }
        set { rating = newValue.flatMap { Rating(rawValue: $0) } }
    }

    private var sourceName: String? {
        get { source?.rawValue }
        set { source = newValue.flatMap { TrainingChat.Source(rawValue: $0) } }
    }

    private var flagName: String? {
        get { flag?.rawValue }
        set { flag = newValue.flatMap { Flag(rawValue: $0) } }
    }
}

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

        fileprivate func text(in filter: TrainingFilter) -> String? {
            switch kind {
            case .text(let path), .choice(_, let path): filter[keyPath: path]
            case .time(let path): filter[keyPath: path]?.description
            case .count(let path): filter[keyPath: path].map { "\($0)" }
            }
        }
    }

    package static let members = [
        Member(name: "q", kind: .text(\.text), help: "Only chats whose title or messages contain TEXT."),
        Member(name: "state", kind: .choice(TrainingChat.State.allCases.map(\.rawValue), \.state.name), help: "Only chats in this state."),
        Member(name: "rating", kind: .choice(Rating.allCases.map(\.rawValue), \.rating.name),
               help: "Only chats with an answer that was rated or corrected so, or with none."),
        Member(name: "tag", kind: .text(\.tag), help: "Only chats with this tag."),
        Member(name: "model", kind: .text(\.model), help: "Only chats whose last answer is of this model."),
        Member(name: "source", kind: .choice(TrainingChat.Source.allCases.map(\.rawValue), \.source.name),
               help: "Only chats of accounts, of guests, or imported ones."),
        Member(name: "person", kind: .text(\.person), help: "Only chats of this person, as slm training chats shows it."),
        Member(name: "flag", kind: .choice(Flag.allCases.map(\.rawValue), \.flag.name),
               help: "Only chats with near-duplicates, or with personal data."),
        Member(name: "from", kind: .time(\.from), help: "Only chats whose last message is of this day or later, such as 2026-11-01."),
        Member(name: "to", kind: .time(\.to), help: "Only chats whose last message is before this day."),
        Member(name: "min_turns", kind: .count(\.minTurns), help: "Only chats of at least N answers."),
        Member(name: "max_turns", kind: .count(\.maxTurns), help: "Only chats of at most N answers."),
        Member(name: "min_characters", kind: .count(\.minCharacters), help: "Only chats of at least N characters."),
        Member(name: "max_characters", kind: .count(\.maxCharacters), help: "Only chats of at most N characters."),
    ]

    /// The members that are set, as texts.
    package var parameters: [(name: String, value: String)] {
        Self.members.compactMap { member in member.text(in: self).map { (member.name, $0) } }
    }
}

extension Optional where Wrapped: RawRepresentable<String> {
    fileprivate var name: String? {
        get { self?.rawValue }
        set { self = newValue.flatMap { Wrapped(rawValue: $0) } }
    }
}

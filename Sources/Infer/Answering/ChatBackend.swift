package import Tokenize

/// Whoever answers: a GPT on this machine, or a program at an address. The command line, the terminal and the server know nothing else.
///
///     let request = AnswerRequest(.chat([.init(.user, "Hi")]), try GenerationConfig(temperature: 0.8))
///     for event in try backend.events(of: request) {
///         if case .piece(let piece) = event { print(piece.text, terminator: "") }
///     }
///
/// Any number of answers may be under way at once; each has its own order of events.
package protocol ChatBackend: AnyObject, Sendable {
    /// As people know it: a file, or a model at an address.
    var name: String { get }
    /// Tokens that prompt and answer may have together; nil if nobody knows.
    var context: Int? { get }

    /// Begins to answer. What can be told to be wrong at once is thrown, and then no event comes.
    ///
    /// Events come one at a time, on a thread of the backend: `began`, any number of pieces, one `ended` and nothing behind it, also after an error and after
    /// `cancel`. `deliver` must not wait for anything. The answer goes on when nobody holds what is returned.
    func answer(_ request: AnswerRequest, deliver: @escaping @Sendable (AnswerEvent) -> Void) throws(GenerationError) -> any AnswerInProgress
}

/// An answer that is under way, or over.
package protocol AnswerInProgress: AnyObject, Sendable {
    /// Ends it within a token, with the reason `cancelled`. What is over stays what it was.
    func cancel()
}

package struct AnswerRequest: Sendable, Equatable {
    package var prompt: Prompt
    package var config: GenerationConfig
    package var policy: HistoryPolicy

    package init(_ prompt: Prompt, _ config: GenerationConfig = GenerationConfig(), policy: HistoryPolicy = .oldestTurns) {
        (self.prompt, self.config, self.policy) = (prompt, config, policy)
    }
}

package enum Prompt: Sendable, Equatable {
    /// A text that goes on.
    case text(String)
    /// The same, from a program that has its tokens; special ones may be among them.
    case tokens([TokenID])
    /// A conversation in which the assistant speaks next.
    case chat([Conversation.Message])
}

/// What gives way when a history is longer than the context.
package enum HistoryPolicy: String, Sendable, CaseIterable {
    /// The oldest turns, as few as will do. The newest of the user's stays, and what the system says.
    case oldestTurns = "oldest-turns"
    /// All turns but the newest of the user's, as soon as not all fit.
    case allButLast = "all-but-last"
    /// Nothing: it is an error.
    case refuse
}

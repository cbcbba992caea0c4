package import Checkpoint
package import Formats
package import Tokenize

/// Generates text: either a model on this machine (``LocalBackend``) or an OpenAI-compatible server (``OpenAIBackend``).
///
///     let request = GenerationRequest(.chat([.init(.user, "Hi")]), try GenerationConfig { $0.temperature = 0.8 })
///     for event in try backend.stream(request) {
///         if case .piece(let piece) = event { print(piece.text, terminator: "") }
///     }
///
/// Any number of generations may run at the same time. Each has its own order of events.
package protocol ChatBackend: AnyObject, Sendable {
    /// The name shown to users: a file, or a model at an address.
    var name: String { get }
    /// The context length: the most tokens of prompt and answer together. nil if unknown.
    var context: Int? { get }

    /// Starts a generation and returns without waiting for it. An error that is known at once is thrown, and then no event is delivered.
    ///
    /// Events are delivered one at a time, on a thread of the backend: `began`, any number of pieces, and exactly one `ended`,
    /// also after an error or `cancel`. `deliver` must not block. The generation continues if the returned handle is released.
    func start(
        _ request: GenerationRequest,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle

    /// Starts to compute the embeddings of texts, which share batches, and returns without waiting for them.
    ///
    /// `deliver` is called once, on a thread of the backend, unless an error is thrown. It must not block.
    func embed(
        _ texts: [[TokenID]], deliver: @escaping @Sendable (EmbeddingResult) -> Void
    ) throws(GenerationError) -> any GenerationHandle

    /// The length of an embedding; nil if the backend computes none.
    var embeddingWidth: Int? { get }

    /// How an embedding model or a reranker reads texts; nil for a model that answers.
    var embeddingInput: EmbeddingInput? { get }

    /// The memory of the weights; nil if the model runs on another server.
    var weightBytes: Int? { get }

    /// For requests that do not give their own sampling settings.
    var samplingDefaults: SamplingDefaults { get }

    /// nil if the model runs on another server.
    var kvMemoryUse: KVMemoryUse? { get }

    /// Whether the handles of generations can pause them. A backend on another server cannot.
    var canPause: Bool { get }

    /// Checks that the backend works. Calls `completion` once, on any thread; a backend that hangs does not call it.
    func probe(_ completion: @escaping @Sendable (_ works: Bool) -> Void)
}

extension ChatBackend {
    package var samplingDefaults: SamplingDefaults { .remoteModels }
    package var kvMemoryUse: KVMemoryUse? { nil }
    package var canPause: Bool { false }
    package var embeddingWidth: Int? { nil }
    package var embeddingInput: EmbeddingInput? { nil }
    package var weightBytes: Int? { nil }
    package func embed(
        _ texts: [[TokenID]], deliver: @escaping @Sendable (EmbeddingResult) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        throw .unsupported("\(name) has no embeddings: expected a model on this machine.")
    }
    package func probe(_ completion: @escaping @Sendable (_ works: Bool) -> Void) { completion(true) }
}

/// The memory of all KV caches of an engine, in bytes.
package struct KVMemoryUse: Sendable, Equatable {
    package let used: Int
    /// In use, or reserved by answers in progress.
    package let reserved: Int
    package let limit: Int

    package init(used: Int, reserved: Int, limit: Int) {
        self.used = used
        self.reserved = reserved
        self.limit = limit
    }
}

/// A generation that is running or finished.
package protocol GenerationHandle: AnyObject, Sendable {
    /// Ends the generation within one token, with the reason `cancelled`. Does nothing after the end.
    func cancel()
    /// Whether the generation can pause.
    var canPause: Bool { get }
    /// Stops the generation at the next token and frees its slot, until `resume`.
    func pause()
    func resume()
}

extension GenerationHandle {
    package var canPause: Bool { false }
    package func pause() {}
    package func resume() {}
}

/// A prompt, and how to continue it.
package struct GenerationRequest: Sendable, Equatable {
    package var prompt: Prompt
    package var config: GenerationConfig
    package var policy: TruncationPolicy
    /// Functions that the answer to a chat may call.
    package var tools: ChatTools?
    /// Variables of the chat template.
    package var templateArguments: TemplateArguments?
    /// Whether the answer continues the last message of a chat, which is the assistant's.
    package var continuesAnswer = false
    /// What the answer must consist of. nil: any text.
    package var grammar: Grammar?
    /// What only a model on another server reads.
    package var forwardedFields: [ForwardedField] = []
    /// Whose prompt it is. Cached keys and values are reused within one owner only, except those of a prefix that all may share.
    package var owner = ""

    package init(_ prompt: Prompt, _ config: GenerationConfig = GenerationConfig(), policy: TruncationPolicy = .oldestTurns) {
        self.prompt = prompt
        self.config = config
        self.policy = policy
    }

    var chatForm: ChatPromptForm {
        var form = ChatPromptForm(tools: tools)
        form.arguments = templateArguments
        form.continuesAnswer = continuesAnswer
        return form
    }
}

/// A field of a request to OpenAI's API, such as `response_format`, with its JSON.
package struct ForwardedField: Sendable, Equatable {
    package static let responseFormat = "response_format"
    package static let templateArguments = "chat_template_kwargs"
    package static let reasoningEffort = "reasoning_effort"
    /// What answers must consist of: at most one of them.
    package static let answerFormats = [
        responseFormat, "grammar", "structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar",
    ]

    package let name: String
    package let json: [UInt8]

    package init(_ name: String, _ json: [UInt8]) {
        self.name = name
        self.json = json
    }
}

package enum Prompt: Sendable, Equatable {
    /// A text to complete.
    case text(String)
    /// Token ids to complete; special tokens are allowed.
    case tokens([TokenID])
    /// A conversation in which the assistant speaks next.
    case chat([Conversation.Message])
}

/// What to drop when a conversation is longer than the context.
package enum TruncationPolicy: String, Sendable, CaseIterable {
    /// As few of the oldest turns as possible, so that a quarter of the context, or the most tokens of the answer up to half of it, is left
    /// for the answer. The newest user message and system messages stay.
    case oldestTurns = "oldest-turns"
    /// Every turn before the newest user message, as soon as not all turns fit. System messages stay.
    case allButLast = "all-but-last"
    /// Nothing: throws `GenerationError.tooLong`.
    case refuse
}

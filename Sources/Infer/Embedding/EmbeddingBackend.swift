package import Formats
package import Kernels
import Model
import Synchronization
import Threads
package import Tokenize

/// An embedding model that computes the vectors of many requests, on a thread of its own. Or a reranker: then the "vectors" of pairs of
/// texts are their scores, one number each.
///
///     let backend = try EmbeddingBackend(folder, name: "minilm", on: { try Processor() })
///     _ = try backend.embed([backend.input.tokens(of: "Hi", as: .plain)]) { print($0.embeddings) }
///
/// Requests take turns: each step has texts of one of them. A text's vector does not depend on the others, and has the length 1.
package final class EmbeddingBackend: ChatBackend {
    /// Computes the vectors of some texts.
    private typealias Encoder = (_ texts: [[TokenID]]) -> [[Float]]

    package let name: String
    package let input: EmbeddingInput
    /// Nil for a reranker.
    package let embeddingWidth: Int?
    package let scoreFunction: ScoreFunction
    package let weightBytes: Int?
    private let inbox: Mailbox<Message>

    package var context: Int? { input.context }
    package var embeddingInput: EmbeddingInput? { input }

    private enum Message: Sendable {
        case embed(Job)
        case probe(@Sendable (Bool) -> Void)
        case stop
    }

    private struct Job: Sendable {
        let texts: [[TokenID]]
        let handle: Handle
        let deliver: @Sendable (EmbeddingResult) -> Void
    }

    private final class Handle: GenerationHandle {
        private let canceled = Atomic(false)
        var isCancelled: Bool { canceled.load(ordering: .relaxed) }
        func cancel() { canceled.store(true, ordering: .relaxed) }
    }

    /// - Parameter makeProcessor: Runs on the thread that will compute.
    package init(
        _ path: String, name: String, for purpose: EncoderFile.Purpose = .embedding, precision: WeightPrecision = .float32,
        on makeProcessor: @escaping @Sendable () throws -> Processor
    ) throws {
        typealias Opened = (input: EmbeddingInput, scoreFunction: ScoreFunction, width: Int, weightBytes: Int)
        let opened = Mailbox<Result<Opened, any Error>>(), inbox = Mailbox<Message>()
        try BackgroundThread.run {
            do {
                let folder = try EncoderFile(path, for: purpose), processor = try makeProcessor()
                let model = try EmbeddingModel(folder, on: processor, precision: precision), encode: Encoder
                switch purpose {
                case .embedding: encode = { model.step($0, isNormalized: true) }
                case .reranking: encode = { pairs in model.scoreStep(pairs).map { [$0] } }
                }
                // Packs the weights, so that the first request does not wait for it.
                for _ in 0..<2 { _ = encode([folder.input.tokens(of: "", as: .plain)]) }
                opened.put(.success((model.input, folder.scoreFunction, model.width, model.weightBytes)))
                Self.run(encode, receiving: inbox)
            } catch { opened.put(.failure(error)) }
        }
        let (input, scoreFunction, width, weightBytes) = try opened.take().get()
        self.inbox = inbox
        self.name = name
        self.input = input
        self.scoreFunction = scoreFunction
        self.weightBytes = weightBytes
        embeddingWidth = purpose == .embedding ? width : nil
    }

    deinit { inbox.put(.stop) }

    package func start(
        _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        throw .unsupported("\(name) is \(embeddingWidth == nil ? "a reranker" : "an embedding model"): it answers no prompts.")
    }

    package func embed(
        _ texts: [[TokenID]], deliver: @escaping @Sendable (EmbeddingResult) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        if texts.isEmpty { throw .emptyPrompt }
        for (index, ids) in texts.enumerated() {
            try ids.checkEmbeddable(at: index, vocabulary: input.tokenizer.count, context: input.context)
        }
        let handle = Handle()
        inbox.put(.embed(Job(texts: texts, handle: handle, deliver: deliver)))
        return handle
    }

    /// The thread that computes answers between two steps.
    package func probe(_ completion: @escaping @Sendable (_ works: Bool) -> Void) { inbox.put(.probe(completion)) }

    private static func run(_ encode: Encoder, receiving inbox: Mailbox<Message>) {
        var running: [(job: Job, vectors: [[Float]])] = []
        while true {
            while let message = running.isEmpty ? inbox.take() : inbox.takeIfAvailable() {
                switch message {
                case .embed(let job): running.append((job, []))
                case .probe(let completion): completion(true)
                case .stop:
                    for (job, _) in running { job.deliver(EmbeddingResult([], .canceled)) }
                    return
                }
            }
            let turn = running.removeFirst(), job = turn.job
            var vectors = turn.vectors
            if job.handle.isCancelled {
                job.deliver(EmbeddingResult([], .canceled))
                continue
            }
            let end = EmbeddingModel.end(ofStepFrom: vectors.count, in: job.texts)
            vectors += encode(Array(job.texts[vectors.count..<end]))
            if end < job.texts.count {
                running.append((job, vectors))
            } else if vectors.allSatisfy({ $0.allSatisfy(\.isFinite) }) {
                job.deliver(EmbeddingResult(vectors))
            } else {
                job.deliver(EmbeddingResult([], .error(.invalidLogits)))
            }
        }
    }
}

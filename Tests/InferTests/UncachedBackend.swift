import Infer
import Synchronization
import TestSupport
import Threads
import Tokenize

/// A backend without a KV cache: the reference for ``LocalBackend``.
///
///     let backend = UncachedBackend(info, UncachedGenerator(of: model, parameters, on: processor))
///
/// Each generation has a thread. The threads take turns at the model, one token at a time.
final class UncachedBackend: ChatBackend {
    private let model: ModelInfo
    private let generator: Mutex<UncachedGenerator>

    var name: String { model.name }
    var context: Int? { model.context }

    init(_ model: ModelInfo, _ generator: sending UncachedGenerator) {
        self.model = model
        self.generator = Mutex(generator)
    }

    func start(
        _ request: GenerationRequest,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        let state = try GenerationState(request, for: model), cancelFlag = CancelFlag()
        do throws(ThreadError) {
            try BackgroundThread.run { self.run(state, cancelFlag, deliver) }
        } catch { throw .threadNotStarted(error) }
        return cancelFlag
    }

    private func run(_ state: GenerationState, _ cancelFlag: CancelFlag, _ deliver: (GenerationEvent) -> Void) {
        var state = state, ids = state.prompt, timing = TimingRecorder()
        deliver(.began(state.start))
        while state.reason == nil {
            var logits = generator.withLock { [ids] in $0.logits(after: ids) }
            timing.sampledToken()
            var span = logits.mutableSpan
            let step = cancelFlag.isCancelled ? state.finish(.canceled) : state.advance(&span)
            if let piece = step.piece { deliver(.piece(piece)) }
            ids += step.nextTokens
        }
        deliver(.ended(state.end(timing.timings)))
    }
}

package import Infer
import Kernels
import Synchronization
import Threads
import Tokenize
import Random

/// A backend without a model: it generates a fixed sentence, one character per token, and appends a random number at high temperatures.
package final class ScriptedBackend: ChatBackend {
    package let name = "a script"
    package let context: Int?
    private let size: Int
    private let sentence: String
    private let beforeToken: @Sendable (Int) -> Void

    /// - Parameter beforeToken: Called before each token, on the generating thread, with the number of earlier tokens.
    package init(
        _ sentence: String = OneSentenceModel.sentence, context: Int = 64, beforeToken: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.context = context
        size = context
        self.sentence = sentence
        self.beforeToken = beforeToken
    }

    package func start(
        _ request: GenerationRequest,
        deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        let promptTokens = switch request.prompt {
        case .text(let text): text.count
        case .tokens(let ids): ids.count
        case .chat(let messages): messages.reduce(0) { $0 + String(decoding: $1.text, as: UTF8.self).count + 1 }
        }
        if promptTokens >= size, request.policy == .refuse { throw .tooLong(promptTokens: promptTokens, context: size) }
        let cancelFlag = CancelFlag()
        do throws(ThreadError) {
            try BackgroundThread.run { self.run(request, min(promptTokens, self.size - 1), cancelFlag, deliver) }
        } catch { throw .threadNotStarted(error) }
        return cancelFlag
    }

    private func run(_ request: GenerationRequest, _ promptTokens: Int, _ cancelFlag: CancelFlag, _ deliver: (GenerationEvent) -> Void) {
        deliver(.began(GenerationStart(promptTokens: promptTokens, context: context)))
        var random = SeededRandom(seed: request.config.seed ?? .random(in: 0 ... .max), stream: 0)
        let maxNewTokens = min(request.config.maxTokens ?? size, size - promptTokens)
        var text = request.config.temperature < 1.5 ? sentence : sentence + "\(random.next())"
        var stopText: String?
        for stop in request.config.stop {
            guard let range = text.firstRange(of: stop) else { continue }
            text = String(text[..<range.lowerBound])
            stopText = stop
        }
        var count = 0, reason = FinishReason.stop
        for character in text {
            beforeToken(count)
            if cancelFlag.isCancelled {
                reason = .canceled
                break
            }
            if count == maxNewTokens {
                reason = .length
                break
            }
            deliver(.piece(TextPiece(String(character), [GeneratedToken(nil, Array(String(character).utf8))])))
            count += 1
        }
        var end = GenerationEnd(reason, promptTokens: promptTokens, answerTokens: count)
        if reason == .stop { end.stopText = stopText }
        deliver(.ended(end))
    }
}

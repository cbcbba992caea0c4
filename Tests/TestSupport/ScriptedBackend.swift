package import Infer
import Kernels
import Synchronization
import Threads
import Tokenize
import Random

/// A backend that is not a model: it says one sentence, a character a token, and shifts its letters when it draws with temperature.
package final class ScriptedBackend: ChatBackend {
    package let name = "a script", context: Int? = 64
    private let sentence: String
    private let beforeToken: @Sendable (Int) -> Void

    /// - Parameter beforeToken: Called on the thread that answers, with how many came already.
    package init(_ sentence: String = OneSentenceModel.sentence, beforeToken: @escaping @Sendable (Int) -> Void = { _ in }) {
        self.sentence = sentence
        self.beforeToken = beforeToken
    }

    package func start(
        _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle {
        let size =
            switch request.prompt {
            case .text(let text): text.count
            case .tokens(let ids): ids.count
            case .chat(let messages): messages.reduce(0) { $0 + String(decoding: $1.text, as: UTF8.self).count + 1 }
            }
        if size > 63, request.policy == .refuse { throw .tooLong(promptTokens: size, context: 64) }
        let flag = CancelFlag()
        do throws(ThreadError) { try BackgroundThread.run { self.run(request, min(size, 63), flag, deliver) } } catch {
            throw .threadNotStarted(error)
        }
        return flag
    }

    private func run(_ request: GenerationRequest, _ size: Int, _ flag: CancelFlag, _ deliver: (GenerationEvent) -> Void) {
        deliver(.began(GenerationStart(promptTokens: size, context: context)))
        var random = SeededRandom(seed: request.config.seed ?? .random(in: 0 ... .max), stream: 0)
        let text = request.config.temperature < 1.5 ? sentence : sentence + "\(random.next())"
        let room = min(request.config.maximumTokens ?? 64, 64 - size)
        var cut = text
        for stop in request.config.stop { if let range = cut.firstRange(of: stop) { cut = String(cut[..<range.lowerBound]) } }
        var said = 0, reason = FinishReason.stop
        for character in cut {
            beforeToken(said)
            if flag.isRaised { reason = .cancelled; break }
            if said == room { reason = .length; break }
            deliver(.piece(TextPiece(String(character), [GeneratedToken(nil, Array(String(character).utf8))])))
            said += 1
        }
        deliver(.ended(GenerationEnd(reason, promptTokens: size, answerTokens: said)))
    }
}

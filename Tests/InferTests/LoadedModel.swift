import Infer
import Kernels

extension LocalBackend {
    /// Loads a model, which runs with two threads.
    convenience init(
        of path: String, _ option: PrecisionOption = .f32, adapters: [AdapterFile] = [], draft: String? = nil,
        with change: (inout Limits) -> Void = { _ in }
    ) throws {
        var limits = Limits()
        change(&limits)
        try self.init(checkpoint: path, adapters: adapters, draft: draft, option, limits: limits) { try Processor(threads: 2) }
    }
}

extension ChatBackend {
    /// Generates all answers, some of them concurrently, and returns them in the order of the requests.
    func answers(to requests: [GenerationRequest], concurrency: Int) throws -> [GenerationResult] {
        var answers: [GenerationResult] = []
        try generate(requests, concurrency: concurrency) { _, result in answers.append(try result.get()) }
        return answers
    }

    /// The texts of ``answers(to:concurrency:)``.
    func texts(of requests: [GenerationRequest], concurrency: Int) throws -> [String] {
        try answers(to: requests, concurrency: concurrency).map(\.text)
    }
}

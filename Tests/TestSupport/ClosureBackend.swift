package import Infer

/// A backend that a test writes as a closure.
///
///     let refusing = ClosureBackend { _, _ throws(GenerationError) in throw .unsupported("no") }
package final class ClosureBackend: ChatBackend {
    package typealias Body = @Sendable (
        _ request: GenerationRequest, _ deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle

    package let name: String
    package let context: Int?
    private let body: Body

    package init(name: String = "a closure", context: Int? = nil, _ body: @escaping Body) {
        self.name = name
        self.context = context
        self.body = body
    }

    package func start(
        _ request: GenerationRequest, deliver: @escaping @Sendable (GenerationEvent) -> Void
    ) throws(GenerationError) -> any GenerationHandle { try body(request, deliver) }
}

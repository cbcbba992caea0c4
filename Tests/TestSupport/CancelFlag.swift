import Infer
import Synchronization

/// The handle of a generation whose thread polls for cancellation.
package final class CancelFlag: GenerationHandle {
    private let flag = Atomic(false)

    package init() {}

    package func cancel() { flag.store(true, ordering: .relaxed) }

    package var isCancelled: Bool { flag.load(ordering: .relaxed) }
}

import Files
import Synchronization
import Threads

/// The verification of a file's checksum by another thread, while the file is already read.
///
///     let (checkpoint, check) = try Checkpoint.open("best.h5")
///     let model = try checkpoint.model(on: processor)
///     try check.wait()                                         // before the model is used
package final class ChecksumCheck: Sendable {
    private let outcome = Mailbox<CheckpointError?>()
    private let known = Mutex<CheckpointError??>(nil)

    init(of file: MappedFile) {
        let outcome = outcome
        let work: @Sendable () -> Void = {
            do throws(CheckpointError) {
                try CheckpointHeader.check(file)
                outcome.put(nil)
            } catch { outcome.put(error) }
        }
        // Without another thread, this one reads the file.
        do { try BackgroundThread.run(work) } catch { work() }
    }

    /// Waits for the end of the check. Throws if the file is damaged.
    package func wait() throws(CheckpointError) {
        let error = known.withLock { known in
            let error = known ?? outcome.take()
            known = .some(error)
            return error
        }
        if let error { throw error }
    }
}

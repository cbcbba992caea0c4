import Files
import Foundation
import TestSupport
import Testing

@Suite struct FileLockTests {
    private let folder = TemporaryFolder()

    private func canLock(_ path: String) throws -> Bool {
        guard let lock = try FileLock(path) else { return false }
        return lock.descriptor >= 0
    }

    @Test func `a lock is held by one, and free when that one is gone`() throws {
        let path = folder("lock")
        #expect(try FileLock.isHeld(path) == false)
        if let lock = try FileLock(path) {
            #expect(try lock.descriptor >= 0 && FileLock.isHeld(path) && !canLock(path))
        } else {
            Issue.record("a new file is locked")
        }
        #expect(try FileLock.isHeld(path) == false && canLock(path))
    }

    /// A process that is being started has a copy of the descriptor for a moment.
    @Test func `a lock that is soon free is waited for`() throws {
        let path = folder("lock"), descriptor = open(path, O_RDWR | O_CREAT, 0o600)
        #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        Thread.detachNewThread {
            usleep(30_000)
            close(descriptor)
        }
        #expect(try canLock(path))
    }
}

import Glibc

/// A file that is read from an offset on.
///
///     var file = try TailFile("log.jsonl", from: 4_096)
///     let bytes = try file.read(atMost: 65_536)                // empty at the end
package struct TailFile: ~Copyable {
    private let path: String
    private let descriptor: Int32
    private var offset: Int

    package init(_ path: String, from offset: Int) throws(FileError) {
        self.path = path
        self.offset = offset
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
    }

    deinit { close(descriptor) }

    package mutating func read(atMost count: Int) throws(FileError) -> [UInt8] {
        var got = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            repeat { got = pread(descriptor, buffer.baseAddress, count, off_t(offset)) } while got < 0 && errno == EINTR
            initialized = max(got, 0)
        }
        guard got >= 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        offset += got
        return bytes
    }
}

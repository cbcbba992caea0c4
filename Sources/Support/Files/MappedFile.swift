import Glibc

/// A memory-mapped file. Only the pages that are accessed take memory. The file must not be truncated while it is mapped.
///
///     let file = try MappedFile("data/train.bin")
///     file.read(as: UInt16.self) { ids in ids[1_000_000] }
package final class MappedFile: Sendable {
    package let path: String
    package let count: Int
    private let bytes: Pages

    /// - Parameters:
    ///   - writable: Whether the mapped bytes may be changed. The file is not changed: a page that is written to is copied.
    ///   - staysOpen: Whether the file keeps its descriptor, from which `copy` reads.
    package convenience init(_ path: String, writable: Bool = false, staysOpen: Bool = false) throws(FileError) {
        let descriptor = try Self.open(path)
        defer { if !staysOpen { close(descriptor) } }
        try self.init(path, descriptor, writable: writable, staysOpen: staysOpen)
    }

    /// Lets the system read only the pages that are accessed, instead of those around them, too.
    package func expectRandomAccess() { bytes.advise(0..<count, MADV_RANDOM) }

    /// Starts to read the pages of a byte range from the disk, without waiting for them.
    package func prefetch(_ range: Range<Int>) { bytes.advise(range, MADV_WILLNEED) }

    /// Maps the same file twice, writable and read-only, even if another file takes its place meanwhile. Each mapping has pages of its own
    /// to release.
    package static func twice(_ path: String) throws(FileError) -> (writable: MappedFile, readOnly: MappedFile) {
        let descriptor = try open(path), readOnly: MappedFile
        do {
            readOnly = try MappedFile(path, descriptor, writable: false, staysOpen: false)
        } catch {
            close(descriptor)
            throw error
        }
        return (try MappedFile(path, descriptor, writable: true, staysOpen: true), readOnly)
    }

    private static func open(_ path: String) throws(FileError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)      // does not wait for the writer of a pipe
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        return descriptor
    }

    /// - Parameter staysOpen: Whether the mapping takes the descriptor, and closes it when it ends or if it fails.
    private init(_ path: String, _ descriptor: Int32, writable: Bool, staysOpen: Bool) throws(FileError) {
        var status = stat()
        _ = fstat(descriptor, &status)
        var failure: String?, start: UnsafeMutableRawPointer?
        if status.st_mode & S_IFMT != S_IFREG {
            failure = "it is not a regular file"
        } else if status.st_size > 0 {
            start = mmap(nil, Int(status.st_size), writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_PRIVATE, descriptor, 0)
            if start == MAP_FAILED { failure = systemErrorMessage() }
        }
        if let failure {
            if staysOpen { close(descriptor) }
            throw .unreadable(path: path, reason: failure)
        }
        self.path = path
        count = Int(status.st_size)
        bytes = Pages(start, count: count, staysOpen ? descriptor : nil)
    }

    /// The address of the first byte, valid as long as this object lives: `Kernels` has buffers in mapped files. nil if the file is empty.
    package var baseAddress: UnsafeMutableRawPointer? { bytes.start }

    /// Copies bytes at an offset of a file that stays open. Unlike access to the mapping, it maps no pages, and does not see what was
    /// written to them.
    package func copy(_ offset: Int, into target: UnsafeMutableRawBufferPointer) { bytes.copy(offset, into: target) }

    /// Prepares pages of a byte range for reading, all at once, which takes less time than when they are read.
    package func preparePages(_ range: Range<Int>) { bytes.prepare(range) }

    /// Frees the memory of pages in a byte range that have not been written to. They are read from the file again when accessed.
    package func releasePages(_ range: Range<Int>) { bytes.release(range) }

    /// Lends the file as little-endian numbers: the byte order of every machine that slm supports. A remainder is ignored.
    package func read<Number: FixedWidthInteger & BitwiseCopyable, Result, Failure: Error>(
        as type: Number.Type, _ body: (Span<Number>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: bytes.start, count: count / MemoryLayout<Number>.size * MemoryLayout<Number>.size)
            .assumingMemoryBound(to: Number.self).span)
    }
}

/// The mapping. `@unchecked Sendable`: its bytes are constant, or written only by a caller that has them exclusively.
private struct Pages: ~Copyable, @unchecked Sendable {
    let start: UnsafeMutableRawPointer?
    private let count: Int
    private let descriptor: Int32?

    init(_ start: UnsafeMutableRawPointer?, count: Int, _ descriptor: Int32?) {
        self.start = start
        self.count = count
        self.descriptor = descriptor
    }

    func copy(_ offset: Int, into target: UnsafeMutableRawBufferPointer) {
        precondition(offset >= 0 && offset + target.count <= count, "\(target.count) bytes at \(offset) of \(count)")
        guard let start, let bytes = target.baseAddress else { return }
        // A signal may interrupt the call; if the system cannot read at all, the mapping is read.
        if let descriptor, pread(descriptor, bytes, target.count, offset) == target.count { return }
        bytes.copyMemory(from: start + offset, byteCount: target.count)
    }

    func prepare(_ range: Range<Int>) { advise(range, 22) }        // MADV_POPULATE_READ; Linux before 5.14 does nothing

    /// Advises the system about the pages of a byte range.
    func advise(_ range: Range<Int>, _ advice: Int32) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "bytes \(range) of \(count)")
        let page = sysconf(Int32(_SC_PAGESIZE)), first = range.lowerBound / page * page
        if let start, first < range.upperBound { madvise(start + first, range.upperBound - first, advice) }
    }

    func release(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "bytes \(range) of \(count)")
        let page = sysconf(Int32(_SC_PAGESIZE))
        let first = (range.lowerBound + page - 1) / page * page
        // If madvise fails, memory stays in use. The last page is complete, whatever the file's length.
        let end = range.upperBound == count ? range.upperBound : range.upperBound / page * page
        if let start, first < end { madvise(start + first, end - first, MADV_DONTNEED) }
    }

    deinit {
        if let start { munmap(start, count) }
        if let descriptor { close(descriptor) }
    }
}

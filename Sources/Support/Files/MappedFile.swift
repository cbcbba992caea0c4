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
    package init(_ path: String, writable: Bool = false, staysOpen: Bool = false) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)            // does not wait for the writer of a pipe
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        var status = stat()
        _ = fstat(descriptor, &status)
        var failure: String?, start: UnsafeMutableRawPointer?
        if status.st_mode & S_IFMT != S_IFREG {
            failure = "it is not a regular file"
        } else if status.st_size > 0 {
            start = mmap(nil, Int(status.st_size), writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_PRIVATE, descriptor, 0)
            if start == MAP_FAILED { failure = systemErrorMessage() }
        }
        if !staysOpen || failure != nil { close(descriptor) }
        if let failure { throw .unreadable(path: path, reason: failure) }
        self.path = path
        count = Int(status.st_size)
        bytes = Pages(start, count: count, staysOpen ? descriptor : nil)
    }

    /// Lets the system read only the pages that are accessed, instead of those around them, too.
    package func expectRandomAccess() { bytes.advise(0..<count, MADV_RANDOM) }

    /// Starts to read the pages of a byte range from the disk, without waiting for them.
    package func prefetch(_ range: Range<Int>) { bytes.advise(range, MADV_WILLNEED) }

    /// The address of the first byte, valid as long as this object lives: `Kernels` has buffers in mapped files. nil if the file is empty.
    package var baseAddress: UnsafeMutableRawPointer? { bytes.start }

    /// Copies bytes at an offset of a file that stays open. Unlike access to the mapping, it maps no pages, and does not see what was
    /// written to them.
    package func copy(_ offset: Int, into target: UnsafeMutableRawBufferPointer) { bytes.copy(offset, into: target) }

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

import Glibc

/// A memory-mapped file. Only the pages that are accessed take memory. The file must not be truncated while it is mapped.
///
///     let file = try MappedFile("data/train.bin")
///     file.read(as: UInt16.self) { ids in ids[1_000_000] }
package final class MappedFile: Sendable {
    package let path: String
    package let count: Int
    private let bytes: Pages

    /// - Parameter writable: whether the mapped bytes may be changed. The file is not changed: a page that is written to is copied.
    package convenience init(_ path: String, writable: Bool = false) throws(FileError) {
        let descriptor = try Self.open(path)
        defer { close(descriptor) }
        try self.init(path, descriptor, writable: writable)
    }

    /// Lets the system read only the pages that are accessed, instead of those around them, too.
    package func expectRandomAccess() { bytes.advise(0..<count, MADV_RANDOM) }

    /// Starts to read the pages of a byte range from the disk, without waiting for them.
    package func prefetch(_ range: Range<Int>) { bytes.advise(range, MADV_WILLNEED) }

    /// Maps the same file twice, writable and read-only, even if another file takes its place meanwhile. Each mapping has pages of its own
    /// to release.
    package static func twice(_ path: String) throws(FileError) -> (writable: MappedFile, readOnly: MappedFile) {
        let descriptor = try open(path)
        defer { close(descriptor) }
        return (try MappedFile(path, descriptor, writable: true), try MappedFile(path, descriptor, writable: false))
    }

    private static func open(_ path: String) throws(FileError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)      // does not wait for the writer of a pipe
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        return descriptor
    }

    private init(_ path: String, _ descriptor: Int32, writable: Bool) throws(FileError) {
        var status = stat()
        _ = fstat(descriptor, &status)
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, reason: "it is not a regular file") }
        self.path = path
        count = Int(status.st_size)
        bytes = try Pages(descriptor, count: count, writable: writable, path: path)
    }

    /// The address of the first byte, valid as long as this object lives: `Kernels` has buffers in mapped files. nil if the file is empty.
    package var baseAddress: UnsafeMutableRawPointer? { bytes.start }

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

    init(_ descriptor: Int32, count: Int, writable: Bool, path: String) throws(FileError) {
        self.count = count
        if count == 0 {
            start = nil
            return
        }
        let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
        guard let start = mmap(nil, count, protection, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw .unreadable(path: path, reason: systemErrorMessage())
        }
        self.start = start
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

    deinit { if let start { munmap(start, count) } }
}

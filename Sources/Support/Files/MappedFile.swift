import Glibc

/// A file that is read where the system keeps it: any place at once, and memory only for what is looked at. It must not be shortened
/// meanwhile.
///
///     let file = try MappedFile("data/train.bin")
///     file.read(as: UInt16.self) { ids in ids[1_000_000] }
package final class MappedFile: Sendable {
    package let path: String
    package let count: Int
    private let bytes: Pages

    /// - Parameter writable: Whether what is in memory may be changed. The file never is: a page that is written to becomes a copy of its
    /// own.
    package init(_ path: String, writable: Bool = false) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)      // nobody waits for the writer of a pipe
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        defer { close(descriptor) }
        var status = stat()
        _ = fstat(descriptor, &status)
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, reason: "it is not a file") }
        self.path = path
        count = Int(status.st_size)
        bytes = try Pages(descriptor, count: count, writable: writable, path: path)
    }

    /// Where it begins in memory, for as long as this object lives: for `Kernels`, whose buffers may lie in a file. nil if it is empty.
    package var start: UnsafeMutableRawPointer? { bytes.start }

    /// Gives back the memory of pages that were read, and that nobody has written to: they come again from the file when they are looked
    /// at.
    package func forget(_ range: Range<Int>) { bytes.forget(range) }

    /// Lends the file as little-endian numbers, which is what every machine that slm runs on reads. A remainder is left out.
    package func read<Number: FixedWidthInteger & BitwiseCopyable, Result, Failure: Error>(
        as type: Number.Type, _ body: (Span<Number>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: bytes.start, count: count / MemoryLayout<Number>.size * MemoryLayout<Number>.size)
            .assumingMemoryBound(to: Number.self).span)
    }
}

/// Pages that nobody writes to, or whoever has them alone, so that any thread may read them.
private struct Pages: ~Copyable, @unchecked Sendable {
    let start: UnsafeMutableRawPointer?
    private let count: Int

    init(_ descriptor: Int32, count: Int, writable: Bool, path: String) throws(FileError) {
        self.count = count
        if count == 0 { start = nil; return }
        guard let start = mmap(nil, count, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED
        else {
            throw .unreadable(path: path, reason: systemErrorMessage())
        }
        self.start = start
    }

    func forget(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "bytes \(range) of \(count)")
        let page = sysconf(Int32(_SC_PAGESIZE)), first = (range.lowerBound + page - 1) / page * page
        // A refusal only costs memory. The last page is whole, whatever the file's length.
        let end = range.upperBound == count ? range.upperBound : range.upperBound / page * page
        if let start, first < end { madvise(start + first, end - first, MADV_DONTNEED) }
    }

    deinit { if let start { munmap(start, count) } }
}

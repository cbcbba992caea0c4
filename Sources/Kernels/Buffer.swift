package import Files
import Glibc

/// A contiguous array of elements of one type, in an arena or in a mapped file. Copies share the elements.
///
///     let x = processor.buffer(of: 1_024, .float32)
///     x.write { for i in $0.indices { $0[i] = 0.5 } }
package struct Buffer {
    package let type: DataType
    package let count: Int
    private var storage: Storage
    private let offset: Int        // in elements, from the beginning of the storage

    init(_ storage: Storage, offset: Int = 0, count: Int, type: DataType) {
        require(offset >= 0 && count >= 0 && (offset + count) * type.size <= storage.count,
                "buffer of \(count) \(type.rawValue) at \(offset) exceeds its storage of \(storage.count) bytes")
        self.storage = storage
        self.offset = offset
        self.count = count
        self.type = type
    }

    /// Little-endian elements of a mapped file, from a byte offset on. Writable only if the file was mapped writable.
    package init(in file: MappedFile, at byte: Int, count: Int, _ type: DataType) {
        require(byte >= 0 && byte % type.size == 0, "\(file.path): misaligned \(type.rawValue) at byte \(byte)")
        guard let storage = Storage(file) else { fatalError("\(file.path): cannot map an empty file") }
        self.init(storage, offset: byte / type.size, count: count, type: type)
    }

    /// Zeros outside of any arena, for a few numbers that are read before there is a processor.
    package init(zeros count: Int) {
        self.init(Storage(heapBytes: 4 * count), count: count, type: .float32)
        floats.initialize(repeating: 0, count: count)
    }

    /// A buffer that shares elements `range` of this one.
    package subscript(range: Range<Int>) -> Buffer {
        require(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) exceed a buffer of \(count)")
        return Buffer(storage, offset: offset + range.lowerBound, count: range.count, type: type)
    }

    /// Whether no other buffer shares this memory, so that writing to it affects no other buffer.
    package mutating func isUnshared() -> Bool { isKnownUniquelyReferenced(&storage) }

    /// Calls `body` with the elements of an f32 buffer.
    package func read<Result, Failure: Error>(_ body: (Span<Float>) throws(Failure) -> Result) throws(Failure) -> Result {
        require(type == .float32, "expected f32, found \(type.rawValue)")
        let copy = readable
        return try body(UnsafeBufferPointer(start: copy.readPointer.assumingMemoryBound(to: Float.self), count: count).span)
    }

    package func write(_ body: (inout MutableSpan<Float>) -> Void) {
        var span = UnsafeMutableBufferPointer(start: floats, count: count).mutableSpan
        body(&span)
    }

    /// Copies the elements of another buffer.
    package func copy(from other: Buffer) {
        require(type == other.type && count == other.count, "copy: \(other.count) \(other.type.rawValue) into \(count) \(type.rawValue)")
        if let gpu = storage.gpu {
            require(
                storage !== other.storage || offset + count <= other.offset || other.offset + count <= offset,
                "copy: the ranges of one buffer overlap, which a device copies in any order")
            if gpu.move(other, into: self) { return }
        }
        memmove(pointer, other.readPointer, count * type.size)
    }

    /// Copies elements. Of a mapped file, it reads them without mapping the pages around them.
    func copyBytes(ofElements range: Range<Int>, into bytes: UnsafeMutableRawPointer) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
        let target = UnsafeMutableRawBufferPointer(start: bytes, count: range.count * type.size)
        storage.copy((offset + range.lowerBound) * type.size, into: target)
    }

    /// Returns the memory of the part of a mapped file that holds this buffer, if any, to the system, with the pages around it: the
    /// system loads up to 2 MB around a page that is read. Pages are read again on the next access. The file must not have been written to.
    package func releaseFilePages() { storage.releaseFilePages(offset * type.size..<(offset + count) * type.size) }

    /// Returns the memory of elements that are no longer needed to the system. Their values are undefined afterwards.
    package func discard() { storage.discard(offset * type.size..<(offset + count) * type.size) }

    /// Makes the system allocate memory in small pages: for a buffer of which only parts are ever accessed.
    package func disableHugePages() { storage.disableHugePages(offset * type.size..<(offset + count) * type.size) }

    /// Whether the elements lie in a mapped file.
    package var isInFile: Bool { storage.isFile }

    /// Whether both buffers are the same memory.
    package func isSame(as other: Buffer) -> Bool {
        storage.base + offset * type.size == other.storage.base + other.offset * other.type.size && count == other.count
            && type == other.type
    }

    /// A buffer of `count` elements that begins `before` elements before this one; nil if its storage is too small.
    package func extended(by before: Int, to count: Int) -> Buffer? {
        guard before >= 0, before <= offset, count >= 0, count <= storage.count / type.size - (offset - before) else { return nil }
        return Buffer(storage, offset: offset - before, count: count, type: type)
    }

    package func readBytes<Result, Failure: Error>(_ body: (Span<UInt8>) throws(Failure) -> Result) throws(Failure) -> Result {
        require(type == .byte, "expected u8, found \(type.rawValue)")
        return try body(UnsafeBufferPointer(start: readPointer.assumingMemoryBound(to: UInt8.self), count: count).span)
    }

    package func readIDs<Result>(_ body: (Span<Int32>) -> Result) -> Result {
        require(type == .int32, "expected i32, found \(type.rawValue)")
        let copy = readable
        return body(UnsafeBufferPointer(start: copy.readPointer.assumingMemoryBound(to: Int32.self), count: count).span)
    }

    package func writeIDs(_ body: (inout MutableSpan<Int32>) -> Void) {
        var span = UnsafeMutableBufferPointer(start: ids, count: count).mutableSpan
        body(&span)
    }

    /// The bytes of the elements, for messages to other processes. They are valid as long as the buffer.
    package var memory: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: pointer, count: count * type.size) }

    var pointer: UnsafeMutableRawPointer { storage.pointer + offset * type.size }

    /// The elements to read only.
    private var readPointer: UnsafeRawPointer { storage.readPointer + offset * type.size }

    var floats: UnsafeMutablePointer<Float> {
        require(type == .float32, "expected f32, found \(type.rawValue)")
        return pointer.assumingMemoryBound(to: Float.self)
    }

    var bytes: UnsafeMutablePointer<UInt8> {
        require(type == .byte, "expected u8, found \(type.rawValue)")
        return pointer.assumingMemoryBound(to: UInt8.self)
    }

    var ids: UnsafeMutablePointer<Int32> {
        require(type == .int32, "expected i32, found \(type.rawValue)")
        return pointer.assumingMemoryBound(to: Int32.self)
    }

    // MARK: Devices

    /// Whether the elements are in the memory of a device.
    func isOn(_ gpu: GPU) -> Bool { storage.gpu === gpu }

    /// Where shaders find the elements.
    var deviceAddress: UInt64 { storage.address + UInt64(offset * type.size) }

    /// Notes that a submission uses the elements.
    func wasUsed(by submission: UInt64, writing: Bool) { storage.wasUsed(by: submission, writing: writing) }

    /// The same elements where the CPU reads them fast.
    private var readable: Buffer {
        // A copy of more would not fit: then the CPU reads slowly.
        guard let staging = storage.staging, let gpu = storage.gpu, count > 0, count * type.size <= 1 << 30 else { return self }
        let copy = Buffer(staging.allocate(bytes: count * type.size), count: count, type: type)
        return gpu.move(self, into: copy) ? copy : self
    }
}

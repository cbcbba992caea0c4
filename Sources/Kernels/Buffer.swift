package import Files
import Glibc

/// Elements of one type in a row, somewhere in an arena or in a file. Copies share the elements.
///
///     let x = processor.buffer(of: 1_024, .float32)
///     x.write { for i in $0.indices { $0[i] = 0.5 } }
package struct Buffer {
    package let type: DataType
    package let count: Int
    private var storage: Storage
    private let offset: Int        // elements from the beginning of the storage

    init(_ storage: Storage, offset: Int = 0, count: Int, type: DataType) {
        require(offset >= 0 && count >= 0 && (offset + count) * type.size <= storage.count,
                "a buffer of \(count) \(type.rawValue) from \(offset) leaves its storage of \(storage.count) bytes")
        self.storage = storage
        self.offset = offset
        self.count = count
        self.type = type
    }

    /// Little-endian elements as they stand in a file, from a byte on. To be written to, the file must have been mapped so.
    package init(in file: MappedFile, at byte: Int, count: Int, _ type: DataType) {
        require(byte >= 0 && byte % type.size == 0, "a \(type.rawValue) at byte \(byte)")
        guard let storage = Storage(file) else { fatalError("a buffer in \(file.path), which is empty") }
        self.init(storage, offset: byte / type.size, count: count, type: type)
    }

    /// Elements `range` of this buffer, shared with it.
    package subscript(range: Range<Int>) -> Buffer {
        require(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of a buffer of \(count)")
        return Buffer(storage, offset: offset + range.lowerBound, count: range.count, type: type)
    }

    /// Whether no other buffer shares this memory, so that it may be written to unseen.
    package mutating func isUnshared() -> Bool { isKnownUniquelyReferenced(&storage) }

    /// Lends the elements of an f32 buffer for as long as `body` runs.
    package func read<Result, Failure: Error>(_ body: (Span<Float>) throws(Failure) -> Result) throws(Failure) -> Result {
        try body(UnsafeBufferPointer(start: floats, count: count).span)
    }

    package func write(_ body: (inout MutableSpan<Float>) -> Void) {
        var span = UnsafeMutableBufferPointer(start: floats, count: count).mutableSpan
        body(&span)
    }

    /// Takes the elements of another buffer.
    package func copy(from other: Buffer) {
        require(type == other.type && count == other.count, "\(other.count) \(other.type.rawValue) into \(count) \(type.rawValue)")
        memmove(pointer, other.pointer, count * type.size)
    }

    /// Gives back all memory of the file that it lies in, if it does and nobody has written to it: pages come in larger pieces than anybody
    /// asked for, and they come
    /// again when they are looked at.
    package func releaseFilePages() { storage.releaseFilePages() }

    /// Gives back the memory of elements that nobody needs any more: what they are then is not said.
    package func discard() { storage.discard(offset * type.size..<(offset + count) * type.size) }

    /// Asks that only those pages of it take memory that are looked at: for a buffer most of which never is.
    package func disableHugePages() { storage.disableHugePages(offset * type.size..<(offset + count) * type.size) }

    /// Whether both are the same place in memory.
    package func isSame(as other: Buffer) -> Bool { pointer == other.pointer && count == other.count && type == other.type }

    /// A buffer of `count` elements that begins `before` elements before this one; nil where its memory does not reach that far.
    package func extended(by before: Int, to count: Int) -> Buffer? {
        guard before >= 0, before <= offset, count >= 0, count <= storage.count / type.size - (offset - before) else { return nil }
        return Buffer(storage, offset: offset - before, count: count, type: type)
    }

    package func readBytes<Result, Failure: Error>(_ body: (Span<UInt8>) throws(Failure) -> Result) throws(Failure) -> Result {
        try body(UnsafeBufferPointer(start: bytes, count: count).span)
    }

    package func readIDs<Result>(_ body: (Span<Int32>) -> Result) -> Result {
        body(UnsafeBufferPointer(start: ids, count: count).span)
    }

    package func writeIDs(_ body: (inout MutableSpan<Int32>) -> Void) {
        var span = UnsafeMutableBufferPointer(start: ids, count: count).mutableSpan
        body(&span)
    }

    var pointer: UnsafeMutableRawPointer { storage.pointer + offset * type.size }

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
}

import Files
import Platform

/// The allocator of all buffers: one range of addresses that grows upwards.
///
/// Training steps allocate the same sizes in the same order, so every step but the first reuses the memory that the step before it
/// released, and no memory is requested from the system.
///
///     let arena = try Arena()
///     let storage = arena.allocate(bytes: 4_096)      // returned to the arena when `storage` is released
package final class Arena {
    /// Bytes that the arena has obtained from the system.
    package private(set) var capacity = 0
    /// Bytes in use.
    package private(set) var used = 0
    /// How often the arena had to obtain more memory.
    package private(set) var growths = 0

    /// Bytes of addresses, with memory or not.
    package let reserved: Int

    private let base: UnsafeMutableRawPointer
    /// Free ranges below `capacity`, by address; neighbors are always merged.
    private var free: [(start: Int, count: Int)] = []

    private static let alignment = 64
    /// The arena grows by multiples of this: few system calls, and whole huge pages.
    private static let step = 4 << 20

    private var usesHugePages = true

    /// Reserves addresses, not memory: four times the memory that the process may use, but at least 256 GB, because each KV cache takes
    /// addresses for a whole context; less if that is not allowed.
    package init() throws(ProcessorError) {
        var size = max(4 * CPU.memoryBytes, 256 << 30) / Self.step * Self.step
        var address = AddressSpace.reserve(size)
        while address == nil, size > 256 << 20 {
            size /= 2
            address = AddressSpace.reserve(size)
        }
        guard let address else { throw .noAddresses(megabytes: size >> 20) }
        base = address
        reserved = size
    }

    deinit { AddressSpace.release(base, reserved) }

    /// Allocates uninitialized memory, 64-byte aligned.
    package func allocate(bytes: Int) -> Storage {
        let count = max(Self.alignment, (bytes + Self.alignment - 1) / Self.alignment * Self.alignment)
        let start = takeBestFit(count) ?? grow(for: count)
        used += count
        return Storage(self, start: start, count: count, pointer: base + start)
    }

    /// Uses small pages for memory that was not touched yet: more page-table walks, but no unused rest of a huge page.
    func useSmallPages() {
        usesHugePages = false
        AddressSpace.disableHugePages(base, capacity)
    }

    /// Returns the memory of free ranges to the system, after work that will not be repeated. Using them again takes new memory.
    package func trim() {
        for range in free { AddressSpace.discard(base + range.start, range.count) }
    }

    private func takeBestFit(_ count: Int) -> Int? {
        var best: Int?
        for (i, piece) in free.enumerated() where piece.count >= count {
            if best.map({ piece.count < free[$0].count }) ?? true { best = i }
        }
        guard let best else { return nil }
        let start = free[best].start
        if free[best].count == count { free.remove(at: best) } else { free[best] = (start + count, free[best].count - count) }
        return start
    }

    private func grow(for count: Int) -> Int {
        let last = free.last.flatMap { $0.start + $0.count == capacity ? $0 : nil }
        let missing = count - (last?.count ?? 0)
        let more = (missing + Self.step - 1) / Self.step * Self.step
        guard capacity + more <= reserved, AddressSpace.commit(base + capacity, more, inHugePages: usesHugePages) else {
            fatalError("out of memory: cannot allocate \(count >> 20) MB, \(used >> 20) MB are in use")
        }
        growths += 1
        addFreeRange(start: capacity, count: more)
        capacity += more
        guard let start = takeBestFit(count) else { fatalError("the arena did not grow enough") }
        return start
    }

    fileprivate func deallocate(start: Int, count: Int) {
        used -= count
        addFreeRange(start: start, count: count)
    }

    private func addFreeRange(start: Int, count: Int) {
        var start = start, count = count
        var i = free.firstIndex { $0.start > start } ?? free.count
        if i < free.count, start + count == free[i].start { count += free.remove(at: i).count }
        if i > 0, free[i - 1].start + free[i - 1].count == start {
            i -= 1
            start = free[i].start
            count = free[i].count + count
            free.remove(at: i)
        }
        free.insert((start, count), at: i)
    }
}

/// Memory of an arena, or a mapped file, that is released with the last reference to this object.
package final class Storage {
    private enum Owner { case arena(Arena, start: Int), file(MappedFile), heap }

    private let owner: Owner
    let count: Int
    /// Valid as long as this object exists; only Kernels uses it.
    let pointer: UnsafeMutableRawPointer

    fileprivate init(_ arena: Arena, start: Int, count: Int, pointer: UnsafeMutableRawPointer) {
        owner = .arena(arena, start: start)
        self.count = count
        self.pointer = pointer
    }

    /// Memory outside of any arena, for a few numbers that are read before there is a processor.
    init(heapBytes count: Int) {
        owner = .heap
        self.count = count
        pointer = .allocate(byteCount: max(1, count), alignment: 64)
    }

    /// nil if the file is empty.
    init?(_ file: MappedFile) {
        guard let pointer = file.baseAddress else { return nil }
        owner = .file(file)
        count = file.count
        self.pointer = pointer
    }

    var isFile: Bool { if case .file = owner { true } else { false } }

    func disableHugePages(_ bytes: Range<Int>) {
        guard case .arena = owner else { return }
        AddressSpace.disableHugePages(pointer + bytes.lowerBound, bytes.count)
    }

    func discard(_ bytes: Range<Int>) {
        guard case .arena = owner else { return }
        AddressSpace.discard(pointer + bytes.lowerBound, bytes.count)
    }

    func copy(_ offset: Int, into bytes: UnsafeMutableRawBufferPointer) {
        if case .file(let file) = owner { return file.copy(offset, into: bytes) }
        bytes.copyMemory(from: UnsafeRawBufferPointer(start: pointer + offset, count: bytes.count))
    }

    func releaseFilePages(_ bytes: Range<Int>) {
        if case .file(let file) = owner { file.releasePages(max(0, bytes.lowerBound - 2 << 20)..<min(count, bytes.upperBound + 2 << 20)) }
    }

    deinit {
        switch owner {
        case .arena(let arena, let start): arena.deallocate(start: start, count: count)
        case .file: break
        case .heap: pointer.deallocate()
        }
    }
}

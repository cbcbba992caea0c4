import Files
import Platform

/// The allocator of all buffers: one range of addresses that grows upwards.
///
/// Training steps allocate the same sizes in the same order, so every step but the first reuses the memory that the step before it
/// released, and no memory is requested from the system.
///
///     let arena = Arena(try CPUMemory())
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

    private let memory: any ArenaMemory
    /// The device whose memory this is; nil for the CPU's.
    let gpu: GPU?
    /// Where buffers are copied to before the CPU reads them, if it reads this arena's memory slowly.
    let staging: Arena?
    /// Whether memory is used again only after the device is done with it, so that the CPU never waits before it writes to a new buffer.
    private let delaysReuse: Bool
    /// Ranges that the device may still use.
    private var delayed: [(submission: UInt64, start: Int, count: Int)] = []
    /// Free ranges below `capacity`, by address; neighbors are always merged.
    private var free: [(start: Int, count: Int)] = []

    static let alignment = 64

    init(_ memory: any ArenaMemory, on gpu: GPU? = nil, staging: Arena? = nil, delaysReuse: Bool = false) {
        self.memory = memory
        self.gpu = gpu
        self.staging = staging
        self.delaysReuse = delaysReuse
        reserved = memory.reserved
    }

    /// Allocates uninitialized memory, 64-byte aligned.
    package func allocate(bytes: Int) -> Storage {
        let count = max(Self.alignment, (bytes + Self.alignment - 1) / Self.alignment * Self.alignment)
        if !delayed.isEmpty { reuseDelayed() }
        let start = takeBestFit(count) ?? grow(for: count)
        used += count
        // Work that still uses what was here before comes first.
        let lastUse = delaysReuse ? 0 : gpu?.currentSubmission ?? 0
        return Storage(self, start: start, count: count, memory.location(of: start), lastUse: lastUse)
    }

    /// Uses small pages for memory that was not touched yet: more page-table walks, but no unused rest of a huge page.
    func useSmallPages() { memory.useSmallPages(below: capacity) }

    /// Returns the memory of free ranges to the system, after work that will not be repeated. Using them again takes new memory.
    package func trim() {
        for range in free { memory.discard(range.start..<range.start + range.count) }
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
        let last = memory.isContiguous ? free.last.flatMap { $0.start + $0.count == capacity ? $0 : nil } : nil
        guard let added = memory.grow(atLeast: count - (last?.count ?? 0), from: capacity) else {
            let hint = gpu == nil ? "" : " on \(gpu?.device.name ?? ""). Use a smaller batch or context, or recompute activations"
            fatalError("out of memory: cannot allocate \(count >> 20) MB, \(used >> 20) MB are in use\(hint)")
        }
        growths += 1
        addFreeRange(start: added.lowerBound, count: added.count)
        capacity = added.upperBound
        guard let start = takeBestFit(count) else { fatalError("the arena did not grow enough") }
        return start
    }

    fileprivate func deallocate(start: Int, count: Int, lastUse: UInt64) {
        used -= count
        if delaysReuse, let gpu, !gpu.isDone(lastUse) { return delayed.append((lastUse, start, count)) }
        addFreeRange(start: start, count: count)
    }

    private func reuseDelayed() {
        guard let gpu else { return }
        let reusable = delayed.filter { gpu.isDone($0.submission) }
        if reusable.isEmpty { return }
        delayed.removeAll { gpu.isDone($0.submission) }
        for range in reusable { addFreeRange(start: range.start, count: range.count) }
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

/// Where the bytes at a position of an arena are.
struct ArenaLocation {
    let pointer: UnsafeMutableRawPointer
    /// For shaders; 0 in the CPU's memory.
    var address: UInt64 = 0
}

/// Where an arena gets its memory. Positions are bytes from the beginning.
protocol ArenaMemory: AnyObject {
    /// The most bytes there can be.
    var reserved: Int { get }
    /// Whether memory that is added later continues what was there. If not, ranges of different blocks never touch.
    var isContiguous: Bool { get }
    /// Gets at least so many bytes beyond `capacity`, and returns where they are; nil if there are none.
    func grow(atLeast count: Int, from capacity: Int) -> Range<Int>?
    func location(of start: Int) -> ArenaLocation
    /// Returns the memory of a range to the system, until it is used again.
    func discard(_ range: Range<Int>)
    func useSmallPages(below capacity: Int)
}

extension ArenaMemory {
    func discard(_ range: Range<Int>) {}
    func useSmallPages(below capacity: Int) {}
}

/// Memory of the CPU: one range of addresses.
final class CPUMemory: ArenaMemory {
    let isContiguous = true
    let reserved: Int
    private let base: UnsafeMutableRawPointer
    private var usesHugePages = true
    /// The arena grows by multiples of this: few system calls, and whole huge pages.
    private static let step = 4 << 20

    /// Reserves addresses, not memory: four times the memory that the process may use, but at least 256 GB, because each KV cache takes
    /// addresses for a whole context; less if that is not allowed.
    init() throws(ProcessorError) {
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

    func grow(atLeast count: Int, from capacity: Int) -> Range<Int>? {
        let more = (count + Self.step - 1) / Self.step * Self.step
        guard capacity + more <= reserved, AddressSpace.commit(base + capacity, more, inHugePages: usesHugePages) else { return nil }
        return capacity..<capacity + more
    }

    func location(of start: Int) -> ArenaLocation { ArenaLocation(pointer: base + start) }

    func discard(_ range: Range<Int>) { AddressSpace.discard(base + range.lowerBound, range.count) }

    func useSmallPages(below capacity: Int) {
        usesHugePages = false
        AddressSpace.disableHugePages(base, capacity)
    }
}

/// Memory of an arena, or a mapped file, that is released with the last reference to this object.
package final class Storage {
    private enum Owner { case arena(Arena, start: Int), file(MappedFile), heap }

    private let owner: Owner
    let count: Int
    /// Where the memory is. It is only accessed through ``pointer`` and ``readPointer``.
    let base: UnsafeMutableRawPointer
    /// For shaders; 0 in the CPU's memory.
    let address: UInt64
    /// The device whose memory this is; nil for the CPU's.
    let gpu: GPU?
    /// The submissions that last used and last wrote this memory.
    private var lastUse: UInt64 = 0, lastWrite: UInt64 = 0

    fileprivate init(_ arena: Arena, start: Int, count: Int, _ location: ArenaLocation, lastUse: UInt64) {
        owner = .arena(arena, start: start)
        self.count = count
        base = location.pointer
        address = location.address
        gpu = arena.gpu
        self.lastUse = lastUse
    }

    /// Valid as long as this object exists; only Kernels uses it. On a device, waits for the work that uses this memory.
    var pointer: UnsafeMutableRawPointer {
        gpu?.wait(for: lastUse)
        return base
    }

    /// The same to read only: waits for the work that writes this memory.
    var readPointer: UnsafeRawPointer {
        gpu?.wait(for: lastWrite)
        return UnsafeRawPointer(base)
    }

    func wasUsed(by submission: UInt64, writing: Bool) {
        lastUse = submission
        if writing { lastWrite = submission }
    }

    /// Memory outside of any arena, for a few numbers that are read before there is a processor.
    init(heapBytes count: Int) {
        owner = .heap
        self.count = count
        base = .allocate(byteCount: max(1, count), alignment: 64)
        address = 0
        gpu = nil
    }

    /// nil if the file is empty.
    init?(_ file: MappedFile) {
        guard let pointer = file.baseAddress else { return nil }
        owner = .file(file)
        count = file.count
        base = pointer
        address = 0
        gpu = nil
    }

    /// Where to copy this memory before the CPU reads it; nil if it can read it fast.
    var staging: Arena? { if case .arena(let arena, _) = owner { arena.staging } else { nil } }

    var isFile: Bool { if case .file = owner { true } else { false } }

    func disableHugePages(_ bytes: Range<Int>) {
        guard case .arena = owner, gpu == nil else { return }
        AddressSpace.disableHugePages(pointer + bytes.lowerBound, bytes.count)
    }

    func discard(_ bytes: Range<Int>) {
        guard case .arena = owner, gpu == nil else { return }
        AddressSpace.discard(pointer + bytes.lowerBound, bytes.count)
    }

    func copy(_ offset: Int, into bytes: UnsafeMutableRawBufferPointer) {
        if case .file(let file) = owner { return file.copy(offset, into: bytes) }
        bytes.copyMemory(from: UnsafeRawBufferPointer(start: readPointer + offset, count: bytes.count))
    }

    func releaseFilePages(_ bytes: Range<Int>) {
        if case .file(let file) = owner { file.releasePages(max(0, bytes.lowerBound - 2 << 20)..<min(count, bytes.upperBound + 2 << 20)) }
    }

    deinit {
        switch owner {
        case .arena(let arena, let start): arena.deallocate(start: start, count: count, lastUse: lastUse)
        case .file: break
        case .heap: base.deallocate()
        }
    }
}

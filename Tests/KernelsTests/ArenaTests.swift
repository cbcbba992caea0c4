import Kernels
import Testing

@Suite struct ArenaTests {
    private func address(_ buffer: Buffer) -> Int {
        buffer.read { span in span.withUnsafeBufferPointer { Int(bitPattern: $0.baseAddress) } }
    }

    @Test func `allocations are aligned and do not overlap`() throws {
        let p = try Processor(threads: 1)
        let buffers = [0, 1, 3, 16, 17, 1_000, 5_000_000].map { p.buffer(of: $0, .float32) }
        let ranges = buffers.map { (start: address($0), end: address($0) + 4 * $0.count) }.sorted { $0.start < $1.start }
        #expect(ranges.allSatisfy { $0.start % 64 == 0 })
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.end <= $1.start })
    }

    @Test func `released memory is allocated again`() throws {
        let p = try Processor(threads: 1)
        let first = address(p.buffer(of: 1_000, .float32))
        #expect(address(p.buffer(of: 1_000, .float32)) == first)
        #expect(p.arena.used == 0 && p.arena.growths == 1)
    }

    @Test func `trimming keeps what is in use, and the rest can be used again`() throws {
        let p = try Processor(threads: 1)
        let kept = p.buffer(of: 100_000, .float32)
        var released: Buffer? = p.buffer(of: 3_000_000, .float32)
        kept.write { span in for i in span.indices { span[i] = Float(i) } }
        released?.write { span in for i in span.indices { span[i] = 1 } }
        released = nil
        p.trim()
        #expect(kept.read { span in span.indices.allSatisfy { span[$0] == Float($0) } })
        let again = p.buffer(of: 3_000_000, .float32)
        again.write { span in for i in span.indices { span[i] = 2 } }
        #expect(again.read { span in span.indices.allSatisfy { span[$0] == 2 } } && p.arena.used >= 12_400_000)
    }

    @Test(arguments: [[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1]])
    func `neighboring free ranges are merged in any order of release`(order: [Int]) throws {
        let p = try Processor(threads: 1)
        var buffers: [Buffer?] = (0..<3).map { _ in p.buffer(of: 1_024, .float32) }
        let separator = p.buffer(of: 16, .float32)            // not merged with the rest of the arena
        let start = buffers.compactMap { $0.map(address) }.min()
        for i in order { buffers[i] = nil }
        #expect(p.arena.used == 64)
        let whole = p.buffer(of: 3 * 1_024, .float32)
        #expect(address(whole) == start)
        #expect(separator.count == 16 && p.arena.growths == 1)
    }

    @Test func `an allocation uses the smallest free range that fits`() throws {
        let p = try Processor(threads: 1)
        var large: Buffer? = p.buffer(of: 4_096, .float32)
        let a = p.buffer(of: 16, .float32)
        var small: Buffer? = p.buffer(of: 1_024, .float32)
        let b = p.buffer(of: 16, .float32), start = small.map(address)
        large = nil
        small = nil
        #expect(address(p.buffer(of: 1_000, .float32)) == start)
        #expect(large == nil && small == nil && a.count + b.count == 32)
    }

    @Test func `repeating the same allocations does not grow the arena`() throws {
        let p = try Processor(threads: 1)
        func step() { _ = (0..<50).map { p.buffer(of: 1_000 * ($0 % 7) + 100_000, .float32) } }
        step()
        let growths = p.arena.growths
        let capacity = p.arena.capacity
        for _ in 0..<20 { step() }
        #expect(p.arena.growths == growths && p.arena.capacity == capacity && p.arena.used == 0)
        #expect(capacity >= 50 * 400_000)
    }

    @Test func `a slice of a buffer keeps the whole buffer alive`() throws {
        let p = try Processor(threads: 1)
        var slice = p.buffer([1, 2, 3, 4])[1..<3]
        _ = p.buffer([9, 9, 9, 9])
        #expect(p.floats(slice) == [2, 3])
        let isUnshared = slice.isUnshared(), other = slice
        let isStillUnshared = slice.isUnshared()
        #expect(isUnshared && !isStillUnshared && other.count == 2)
    }
}

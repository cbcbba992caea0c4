import Kernels
import Testing

@Suite struct `The arena` {
    private func address(_ buffer: Buffer) -> Int {
        buffer.read { span in span.withUnsafeBufferPointer { Int(bitPattern: $0.baseAddress) } }
    }

    @Test func `gives out aligned pieces that do not overlap`() throws {
        let p = try Processor(threads: 1)
        let pieces = [0, 1, 3, 16, 17, 1_000, 5_000_000].map { p.buffer(of: $0, .float32) }
        let places = pieces.map { (start: address($0), end: address($0) + 4 * $0.count) }.sorted { $0.start < $1.start }
        #expect(places.allSatisfy { $0.start % 64 == 0 })
        #expect(zip(places, places.dropFirst()).allSatisfy { $0.end <= $1.start })
    }

    @Test func `gives the same piece again`() throws {
        let p = try Processor(threads: 1)
        let first = address(p.buffer(of: 1_000, .float32))
        #expect(address(p.buffer(of: 1_000, .float32)) == first)
        #expect(p.arena.used == 0 && p.arena.growths == 1)
    }

    @Test(arguments: [[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1]])
    func `merges neighbours in whatever order they come back`(order: [Int]) throws {
        let p = try Processor(threads: 1)
        var pieces: [Buffer?] = (0..<3).map { _ in p.buffer(of: 1_024, .float32) }
        let guardian = p.buffer(of: 16, .float32)            // keeps them from merging with the rest
        let start = pieces.compactMap { $0.map(address) }.min()
        for i in order { pieces[i] = nil }
        #expect(p.arena.used == 64)
        let whole = p.buffer(of: 3 * 1_024, .float32)
        #expect(address(whole) == start)
        #expect(guardian.count == 16 && p.arena.growths == 1)
    }

    @Test func `takes the smallest piece that fits`() throws {
        let p = try Processor(threads: 1)
        var large: Buffer? = p.buffer(of: 4_096, .float32)
        let a = p.buffer(of: 16, .float32)
        var small: Buffer? = p.buffer(of: 1_024, .float32)
        let b = p.buffer(of: 16, .float32), place = small.map(address)
        large = nil
        small = nil
        #expect(address(p.buffer(of: 1_000, .float32)) == place)
        #expect(large == nil && small == nil && a.count + b.count == 32)
    }

    @Test func `does not grow when the same is asked for again`() throws {
        let p = try Processor(threads: 1)
        func step() { _ = (0..<50).map { p.buffer(of: 1_000 * ($0 % 7) + 100_000, .float32) } }
        step()
        let growths = p.arena.growths
        let capacity = p.arena.capacity
        for _ in 0..<20 { step() }
        #expect(p.arena.growths == growths && p.arena.capacity == capacity && p.arena.used == 0)
        #expect(capacity >= 50 * 400_000)
    }

    @Test func `a part of a buffer keeps the whole alive`() throws {
        let p = try Processor(threads: 1)
        var part = p.buffer([1, 2, 3, 4])[1..<3]
        _ = p.buffer([9, 9, 9, 9])
        #expect(p.floats(part) == [2, 3])
        let isAlone = part.isUnshared(), other = part
        let isStillAlone = part.isUnshared()
        #expect(isAlone && !isStillAlone && other.count == 2)
    }
}

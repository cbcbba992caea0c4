internal import CKernels

private let pageBytes = 4_096

/// What a sequence remembers of itself while it is answered: the keys and values of every layer and head.
///
///     let memory = processor.makeKVCache(layers: 6, heads: 8, headWidth: 64, capacity: 384, .int8)
///     processor.recall(qkv, rows: [.init(memory, from: 0, count: 12)], layer: 0, into: y)
package final class KVCache {
    package let layers, heads, headWidth: Int
    /// The most positions that it has capacity for.
    package let capacity: Int
    /// How keys and values are kept.
    package let precision: WeightPrecision
    private let storage: Buffer
    private let keyBytes, valueBytes: Int
    private let table: slm_kernels

    fileprivate init(layers: Int, heads: Int, headWidth: Int, capacity: Int, _ precision: WeightPrecision, on processor: Processor) {
        require(precision != .int4, "keys and values are not kept in int4")
        self.layers = layers
        self.heads = heads
        self.headWidth = headWidth
        self.capacity = capacity
        self.precision = precision
        table = processor.table
        keyBytes = processor.table.recall_key_bytes(precision.code, headWidth, capacity)
        valueBytes = processor.table.recall_value_bytes(precision.code, headWidth, capacity)
        // From the beginning of a page, so that as few as can be are taken.
        let count = layers * heads * (keyBytes + valueBytes) / 4, whole = processor.buffer(of: count + pageBytes / 4, .int32)
        let start = -Int(bitPattern: whole.pointer) & (pageBytes - 1)
        storage = whole[start / 4..<start / 4 + count]
        // What no position has been written to takes no memory: a page is 32 positions of a head in bf16, a large page all of several
        // heads.
        storage.disableHugePages()
    }

    package var byteCount: Int { storage.count * 4 }

    fileprivate func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        storage.pointer + (layer * heads + head) * (keyBytes + valueBytes)
    }
    fileprivate func values(layer: Int, head: Int) -> UnsafeMutableRawPointer { keys(layer: layer, head: head) + keyBytes }

    /// Takes the first `count` positions of what another remembers.
    package func copy(_ count: Int, from other: KVCache) {
        require(
            other.layers == layers && other.heads == heads && other.headWidth == headWidth && other.capacity == capacity
                && other.precision == precision, "memories of different models")
        require(count <= capacity, "\(count) positions of a memory for \(capacity)")
        for layer in 0..<layers {
            for head in 0..<heads {
                table.recall_copy(
                    precision.code, headWidth, capacity, count, other.keys(layer: layer, head: head),
                    other.values(layer: layer, head: head),
                    keys(layer: layer, head: head), values(layer: layer, head: head))
            }
        }
    }

    /// Remembers nothing any more, and takes no memory until it does.
    package func clear() { storage.discard() }

    /// Bytes of memory that `count` positions take.
    package func byteCount(of count: Int) -> Int {
        func pages(_ bytes: Int) -> Int { (bytes * count + capacity * pageBytes - 1) / (capacity * pageBytes) * pageBytes }
        return layers * heads * (pages(keyBytes) + pages(valueBytes))
    }
}

/// Rows of a step that follow each other in one sequence.
package struct CachedRows {
    package let memory: KVCache
    /// The position of the first.
    package let start: Int
    package let count: Int

    package init(_ memory: KVCache, from start: Int, count: Int) {
        require(
            start >= 0 && count >= 0 && start + count <= memory.capacity,
            "positions \(start) to \(start + count) of a memory for \(memory.capacity)")
        self.memory = memory
        self.start = start
        self.count = count
    }
}

extension Processor {
    package func makeKVCache(layers: Int, heads: Int, headWidth: Int, capacity: Int, _ precision: WeightPrecision) -> KVCache {
        KVCache(layers: layers, heads: heads, headWidth: headWidth, capacity: capacity, precision, on: self)
    }

    /// Remembers the keys and values of all rows, and has each row ask what its sequence remembers up to it.   qkv [N, 3·H·D], y [N, H·D],
    /// both f32
    package func cachedAttention(_ qkv: Buffer, rows parts: [CachedRows], layer: Int, into y: Buffer) {
        guard let first = parts.first?.memory else { return }
        let (H, D) = (first.heads, first.headWidth), N = parts.reduce(0) { $0 + $1.count },
            most = parts.reduce(0) { max($0, $1.start + $1.count) }
        require(
            qkv.count == 3 * N * H * D && y.count == N * H * D && layer < first.layers,
            "recall: [\(N), \(H)·\(D)] from \(qkv.count) numbers into \(y.count)")
        var starts: [Int] = [], next = 0
        for part in parts { starts.append(next); next += part.count }
        let scratch = scratch(4 * table.recall_scratch(D, most))
        measured("attention", flops: parts.reduce(0) { $0 + 4 * H * D * $1.count * ($1.start + $1.count) }) {
            // A thread takes a few heads that lie side by side.
            let together = parts.count == 1 ? (H + threads - 1) / threads : parts.count < 4 * threads ? min(H, 4) : H,
                items = (H + together - 1) / together
            parallelFor(parts.count * items) { item, thread in
                let part = parts[item / items], heads = item % items * together..<min(item % items * together + together, H)
                for head in heads {
                    remember(qkv, part, at: starts[item / items], layer, head)
                    ask(qkv, part, at: starts[item / items], layer, head, isLast: head + 1 == heads.upperBound, into: y,
                        scratch[thread].assumingMemoryBound(to: Float.self))
                }
            }
        }
    }

    private func remember(_ qkv: Buffer, _ part: CachedRows, at row: Int, _ layer: Int, _ head: Int) {
        let memory = part.memory, D = memory.headWidth, C = memory.heads * D
        let keys = memory.keys(layer: layer, head: head), values = memory.values(layer: layer, head: head)
        for n in 0..<part.count {
            let from = qkv.floats + (row + n) * 3 * C + head * D
            table.remember(memory.precision.code, D, memory.capacity, part.start + n, from + C, from + 2 * C, keys, values)
        }
    }

    private func ask(_ qkv: Buffer, _ part: CachedRows, at row: Int, _ layer: Int, _ head: Int, isLast: Bool, into y: Buffer,
                     _ scratch: UnsafeMutablePointer<Float>) {
        let memory = part.memory, D = memory.headWidth, C = memory.heads * D
        var p = slm_recall()
        p.D = D
        p.form = memory.precision.code
        p.room = memory.capacity
        p.scale = 1 / Float(D).squareRoot()
        p.keys = UnsafeRawPointer(memory.keys(layer: layer, head: head))
        p.values = UnsafeRawPointer(memory.values(layer: layer, head: head))
        for n in 0..<part.count {
            if n + 1 == part.count, !isLast {
                p.next_keys = UnsafeRawPointer(memory.keys(layer: layer, head: head + 1))
                p.next_values = UnsafeRawPointer(memory.values(layer: layer, head: head + 1))
            }
            p.q = UnsafePointer(qkv.floats + (row + n) * 3 * C + head * D)
            p.y = y.floats + (row + n) * C + head * D
            p.count = part.start + n + 1
            table.recall(&p, scratch)
        }
    }
}

internal import CKernels

private let pageBytes = 4_096

/// The KV cache of one sequence: the keys and values of its tokens, for every layer and head.
///
///     let cache = processor.makeKVCache(layers: 6, heads: 8, headWidth: 64, capacity: 384, .int8)
///     processor.cachedAttention(qkv, rows: [.init(cache, from: 0, count: 12)], layer: 0, into: y)
package final class KVCache {
    package let layers, heads, headWidth: Int
    /// The maximum number of positions.
    package let capacity: Int
    /// How keys and values are stored: f32, bf16 or int8.
    package let precision: WeightPrecision
    private let storage: Buffer
    private let keyBytes, valueBytes: Int
    private let table: slm_kernels

    fileprivate init(layers: Int, heads: Int, headWidth: Int, capacity: Int, _ precision: WeightPrecision, on processor: Processor) {
        require(precision != .int4, "KV cache: expected f32, bf16 or int8, found int4")
        self.layers = layers
        self.heads = heads
        self.headWidth = headWidth
        self.capacity = capacity
        self.precision = precision
        table = processor.table
        keyBytes = table.kv_cache_key_bytes(precision.code, headWidth, capacity)
        valueBytes = table.kv_cache_value_bytes(precision.code, headWidth, capacity)
        // Page-aligned, so that the cache occupies as few pages as possible.
        let count = layers * heads * (keyBytes + valueBytes) / 4
        let whole = processor.buffer(of: count + pageBytes / 4, .int32)
        let start = -Int(bitPattern: whole.pointer) & (pageBytes - 1)
        storage = whole[start / 4..<start / 4 + count]
        // Positions that were never written occupy no memory: a page holds 32 positions of a head in bf16, while a huge page would span
        // several heads.
        storage.disableHugePages()
    }

    fileprivate func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        storage.pointer + (layer * heads + head) * (keyBytes + valueBytes)
    }
    fileprivate func values(layer: Int, head: Int) -> UnsafeMutableRawPointer { keys(layer: layer, head: head) + keyBytes }

    /// Copies the first `count` positions from another cache of the same model.
    package func copy(_ count: Int, from other: KVCache) {
        require(
            other.layers == layers && other.heads == heads && other.headWidth == headWidth && other.capacity == capacity
                && other.precision == precision,
            "KV cache: cannot copy from a cache of another shape")
        require(count <= capacity, "KV cache: expected at most \(capacity) positions, found \(count)")
        for layer in 0..<layers {
            for head in 0..<heads {
                table.kv_cache_copy(
                    precision.code, headWidth, capacity, count, other.keys(layer: layer, head: head),
                    other.values(layer: layer, head: head), keys(layer: layer, head: head), values(layer: layer, head: head))
            }
        }
    }

    /// Drops all positions and returns their memory to the system.
    package func clear() { storage.discard() }

    /// Bytes of memory that `count` cached positions use.
    package func memoryBytes(forPositions count: Int) -> Int {
        func pages(_ bytes: Int) -> Int { (bytes * count + capacity * pageBytes - 1) / (capacity * pageBytes) * pageBytes }
        return layers * heads * (pages(keyBytes) + pages(valueBytes))
    }
}

/// Consecutive rows of a batch that belong to one sequence, and the KV cache of that sequence.
package struct CachedRows {
    package let cache: KVCache
    /// The position of the first row in the sequence.
    package let start: Int
    package let count: Int

    package init(_ cache: KVCache, from start: Int, count: Int) {
        require(
            start >= 0 && count >= 0 && start + count <= cache.capacity,
            "KV cache: positions \(start)..<\(start + count) exceed the capacity \(cache.capacity)")
        self.cache = cache
        self.start = start
        self.count = count
    }
}

extension Processor {
    package func makeKVCache(layers: Int, heads: Int, headWidth: Int, capacity: Int, _ precision: WeightPrecision) -> KVCache {
        KVCache(layers: layers, heads: heads, headWidth: headWidth, capacity: capacity, precision, on: self)
    }

    /// Appends the keys and values of all rows to their KV caches, then computes causal attention of each row over its cache.
    ///
    /// - Parameters:
    ///   - qkv: [N, 3·H·D] in f32.
    ///   - sequences: The N rows, in order.
    ///   - y: [N, H·D] in f32.
    package func cachedAttention(_ qkv: Buffer, rows sequences: [CachedRows], layer: Int, into y: Buffer) {
        guard let first = sequences.first?.cache else { return }
        let H = first.heads
        let D = first.headWidth
        let N = sequences.reduce(0) { $0 + $1.count }
        let longest = sequences.reduce(0) { max($0, $1.start + $1.count) }
        require(
            qkv.count == 3 * N * H * D && y.count == N * H * D && layer < first.layers,
            "cachedAttention: [\(N), \(H)·\(D)] from \(qkv.count) elements into \(y.count)")
        var firstRows: [Int] = []
        var next = 0
        for sequence in sequences {
            firstRows.append(next)
            next += sequence.count
        }
        let scratch = scratch(4 * table.cached_attention_scratch(D, longest))
        measured("attention", flops: sequences.reduce(0) { $0 + 4 * H * D * $1.count * ($1.start + $1.count) }) {
            // A work item is a few neighboring heads of one sequence.
            let headsPerItem = sequences.count == 1 ? (H + threads - 1) / threads : sequences.count < 4 * threads ? min(H, 4) : H
            let items = (H + headsPerItem - 1) / headsPerItem
            parallelFor(sequences.count * items) { item, thread in
                let sequence = sequences[item / items], row = firstRows[item / items]
                let start = item % items * headsPerItem, end = min(start + headsPerItem, H)
                for head in start..<end {
                    append(qkv, sequence, at: row, layer, head)
                    attend(qkv, sequence, at: row, layer, head, isLast: head + 1 == end, into: y,
                           scratch[thread].assumingMemoryBound(to: Float.self))
                }
            }
        }
    }

    private func append(_ qkv: Buffer, _ rows: CachedRows, at row: Int, _ layer: Int, _ head: Int) {
        let cache = rows.cache, D = cache.headWidth, C = cache.heads * D
        let keys = cache.keys(layer: layer, head: head), values = cache.values(layer: layer, head: head)
        for n in 0..<rows.count {
            let query = qkv.floats + (row + n) * 3 * C + head * D
            table.kv_cache_append(cache.precision.code, D, cache.capacity, rows.start + n, query + C, query + 2 * C, keys, values)
        }
    }

    private func attend(_ qkv: Buffer, _ rows: CachedRows, at row: Int, _ layer: Int, _ head: Int, isLast: Bool, into y: Buffer,
                        _ scratch: UnsafeMutablePointer<Float>) {
        let cache = rows.cache, D = cache.headWidth, C = cache.heads * D
        var p = slm_cached_attention()
        p.D = D
        p.precision = cache.precision.code
        p.capacity = cache.capacity
        p.scale = 1 / Float(D).squareRoot()
        p.keys = UnsafeRawPointer(cache.keys(layer: layer, head: head))
        p.values = UnsafeRawPointer(cache.values(layer: layer, head: head))
        for n in 0..<rows.count {
            if n + 1 == rows.count, !isLast {
                p.next_keys = UnsafeRawPointer(cache.keys(layer: layer, head: head + 1))
                p.next_values = UnsafeRawPointer(cache.values(layer: layer, head: head + 1))
            }
            p.q = UnsafePointer(qkv.floats + (row + n) * 3 * C + head * D)
            p.y = y.floats + (row + n) * C + head * D
            p.count = rows.start + n + 1
            table.cached_attention(&p, scratch)
        }
    }
}

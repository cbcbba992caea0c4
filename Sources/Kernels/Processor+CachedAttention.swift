internal import CKernels

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
            let headsPerItem =
                sequences.count == 1 ? (H + concurrency - 1) / concurrency : sequences.count < 4 * concurrency ? min(H, 4) : H
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

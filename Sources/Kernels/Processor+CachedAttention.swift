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
    ///   - qkv: [N, (H + 2·K)·D] in f32.
    ///   - sequences: The N rows, in order.
    ///   - sinks: [H], as those of ``Attention``.
    ///   - y: [N, H·D] in f32.
    package func cachedAttention(
        _ qkv: Buffer, _ heads: AttentionHeads, rows sequences: [CachedRows], layer: Int, sinks: Buffer? = nil, into y: Buffer
    ) {
        let N = sequences.reduce(0) { $0 + $1.count }
        let longest = sequences.reduce(0) { max($0, $1.start + $1.count) }
        require(
            qkv.count == N * heads.rowWidth && y.count == N * heads.queryWidth
                && sequences.allSatisfy { $0.cache.heads == heads.keys && $0.cache.headWidth == heads.width && layer < $0.cache.layers },
            "cachedAttention: [\(N), \(heads.queries)·\(heads.width)] from \(qkv.count) elements into \(y.count)")
        if N == 0 { return }
        if gpu != nil {
            require(sinks == nil, "cachedAttention: attention sinks need a CPU")
            return measured("attention") {
                let isDone = gpu?.cachedAttention(qkv, heads, rows: sequences, layer: layer, into: y, on: self) ?? false
                require(isDone, "cachedAttention: a buffer is not on \(gpu?.device.name ?? "")")
            }
        }
        var firstRows: [Int] = []
        var next = 0
        for sequence in sequences {
            firstRows.append(next)
            next += sequence.count
        }
        let step = CachedAttentionStep(qkv: qkv, heads: heads, layer: layer, sinks: sinks, y: y, table: table)
        let scratch = scratch(4 * table.cached_attention_scratch(heads.width, longest))
        let flops = sequences.reduce(0) { $0 + 4 * heads.queryWidth * $1.count * min($1.start + $1.count, heads.window ?? .max) }
        measured("attention", flops: flops) {
            if sequences.allSatisfy({ $0.count == 1 }) {
                computeOneRow(ofEach: sequences, step, scratch)
            } else {
                computeManyRows(of: sequences, firstRows, step, scratch)
            }
        }
    }

    /// Computes the attention of sequences that are answered, which have one row each. A work item is a few neighboring heads of one
    /// sequence: whole groups that share keys, unless those are too few.
    private func computeOneRow(ofEach sequences: [CachedRows], _ step: CachedAttentionStep, _ scratch: [UnsafeMutableRawPointer]) {
        let heads = step.heads, sharesGroups = sequences.count * heads.keys < concurrency && heads.group > 1
        let units = sharesGroups ? heads.queries : heads.keys, queriesPerUnit = sharesGroups ? 1 : heads.group
        if sharesGroups {
            for (row, sequence) in sequences.enumerated() { step.append(sequence, at: row, keyHeads: 0..<heads.keys) }
        }
        let perItem = sequences.count == 1 ? (units + concurrency - 1) / concurrency
            : sequences.count < 4 * concurrency ? min(units, 4) : units
        let items = (units + perItem - 1) / perItem
        parallelFor(sequences.count * items) { item, thread in
            let row = item / items, sequence = sequences[row]
            let start = item % items * perItem, end = min(start + perItem, units)
            let scratch = scratch[thread].assumingMemoryBound(to: Float.self)
            for unit in start..<end {
                if !sharesGroups { step.append(sequence, at: row, keyHeads: unit..<unit + 1) }
                for head in unit * queriesPerUnit..<(unit + 1) * queriesPerUnit {
                    step.compute(sequence, rows: 0..<1, at: row, head: head, isLast: head + 1 == end * queriesPerUnit, scratch)
                }
            }
        }
    }

    /// A work item is a part of the rows of a sequence, for one head: a prompt may have fewer heads than there are threads, and its last
    /// rows attend to the most positions.
    private func computeManyRows(
        of sequences: [CachedRows], _ firstRows: [Int], _ step: CachedAttentionStep, _ scratch: [UnsafeMutableRawPointer]
    ) {
        let heads = step.heads, rowsPerItem = 48
        parallelFor(sequences.count * heads.keys) { item, _ in
            let sequence = item / heads.keys, head = item % heads.keys
            step.append(sequences[sequence], at: firstRows[sequence], keyHeads: head..<head + 1)
        }
        let parts = sequences.indices.flatMap { sequence in
            let count = sequences[sequence].count
            return stride(from: 0, to: count, by: rowsPerItem).reversed().map { (sequence, $0..<min($0 + rowsPerItem, count)) }
        }
        parallelFor(parts.count * heads.queries) { item, thread in
            let (sequence, rows) = parts[item / heads.queries]
            step.compute(
                sequences[sequence], rows: rows, at: firstRows[sequence], head: item % heads.queries, isLast: true,
                scratch[thread].assumingMemoryBound(to: Float.self))
        }
    }
}

/// Attention of one layer over the KV caches of the sequences in a batch.
private struct CachedAttentionStep {
    let qkv: Buffer
    let heads: AttentionHeads
    let layer: Int
    let sinks: Buffer?
    let y: Buffer
    let table: slm_kernels

    /// Stores the keys and values of a sequence, whose rows begin at `row`.
    func append(_ sequence: CachedRows, at row: Int, keyHeads: Range<Int>) {
        let cache = sequence.cache, D = heads.width
        for head in keyHeads {
            let keys = cache.keys(layer: layer, head: head), values = cache.values(layer: layer, head: head)
            for n in 0..<sequence.count {
                let key = qkv.floats + (row + n) * heads.rowWidth + heads.queryWidth + head * D
                table.kv_cache_append(cache.precision.code, D, cache.capacity, sequence.start + n, key, key + heads.keyWidth, keys, values)
            }
        }
    }

    /// Computes some `rows` of a sequence, whose rows begin at `row`. Unless this head is the last, the next one is prefetched.
    func compute(
        _ sequence: CachedRows, rows: Range<Int>, at row: Int, head: Int, isLast: Bool, _ scratch: UnsafeMutablePointer<Float>
    ) {
        let cache = sequence.cache, D = heads.width, keyHead = head / heads.group, first = row + rows.lowerBound
        var p = slm_cached_attention()
        p.D = D
        p.precision = cache.precision.code
        p.capacity = cache.capacity
        p.scale = heads.scale
        p.cap = heads.scoreCap ?? 0
        p.sink = sinks.map { UnsafePointer($0.floats + head) }
        p.rows = rows.count
        p.count = sequence.start + rows.lowerBound + 1
        p.window = heads.window ?? 0
        p.keys = UnsafeRawPointer(cache.keys(layer: layer, head: keyHead))
        p.values = UnsafeRawPointer(cache.values(layer: layer, head: keyHead))
        if !isLast, (head + 1) % heads.group == 0 {
            p.next_keys = UnsafeRawPointer(cache.keys(layer: layer, head: keyHead + 1))
            p.next_values = UnsafeRawPointer(cache.values(layer: layer, head: keyHead + 1))
        }
        p.q = UnsafePointer(qkv.floats + first * heads.rowWidth + head * D)
        p.q_stride = heads.rowWidth
        p.y = y.floats + first * heads.queryWidth + head * D
        p.y_stride = heads.queryWidth
        table.cached_attention(&p, scratch)
    }
}
